"""The power of a design that is not made yet: words that change, times the parts that they change.

The Program computes the vectors in their order; of every layer it is counted how often a code and a
sum are other than the one before. Bits of a word that changes are about as often other as not, so
the look-up tables and flip-flops behind it toggle with a share of it. That share was set to what
netlists of published networks have (``benchmarks/estimates/power.py`` prints the error on each).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kanhw.estimation.resource_model import Resources, resources_of
from kanhw.estimation.unbuilt import unbuilt
from kanhw.formats import IntArray
from kanhw.power.energy import PARTS, bands_to_json, quantity, ranged, static_power
from kanhw.targets.energies import Band
from kanhw.targets.table import energies_of

if TYPE_CHECKING:
    from kanhw.estimation.clocks import DesignClocks
    from kanhw.program import Program
    from kanhw.schedule.schedule import Schedule

__all__ = ["ModelledPower", "modelled_power", "word_changes"]

# Of the bits behind a word that changes, how many do: of networks whose netlists were simulated.
_BITS = 0.36
# How far from the netlist's power the model's may be, up and down; the energies' bands come on top.
_ERROR = 1.3
# Vectors beyond these change no average.
_ENOUGH = 2000


@dataclass(frozen=True, kw_only=True)
class ModelledPower:
    """Power of a design that is not made yet, at a clock, fed without a pause.

    Parameters
    ----------
    target, part, clock_mhz, inferences_per_second, power_w, energy_per_inference_j
        As of :class:`kanhw.power.energy.PowerEstimate`.
    stimulus
        What the vectors were, in words.
    changes
        Of every layer, how often an input's code and an output's sum change from one to the next.
    unknown
        Parts whose energy is not known and not in the sums; ``dynamic`` is then a lower bound.
    basis
        What the energies come from.
    """

    target: str
    part: str | None
    clock_mhz: float
    inferences_per_second: float
    power_w: dict[str, Band | None]
    energy_per_inference_j: dict[str, Band | None]
    stimulus: str
    changes: tuple[tuple[float, float], ...]
    unknown: tuple[str, ...]
    basis: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: middles of bands, and the bands beside them."""
        return {
            "part": self.part,
            "clock_mhz": self.clock_mhz,
            "inferences_per_second": self.inferences_per_second,
            **bands_to_json("power_w", self.power_w),
            **bands_to_json("energy_per_inference_j", self.energy_per_inference_j),
            "stimulus": self.stimulus,
            "changes": [list(pair) for pair in self.changes],
            "glitches": "not counted",
            "lower_bound": bool(self.unknown),
            "basis": f"a model of words that change; energies: {self.basis}",
            "measured": False,
            "unknown_cells": list(self.unknown),
        }

    def lines(self) -> list[str]:
        """The estimate for people, two digits each."""
        least = "at least " if self.unknown else ""
        drawn = ranged(self.power_w["dynamic"], "W")
        energy = quantity(self.energy_per_inference_j["dynamic"], "J")
        text = [
            f"dynamic {least}{drawn} at {self.clock_mhz:g} MHz, the core alone, before synthesis",
            f"per inference {least}{energy}; stimulus: {self.stimulus}; glitches are not counted",
        ]
        if self.unknown:
            text.append(f"not in it, as no energy is known: {', '.join(self.unknown)}")
        return text


def word_changes(
    program: Program, schedule: Schedule, codes: IntArray
) -> tuple[tuple[float, float], ...]:
    """Of every layer, how often a code that comes in and a sum that leaves change.

    Unrolled, from one vector to the next. Folded, from one step to the next: another input's code
    comes, and sums grow at every step.

    Parameters
    ----------
    program, schedule
        The design.
    codes
        ``[N, n_in]`` in their order.
    """
    rows = codes[:_ENOUGH]
    streams: Sequence[IntArray] = (rows,)
    found = []
    for layer, outputs in zip(program.layers, program.activations(rows), strict=True):
        read = np.concatenate([streams[stream] for stream in layer.streams], axis=1)
        if schedule.folded:
            sequence = read.reshape(-1)
            code = float((sequence[1:] != sequence[:-1]).mean()) if len(sequence) > 1 else 0.0
            found.append((code, 1.0))
        else:
            each = (read[1:] != read[:-1]).mean(axis=0)
            found.append((float(each.mean()), float(1 - np.prod(1 - each))))
        streams = outputs
    return tuple(found)


def modelled_power(
    program: Program,
    schedule: Schedule,
    target: str,
    resources: Resources,
    clocks: DesignClocks,
    codes: IntArray,
    *,
    clock_mhz: float,
    part: str | None,
    stimulus: str,
) -> ModelledPower:
    """The power of a design from its modelled resources and the words of its Program.

    Parameters
    ----------
    program, schedule, target
        The design, and what it is modelled for.
    resources, clocks
        As modelled.
    codes
        ``[N, n_in]`` in their order.
    clock_mhz, part, stimulus
        As for :func:`kanhw.power.energy.power_of`.

    Raises
    ------
    InputError
        If no energies of the target are known, or nothing of the part.
    """
    energies = energies_of(target)
    static = static_power(energies, part, target)
    changes = word_changes(program, schedule, codes)
    active = _activity(program, schedule, target, changes)
    toggled = resources.lut * active
    error = Band(1 / _ERROR, _ERROR)
    watt = 1e-15 * clock_mhz * 1e6

    def of(band: Band | None, count: float) -> Band | None:
        if count == 0:
            return Band(0.0, 0.0)
        return None if band is None else band * (count * watt)

    ff = resources.ff
    moved = energies.cell_toggle * toggled + energies.ff * ff
    moved += energies.carry * (resources.carry or 0)
    nets = energies.net_toggle * (toggled + ff * active)
    power: dict[str, Band | None] = {
        "clock": energies.clock_ff * (ff * watt) + energies.clock_trunk * watt,
        "logic": Band(moved.low * error.low, moved.high * error.high) * watt,
        "signals": Band(nets.low * error.low, nets.high * error.high) * watt,
        "memory": of(energies.bram, resources.bram),
        "dsp": of(energies.dsp, resources.dsp),
    }
    known = [band for band in power.values() if band is not None]
    dynamic = sum(known, Band(0.0, 0.0))
    rate = clock_mhz * 1e6 / clocks.initiation_interval
    return ModelledPower(
        target=target,
        part=part,
        clock_mhz=clock_mhz,
        inferences_per_second=rate,
        power_w={**power, "dynamic": dynamic, "static": static},
        energy_per_inference_j={
            "dynamic": dynamic * (1 / rate),
            "total": None if static is None else (dynamic + static) * (1 / rate),
        },
        stimulus=stimulus,
        changes=changes,
        unknown=tuple(name for name in PARTS if power[name] is None),
        basis=energies.basis,
    )


def _activity(
    program: Program,
    schedule: Schedule,
    target: str,
    changes: tuple[tuple[float, float], ...],
) -> float:
    """Toggles a clock of a bit behind look-up tables: of every layer by the LUTs that it has."""
    from kanhw.gateware.top.stage_costs import stage_costs

    with unbuilt():
        luts = [resources_of(each.costs, target).lut for each in stage_costs(program, schedule)]
    shares = np.array(luts, np.float64) / max(sum(luts), 1)
    means = np.array([(code + total) / 2 for code, total in changes])
    return float(_BITS * (shares * means).sum())
