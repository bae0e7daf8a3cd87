"""What a design costs, figure by figure, each with how it is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from kanhw.estimation.resources import ResourceEstimate

if TYPE_CHECKING:
    from kanhw.estimation.clocks import DesignClocks

__all__ = ["COUNTS", "FIGURES", "GRADES", "Estimate", "Figure", "Power", "timed"]

GRADES = ("model", "synthesis", "place")
"""From quick to slow; each knows more than the one before it."""

COUNTS = ("lut", "ff", "carry", "dsp", "bram")
"""The figures that are numbers of cells, block RAMs in the target's unit."""

FIGURES = (
    *COUNTS,
    *("clock_mhz", "cycles", "interval", "latency_ns", "inferences_per_second"),
)
"""All figures but power and energy."""


@dataclass(frozen=True)
class Figure:
    """A figure and how it is known.

    Parameters
    ----------
    value
        The figure, in the unit of its name.
    grade
        ``model``, ``synthesis`` or ``place``; ``schedule`` for clocks, which the schedule decides;
        ``given`` for what the user said, and ``report`` for what a vendor's tool did.
    source
        The tool that it is from, with its version.
    low, high
        Where nine of ten designs lie of those that the figure was tested on; None where there is
        no such test, or nothing to be wrong about.
    """

    value: float
    grade: str
    source: str
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "value": self.value,
            "grade": self.grade,
            "source": self.source,
            "range": None if self.low is None or self.high is None else [self.low, self.high],
        }


class Power(Protocol):
    """Power and energy, however they are known."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, ``power_w`` and ``energy_per_inference_j`` among them."""

    def lines(self) -> list[str]:
        """The figures for people."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a design costs on a target, or a part of one.

    A figure that is not known is None, never 0. ``lut``, ``ff``, ``carry``, ``dsp``, ``bram``,
    ``clock_mhz``, ``cycles`` (of latency), ``interval`` (clocks between two inferences),
    ``latency_ns`` and ``inferences_per_second`` are attributes.

    Parameters
    ----------
    target
        Name of the target, or of the part that a report is of.
    grade
        The highest that was asked for; ``report`` for what a vendor's tool said.
    bram_unit
        What one block RAM is.
    figures
        Those of :data:`FIGURES` that are known.
    power
        Watt by part and energy per inference; None where it was not asked for.
    resources
        What synthesis made, cell by cell; None below that grade.
    clocks
        Of every stage; None where the design is not known.
    name
        What it is of, for tables.
    """

    target: str
    grade: str
    bram_unit: str
    figures: Mapping[str, Figure]
    power: Power | None = None
    resources: ResourceEstimate | None = None
    clocks: DesignClocks | None = None
    name: str = ""
    notes: tuple[str, ...] = field(default=())

    def value(self, name: str) -> float | None:
        """A figure of :data:`FIGURES`, or None."""
        found = self.figures.get(name)
        return None if found is None else found.value

    def _count(self, name: str) -> int | None:
        found = self.value(name)
        return None if found is None else round(found)

    @property
    def lut(self) -> int | None:
        """LUT sites of the target."""
        return self._count("lut")

    @property
    def ff(self) -> int | None:
        """Flip-flops."""
        return self._count("ff")

    @property
    def carry(self) -> int | None:
        """Carry cells."""
        return self._count("carry")

    @property
    def dsp(self) -> int | None:
        """Multiplier blocks."""
        return self._count("dsp")

    @property
    def bram(self) -> int | None:
        """Block RAMs, in ``bram_unit``."""
        return self._count("bram")

    @property
    def clock_mhz(self) -> float | None:
        """The clock: given, or reached by place and route."""
        return self.value("clock_mhz")

    @property
    def cycles(self) -> int | None:
        """Clocks from an input to its output."""
        return self._count("cycles")

    @property
    def interval(self) -> int | None:
        """Clocks between two inferences."""
        return self._count("interval")

    @property
    def latency_ns(self) -> float | None:
        """From an input to its output, in nanoseconds."""
        return self.value("latency_ns")

    @property
    def inferences_per_second(self) -> float | None:
        """Inferences a second, one behind the other."""
        return self.value("inferences_per_second")

    @property
    def power_w(self) -> dict[str, float | None] | None:
        """Watt by part, ``dynamic`` and ``static``; None where power was not asked for."""
        return None if self.power is None else self.power.to_json()["power_w"]

    @property
    def energy_per_inference_j(self) -> dict[str, float | None] | None:
        """Joule, ``dynamic`` and ``total``; None where power was not asked for."""
        return None if self.power is None else self.power.to_json()["energy_per_inference_j"]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: the figures, and under ``figures`` how each is known."""
        values: dict[str, Any] = {name: self.value(name) for name in FIGURES}
        for name in (*COUNTS, "cycles", "interval"):
            values[name] = self._count(name)
        data = {
            "target": self.target,
            "grade": self.grade,
            "bram_unit": self.bram_unit,
            **values,
            "figures": {name: figure.to_json() for name, figure in self.figures.items()},
        }
        if self.name:
            data["name"] = self.name
        if self.notes:
            data["notes"] = list(self.notes)
        if self.clocks is not None:
            data["clocks"] = self.clocks.to_json()
        if self.power is not None:
            own = self.power.to_json()
            # Scripts read these two; the rest says what they mean.
            data |= {key: own.pop(key) for key in ("power_w", "energy_per_inference_j")}
            data["power"] = own
        return data


def timed(clocks: DesignClocks, clock: Figure | None) -> dict[str, Figure]:
    """The figures of time: clocks from the schedule, and what they are at a clock if one is known.

    Parameters
    ----------
    clocks
        Of the design.
    clock
        In MHz; None: nobody knows.
    """
    schedule = "the layout of the design"
    found = {
        "cycles": Figure(clocks.latency, "schedule", schedule),
        "interval": Figure(clocks.initiation_interval, "schedule", schedule),
    }
    if clock is None:
        return found

    def at(factor: float, numerator: bool) -> Figure:
        ends = [None if end is None else end for end in (clock.low, clock.high)]
        value = clock.value * factor if numerator else factor / clock.value
        low = high = None
        if ends[0] is not None and ends[1] is not None:
            both = [end * factor if numerator else factor / end for end in ends if end]
            low, high = min(both), max(both)
        return Figure(value, clock.grade, clock.source, low, high)

    found["clock_mhz"] = clock
    found["latency_ns"] = at(1e3 * clocks.latency, numerator=False)
    found["inferences_per_second"] = at(1e6 / clocks.initiation_interval, numerator=True)
    return found
