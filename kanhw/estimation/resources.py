"""The resources that a design takes on one target, as Yosys estimates them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from kanhw.entries import Entry
from kanhw.errors import InputError
from kanhw.estimation.place_and_route import PlacedTiming
from kanhw.values import brief

__all__ = ["ResourceEstimate"]


# What 'kanhw estimate' writes beside an estimate.
_BESIDE = (
    *("stage", "clocks", "power", "power_w", "energy_per_inference_j", "grade", "grades"),
    *("figures", "clock_mhz", "cycles", "interval", "latency_ns", "inferences_per_second"),
    *("notes", "vivado"),
)


@dataclass(frozen=True, kw_only=True)
class ResourceEstimate:
    """Cells of one design after synthesis: an estimate, made before placement and routing.

    The clock is the one figure that needs both; it is there if it was asked for.

    Vendor tools optimise across cells and share LUTs, so their counts after routing differ; on
    UltraScale+ Vivado's were about the count here divided by 1.16 for published KANs.

    Parameters
    ----------
    target
        Name of the target, a key of ``kanhw.estimation.TARGETS``; its ``note`` says what the units
        below mean there.
    lut
        LUT sites in all: ``sum(lut_by_size.values()) + lut_memory + lut_carry``. A site is a LUT6
        on ``xcup``, a LUT4 on ``ecp5`` and ``ice40``.
    lut_by_size
        LUT cells by their number of inputs; a size without cells is absent.
    lut_memory
        LUT sites used as memory or shift register.
    lut_carry
        LUT sites that carry cells occupy besides the LUTs of ``lut_by_size`` (ECP5 only).
    ff
        Flip-flops.
    carry
        Carry cells (``xcup`` CARRY4 or CARRY8, ``ecp5`` CCU2C, ``ice40`` SB_CARRY).
    mux
        Dedicated multiplexers that join LUTs (``xcup`` MUXF7 to MUXF9, ``ecp5`` PFUMX, L6MUX21).
    inverters
        Inverter cells, which are not part of ``lut``: most vanish into LUTs or flip-flops.
    dsp
        Multiplier blocks.
    bram
        Block RAM in ``bram_unit``.
    bram_unit
        What one block RAM is, such as ``BRAM18`` (18 Kbit).
    other
        Cells that are none of the above, by type.
    recipe
        Name of the synthesis recipe that these counts come from.
    alternatives
        ``lut`` of the other recipes that were run.
    tool
        The Yosys that ran, with its version.
    script
        The synthesis commands, with every flag.
    seconds
        Wall-clock time of the synthesis.
    timing
        The clock after placing and routing, or None if that was not done.
    """

    target: str
    lut: int
    lut_by_size: Mapping[int, int]
    lut_memory: int
    lut_carry: int
    ff: int
    carry: int
    mux: int
    inverters: int
    dsp: int
    bram: int
    bram_unit: str
    other: Mapping[str, int]
    recipe: str
    alternatives: Mapping[str, int] = field(default_factory=dict)
    tool: str
    script: str
    seconds: float
    timing: PlacedTiming | None = None

    @property
    def fmax_mhz(self) -> float | None:
        """The clock in MHz after placing and routing (median over seeds), or None."""
        return None if self.timing is None else self.timing.fmax_mhz

    def to_json(self) -> dict[str, Any]:
        """The estimate as plain JSON values; the sizes of LUTs become text."""
        data = asdict(self)
        data["lut_by_size"] = {str(size): count for size, count in self.lut_by_size.items()}
        del data["timing"]
        if self.timing is not None:
            data["timing"] = self.timing.to_json()
        return {"stage": "post-synthesis estimate", **data}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], place: str = "the estimate") -> ResourceEstimate:
        """The inverse of :meth:`to_json`.

        Parameters
        ----------
        data
            The JSON object.
        place
            Where it is from, for messages.

        Raises
        ------
        InputError
            If a field is missing, unknown or not of its kind; it names the place and the field.
        """
        try:
            return cls._from_entry(Entry(data, place))
        except InputError as error:
            raise InputError(f"{error}: give what 'kanhw estimate --out' wrote") from error

    @classmethod
    def _from_entry(cls, entry: Entry) -> ResourceEstimate:
        values = {name: entry.integer(name) for name in _COUNTS}
        values |= {name: entry.text(name) for name in _TEXTS}
        values |= {name: entry.counts(name) for name in ("other", "lut_by_size", "alternatives")}
        values["seconds"] = entry.number("seconds")
        sizes = values["lut_by_size"]
        if not all(size.isdecimal() and len(size) < 3 for size in sizes):
            raise InputError(f"{entry.place}.lut_by_size must name sizes, not {brief(sizes)}")
        values["lut_by_size"] = {int(size): count for size, count in sizes.items()}
        timing = entry.optional_child("timing")
        if timing is not None:
            values["timing"] = PlacedTiming.from_json(timing)
        for key in _BESIDE:  # said beside the estimate
            entry.get(key, None)
        entry.finish()
        return cls(**values)


_COUNTS = ("lut", "lut_memory", "lut_carry", "ff", "carry", "mux", "inverters", "dsp", "bram")
_TEXTS = ("target", "bram_unit", "recipe", "tool", "script")
