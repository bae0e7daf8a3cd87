"""The grade ``model``: what a design costs, from its Program and schedule alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kanhw import __version__
from kanhw.estimation.clocks import clocks_of, top_of
from kanhw.estimation.estimate import COUNTS, Estimate, Figure, timed
from kanhw.estimation.modelled_power import modelled_power
from kanhw.estimation.resource_model import resources_of
from kanhw.estimation.unbuilt import unbuilt
from kanhw.formats import IntArray
from kanhw.targets.table import model_of, target_named

if TYPE_CHECKING:
    from kanhw.program import Program
    from kanhw.schedule.schedule import Schedule

__all__ = ["ModelledStimulus", "given_clock", "model_estimate"]


def given_clock(clock_mhz: float | None) -> Figure | None:
    """A clock that the user named, or None."""
    return None if clock_mhz is None else Figure(clock_mhz, "given", "the user")


@dataclass(frozen=True)
class ModelledStimulus:
    """What power is modelled with.

    Parameters
    ----------
    codes
        ``[N, n_in]`` in the order in which they come.
    what
        What they are, in words.
    part
        Whose static power is added; None: unknown.
    """

    codes: IntArray
    what: str
    part: str | None = None


def model_estimate(
    program: Program,
    schedule: Schedule,
    target: str,
    *,
    clock_mhz: float | None = None,
    stimulus: ModelledStimulus | None = None,
) -> Estimate:
    """Model a design without making it: milliseconds for small networks.

    Parameters
    ----------
    program, schedule
        The network, and how it is laid out.
    target
        A target that there is a resource model of.
    clock_mhz
        The clock that latency and throughput are told at; None: they are told in clocks.
    stimulus
        What power is modelled with, at that clock; None: it is not.

    Raises
    ------
    InputError
        If there is no such hardware, or no model of the target.
    """
    model = model_of(target)
    with unbuilt():
        top = top_of(program, schedule)
        clocks, resources = clocks_of(top), resources_of(top.costs, target)
        del top
    source, figures = f"kanhw {__version__}", {}
    for name in COUNTS:
        value = getattr(resources, name)
        if value is None:
            continue
        low, high = model.weights.range_of(name, value) or (None, None)
        figures[name] = Figure(value, "model", source, low, high)
    power = None
    if stimulus is not None and clock_mhz is not None:
        power = modelled_power(
            *(program, schedule, target, resources, clocks, stimulus.codes),
            clock_mhz=clock_mhz,
            part=stimulus.part,
            stimulus=stimulus.what,
        )
    return Estimate(
        target=target,
        grade="model",
        bram_unit=target_named(target).bram_unit,
        figures=figures | timed(clocks, given_clock(clock_mhz)),
        clocks=clocks,
        power=power,
    )
