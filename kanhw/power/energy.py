"""Power and energy per inference of a synthesised design: its toggles times what each takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kanhw.errors import InputError
from kanhw.power.activity import Activity
from kanhw.power.local_nets import local_nets
from kanhw.power.mapped import MappedNetlist
from kanhw.targets.cells.batch import CellKind
from kanhw.targets.cells.cell import HIGH, LOW
from kanhw.targets.energies import Band, CellEnergies
from kanhw.targets.table import energies_of
from kanhw.targets.target import Target

__all__ = [
    "PARTS",
    "VECTORLESS",
    "PowerEstimate",
    "bands_to_json",
    "power_of",
    "quantity",
    "ranged",
    "static_power",
    "switching_energies",
]

VECTORLESS = "vectorless"
"""What the stimulus of a figure without vectors begins with."""

# What real data were seen to have.
_USUAL_TOGGLES = (0.03, 0.5)
_FEW_ROWS = 100

PARTS = ("clock", "logic", "signals", "memory", "dsp")
"""The parts of dynamic power, as vendors' reports name them."""


@dataclass(frozen=True, kw_only=True)
class PowerEstimate:
    """Power of the core at a clock, fed without a pause; a figure that is not known is None.

    Neither pins, PLLs, processors and the board are in it, nor glitches.

    Parameters
    ----------
    target
        The family.
    part
        Whose static power it is; None: none was named.
    clock_mhz
        At this clock.
    inferences_per_second
        At that clock, one vector behind the other.
    power_w
        Watt by part (:data:`PARTS`; logic has flip-flops and carries in it) and as ``dynamic`` and
        ``static``.
    energy_per_inference_j
        Joule: ``dynamic``, and ``total`` with the static power over the time of one.
    stimulus
        What the vectors were, in words.
    vectors, input_toggle
        How many, and how often a bit of the input changed per clock.
    toggles_per_clock
        Of all nets together.
    basis
        What the energies come from.
    measured
        Whether from measurements; else from a vendor's estimates.
    unknown
        Cells whose energy is not known and not in the sums, by type; then ``dynamic`` is a lower
        bound and no total.
    glitch_bound
        How many times the toggles there are at most with glitches, which are not counted; None: it
        was not bounded.
    warnings
        Why the figure may mean little.
    """

    target: str
    part: str | None
    clock_mhz: float
    inferences_per_second: float
    power_w: Mapping[str, Band | None]
    energy_per_inference_j: Mapping[str, Band | None]
    stimulus: str
    vectors: int
    input_toggle: float
    toggles_per_clock: float
    basis: str
    measured: bool
    unknown: Mapping[str, int]
    warnings: tuple[str, ...]
    glitch_bound: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: middles of bands, and the bands beside them."""
        return {
            "part": self.part,
            "clock_mhz": self.clock_mhz,
            "inferences_per_second": self.inferences_per_second,
            **bands_to_json("power_w", self.power_w),
            **bands_to_json("energy_per_inference_j", self.energy_per_inference_j),
            "stimulus": self.stimulus,
            "vectors": self.vectors,
            "input_toggle": self.input_toggle,
            "toggles_per_clock": self.toggles_per_clock,
            "glitches": "not counted",
            "glitch_bound": self.glitch_bound,
            "lower_bound": bool(self.unknown),
            "basis": self.basis,
            "measured": self.measured,
            "unknown_cells": dict(self.unknown),
            "warnings": list(self.warnings),
        }

    def lines(self) -> list[str]:
        """The estimate for people, two digits each."""
        dynamic, static = self.power_w["dynamic"], self.power_w["static"]
        parts = ", ".join(
            f"{name} {quantity(band, 'W')}"
            for name in PARTS
            if (band := self.power_w[name]) is not None and band.high
        )
        energy, rest = self.energy_per_inference_j, "static unknown: name a part with --part"
        if static is not None:
            rest = f"static {quantity(static, 'W')} ({self.part}, 25 C)"
        whole = "" if static is None else f", {ranged(energy['total'], 'J')} with static"
        each = ranged(energy["dynamic"], "J")
        moved, changed = f"{self.inferences_per_second:.3g}", f"{100 * self.input_toggle:.2g}"
        rows = f", {self.vectors} vectors in their order" if self.vectors else ""
        seen = f"stimulus: {self.stimulus}{rows}"
        least = "at least " if self.unknown else ""
        glitches = f"glitches are not counted{self._bounded()}"
        drawn = f"dynamic {least}{ranged(dynamic, 'W')}"
        text = [
            f"{drawn} at {self.clock_mhz:g} MHz, the core alone ({parts})",
            rest,
            f"per inference {least}{each} dynamic{whole}, at {moved} inferences a second",
            f"{seen}, of which a bit changes in {changed} % of clocks; {glitches}",
            f"energies: {self.basis}; bands are theirs",
        ]
        if self.unknown:
            cells = ", ".join(f"{count} {kind}" for kind, count in self.unknown.items())
            text.append(f"not in it, as no energy is known: {cells}")
        return text + [f"warning: {warning}" for warning in self.warnings]


    def _bounded(self) -> str:
        if self.glitch_bound is None:
            return ""
        return f": with them nets change at most {self.glitch_bound:.2g} times as often"


def switching_energies(
    netlist: MappedNetlist,
    kinds: Mapping[str, CellKind],
    energies: CellEnergies,
    activity: Activity,
    bram_units: Mapping[str, int],
) -> tuple[dict[str, Band | None], dict[str, int]]:
    """Femtojoules per clock by part, and cells whose energy is not known.

    Parameters
    ----------
    netlist, kinds, activity
        As they were simulated.
    energies
        Of the family.
    bram_units
        How many of the family's block RAMs a type of cell is.
    """
    rates = activity.toggles / activity.clocks
    cells = Counter(cell.kind for cell in netlist.cells)
    count = Counter[str]()
    for kind, number in cells.items():
        count[kinds[kind].part] += number
    moved = {
        part: float(sum(rates[_driven(netlist, kinds, part)]))
        for part in ("lut", "mux", "carry", "ff", "memory", "bram", "dsp")
    }
    ff = count["ff"]
    nets = _nets_that_count(netlist)
    besides = moved["mux"] + moved["carry"]
    if energies.between_slices:
        besides = 0.0
        nets &= ~local_nets(netlist, kinds)
    blocks = sum(bram_units.get(kind, 0) * n for kind, n in cells.items())
    known = {
        "memory": (count["memory"], energies.lut_memory),
        "bram": (blocks, energies.bram),
        "dsp": (count["dsp"], energies.dsp),
    }
    unknown = {
        kind: number
        for kind, number in cells.items()
        if (entry := known.get(kinds[kind].part)) is not None and entry[1] is None
    }
    logic = energies.cell_toggle * (moved["lut"] + besides)
    memory = [_of(*known[name]) for name in ("memory", "bram")]
    return {
        "clock": energies.clock_ff * ff + energies.clock_trunk,
        "logic": logic + energies.ff * ff + energies.carry * count["carry"],
        "signals": energies.net_toggle * float(rates[nets].sum()),
        "memory": None if None in memory else _sum(memory),
        "dsp": _of(*known["dsp"]),
    }, unknown


def static_power(energies: CellEnergies, part: str | None, target: str) -> Band | None:
    """The static power of a part in watt; None: none was named.

    Raises
    ------
    InputError
        If nothing is known of the part.
    """
    if part is None:
        return None
    if part not in energies.static_w:
        known = ", ".join(energies.static_w) or "none"
        raise InputError(
            f"The static power of {part!r} is not known; of {target} parts that of {known} is: "
            "take one of them, or leave --part"
        )
    return energies.static_w[part]


def _driven(netlist: MappedNetlist, kinds: Mapping[str, CellKind], part: str) -> list[int]:
    """The nets that cells of a part drive."""
    return [
        net
        for cell in netlist.cells
        if kinds[cell.kind].part == part
        for port in kinds[cell.kind].outputs
        if (net := cell.net(*port)) not in (LOW, HIGH)
    ]


def _nets_that_count(netlist: MappedNetlist) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """All nets but constants."""
    counts = np.ones(netlist.nets, bool)
    counts[[LOW, HIGH]] = False
    return counts


def _of(count: int, energy: Band | None) -> Band | None:
    if count == 0:
        return Band(0.0, 0.0)
    return None if energy is None else energy * count


def _sum(bands: list[Band | None]) -> Band:
    total = Band(0.0, 0.0)
    for band in bands:
        total = total + (band or Band(0.0, 0.0))
    return total


_PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"), (1e-12, "p"), (1e-15, "f"))


def bands_to_json(name: str, bands: Mapping[str, Band | None]) -> dict[str, Any]:
    """The middles of bands under a name, and their ends beside it; None is not known."""
    return {
        name: {key: None if band is None else band.middle for key, band in bands.items()},
        f"{name}_range": {
            key: None if band is None else [band.low, band.high] for key, band in bands.items()
        },
    }


def quantity(band: Band | None, unit: str) -> str:
    """The middle of a band with two digits and a prefix."""
    if band is None:
        return "unknown"
    return _written(band.middle, unit)


def ranged(band: Band | None, unit: str) -> str:
    """The middle of a band, and its ends."""
    if band is None:
        return "unknown"
    return f"{quantity(band, unit)} ({_written(band.low, unit)} to {_written(band.high, unit)})"


def _written(value: float, unit: str) -> str:
    if value <= 0:
        return f"0 {unit}"
    factor, prefix = next((pair for pair in _PREFIXES if value >= pair[0]), _PREFIXES[-1])
    return f"{float(f'{value / factor:.2g}'):g} {prefix}{unit}"


def power_of(
    target: Target,
    netlist: MappedNetlist,
    kinds: Mapping[str, CellKind],
    activity: Activity,
    *,
    clock_mhz: float,
    part: str | None,
    stimulus: str,
    glitch_bound: float | None = None,
) -> PowerEstimate:
    """The power of a design at a clock, from its activity.

    Parameters
    ----------
    target
        The family; it has energies.
    netlist, kinds, activity
        As they were simulated.
    clock_mhz
        The clock.
    part
        Whose static power is added; None: unknown.
    stimulus
        What the vectors were, in words.
    glitch_bound
        As in the estimate.

    Raises
    ------
    InputError
        If nothing is known of the family or the part.
    """
    energies = energies_of(target.name)
    units = {kind: cost.bram for kind, cost in target.cells.items() if cost.bram}
    switched, unknown = switching_energies(netlist, kinds, energies, activity, units)
    clock = clock_mhz * 1e6
    power: dict[str, Band | None] = {
        name: None if band is None else band * (1e-15 * clock) for name, band in switched.items()
    }
    dynamic = _sum(list(power.values()))
    static = static_power(energies, part, target.name)
    rate = clock * activity.vectors / activity.clocks
    return PowerEstimate(
        target=target.name,
        part=part,
        clock_mhz=clock_mhz,
        inferences_per_second=rate,
        power_w={**power, "dynamic": dynamic, "static": static},
        energy_per_inference_j={
            "dynamic": dynamic * (1 / rate),
            "total": None if static is None else (dynamic + static) * (1 / rate),
        },
        stimulus=stimulus,
        vectors=activity.rows,
        input_toggle=activity.input_toggles,
        toggles_per_clock=float(activity.toggles.sum() / activity.clocks),
        basis=energies.basis,
        measured=energies.measured,
        unknown=unknown,
        glitch_bound=glitch_bound,
        warnings=_warnings(activity, stimulus),
    )


def _warnings(activity: Activity, stimulus: str) -> tuple[str, ...]:
    """Why the stimulus may not be what the design will see."""
    found: list[str] = []
    if stimulus.startswith(VECTORLESS):
        found.append(
            "nothing is known of the data here: the figure is to be compared with vendors' "
            "reports without vectors, and is not what the design takes"
        )
        return tuple(found)
    if stimulus.startswith("random"):
        found.append(
            "random inputs are not data, whose activity is up to tenfold less: give rows like "
            "those that the design will see, in their order (--vectors)"
        )
    if activity.rows < _FEW_ROWS:
        found.append(f"{activity.rows} rows are few: give {_FEW_ROWS} or more")
    low, high = _USUAL_TOGGLES
    if not low <= activity.changes <= high:
        found.append(
            f"a bit of the input changes in {100 * activity.changes:.2g} % of the payloads that "
            f"follow each other, where real data have {100 * low:g} to {100 * high:g} %: are "
            "these rows in the order in which the design will see them?"
        )
    return tuple(found)
