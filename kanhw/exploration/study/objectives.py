"""What points are compared by, and what they must keep to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kanhw.errors import InputError
from kanhw.values import meant

__all__ = ["OBJECTIVES", "Figures", "Limit", "Objective", "limit_from_text", "objectives_named"]

Figures = Mapping[str, float | None]
"""What is known of a point, by the names of objectives; None, or nothing, where it is not."""


@dataclass(frozen=True)
class Objective:
    """A figure that points are compared by.

    Parameters
    ----------
    name
        By which users choose it.
    title
        In words, with its unit.
    more
        Whether more is better.
    form
        How it is written, a format of Python.
    """

    name: str
    title: str
    more: bool = False
    form: str = ",.0f"

    def text(self, value: float | None) -> str:
        """A figure as tables show it; a dash where it is not known."""
        return "-" if value is None else format(value, self.form)

    def loss(self, value: float) -> float:
        """The figure with less better."""
        return -value if self.more else value


OBJECTIVES: dict[str, Objective] = {
    each.name: each
    for each in (
        Objective("accuracy", "accuracy", more=True, form=".4f"),
        Objective("rmse_of_deviation", "RMSE of the worst output / its deviation", form=".4g"),
        Objective("parameter_bits", "parameter bits"),
        Objective("lut", "LUT"),
        Objective("bram", "block RAM"),
        Objective("dsp", "DSP blocks"),
        Objective("interval_cycles", "clocks between inferences"),
        Objective("latency_cycles", "latency in clocks"),
        Objective("latency_ns", "latency in ns", form=",.4g"),
        Objective("inferences_per_second", "inferences a second", more=True, form=",.4g"),
        Objective("utilisation", "share of the device", form=".3f"),
        Objective("energy_per_inference_j", "dynamic energy an inference in J", form=".3g"),
    )
}
"""By name, in the order of tables."""


def objectives_named(names: Iterable[str]) -> tuple[Objective, ...]:
    """The objectives of some names, in their order.

    Raises
    ------
    InputError
        If there is none of a name, or one is there twice, or there are none at all.
    """
    found = tuple(OBJECTIVES.get(name) or _unknown(name) for name in names)
    if not found or len(set(found)) < len(found):
        raise InputError(
            "Objectives must be one or more different ones of "
            f"{', '.join(OBJECTIVES)}, not {', '.join(each.name for each in found) or 'none'}"
        )
    return found


@dataclass(frozen=True)
class Limit:
    """What a figure of a point may be at most, or must be at least.

    Parameters
    ----------
    objective
        Of which figure.
    bound
        The limit, kept where it is reached exactly.
    most
        Whether it is the most; else the least.
    """

    objective: Objective
    bound: float
    most: bool

    def excess(self, figures: Figures) -> float:
        """By how much it is missed, 0 or less where it is kept; infinite for an unknown figure."""
        value = figures.get(self.objective.name)
        if value is None:
            return math.inf
        return value - self.bound if self.most else self.bound - value

    def kept(self, figures: Figures) -> bool:
        """Whether a point keeps to it; one whose figure is not known does not."""
        return self.excess(figures) <= 0

    def __str__(self) -> str:
        return f"{self.objective.name} {'<=' if self.most else '>='} {self.bound:g}"


def limit_from_text(text: str, *, most: bool) -> Limit:
    """A limit written as ``lut=2000``.

    Raises
    ------
    InputError
        If it is not.
    """
    flag = "--at-most" if most else "--at-least"
    name, equals, number = text.partition("=")
    try:
        bound = float(number)
    except ValueError:
        bound = math.nan
    if not equals or math.isnan(bound):
        raise InputError(f"{flag} takes NAME=NUMBER, as in lut=2000, not {text!r}")
    (objective,) = objectives_named([name.strip()])
    return Limit(objective, bound, most)


def _unknown(name: str) -> Objective:
    raise InputError(
        f"There is no objective {name!r}{meant(name, OBJECTIVES) or ';'} there are "
        f"{', '.join(OBJECTIVES)}"
    )
