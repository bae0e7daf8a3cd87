"""The figures of a Program as hardware, by grade: how much is done to know them."""

from __future__ import annotations

from collections.abc import Callable

from kanhw.estimation.clocks import design_clocks
from kanhw.estimation.modelled_power import modelled_power
from kanhw.estimation.resource_model import model_design
from kanhw.exploration.study.objectives import Figures
from kanhw.formats import FloatArray
from kanhw.program import Program
from kanhw.schedule.schedule import Schedule

__all__ = ["MODEL", "Estimator", "model_figures"]

Estimator = Callable[[Program, Schedule, str, FloatArray], Figures]
"""From a Program, a schedule, a target's name and inputs to figures; what is not known is left
out."""


def model_figures(
    program: Program, schedule: Schedule, target: str, x: FloatArray
) -> Figures:
    """Resources counted from the integers, clocks and energy; nothing is synthesised.

    Parameters
    ----------
    program, schedule
        The network, and how it is laid out.
    target
        A family that the resource model was fitted for.
    x
        ``[N, n_in]``, inputs in their units, in the order in which they come.

    Raises
    ------
    InputError
        If there is no such hardware, or no model.
    """
    resources = model_design(program, schedule, target)
    clocks = design_clocks(program, schedule)
    # Any clock gives the same: what an inference takes of the core's power grows with it.
    power = modelled_power(
        *(program, schedule, target, resources, clocks, program.input.encode(x)),
        clock_mhz=1.0,
        part=None,
        stimulus="held-out data",
    )
    dynamic = power.energy_per_inference_j["dynamic"]
    energy = {}
    if dynamic is not None and not power.unknown:
        energy = {"energy_per_inference_j": dynamic.middle}
    return {
        "lut": float(resources.lut),
        "bram": float(resources.bram),
        "dsp": float(resources.dsp),
        "interval_cycles": float(clocks.initiation_interval),
        "latency_cycles": float(clocks.latency),
        **energy,
    }


MODEL: Estimator = model_figures
"""The grade ``model``."""
