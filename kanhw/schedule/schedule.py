"""The schedule of a Program in time and space: everything that does not change its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from kanhw.entries import Entry
from kanhw.errors import InputError
from kanhw.values import brief, meant

__all__ = ["FABRICS", "SCHEDULES", "Schedule"]

SCHEDULES = ("unrolled", "folded")
FABRICS = ("portable", "ultrascale+")

# One for all layers, or by the name of a layer; layers that are not named have 1.
Parallel = int | Mapping[str, int]

_PARALLEL = ("parallel_inputs", "parallel_outputs")
# What every schedule is written with.
_ALWAYS = ("kind", "adder_levels", "table_registers", "handshake")


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Unrolled: every edge has its own hardware, one inference per clock. Folded: edges take turns.

    Parameters
    ----------
    adder_levels
        Two-input adder levels between two pipeline registers; 0 leaves the adder trees without
        registers inside. More levels: fewer registers and cycles, a slower clock.
    table_registers
        Whether table outputs are registered before they are added. A register there also keeps a
        synthesiser from copying table logic into carry chains. (Folded layers always have them.)
    handshake
        True gives valid/ready streams with back-pressure. False gives the bare core, which takes
        a vector at every clock and answers it a fixed number of cycles later (for comparing
        resources, and for systems that never stall).
    kind
        "unrolled" or "folded". Folded, a fully connected layer takes ``ceil(n_in /
        parallel_inputs) * ceil(n_out / parallel_outputs)`` clocks, its parameters are in memories,
        and all layers work at the same time, so that the slowest of them sets the pace.
    parallel_inputs, parallel_outputs
        Folded: how many inputs and outputs of a layer meet in a clock, 1 to 65,536. A number is
        for all layers, a mapping for those that it names; the others have 1.
    fabric
        "portable": Verilog without vendor cells. "ultrascale+": adders of three operands from
        LUT6_2 and CARRY8 cells, where an adder level takes three operands instead of two,
        saturation by set and reset, tables split where that takes fewer LUTs (unrolled layers).
    merge_tables
        The name of a target on which edge tables of one output are merged, their sum in one table,
        wherever that takes fewer LUTs there; None merges none (unrolled layers).
    """

    adder_levels: int = 1
    table_registers: bool | Mapping[str, bool] = True
    handshake: bool = True
    kind: str = "unrolled"
    parallel_inputs: Parallel = 1
    parallel_outputs: Parallel = 1
    fabric: str = "portable"
    merge_tables: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.adder_levels, int) or isinstance(self.adder_levels, bool):
            raise TypeError(f"adder_levels must be an integer, not {self.adder_levels!r}")
        if not 0 <= self.adder_levels <= 16:
            raise InputError(f"adder_levels must be 0 to 16, not {self.adder_levels}")
        object.__setattr__(self, "table_registers", _registered(self.table_registers))
        if not isinstance(self.handshake, bool):
            raise TypeError(f"handshake must be True or False, not {self.handshake!r}")
        if self.kind not in SCHEDULES:
            raise InputError(
                f"Unknown schedule {self.kind!r}: this version knows "
                f"{' and '.join(map(repr, SCHEDULES))}{meant(self.kind, SCHEDULES)}"
            )
        for name in _PARALLEL:
            object.__setattr__(self, name, _checked(name, getattr(self, name)))
        if self.fabric not in FABRICS:
            raise InputError(
                f"Unknown fabric {self.fabric!r}: this version knows "
                f"{' and '.join(map(repr, FABRICS))}{meant(self.fabric, FABRICS)}"
            )
        if self.kind == "unrolled" and (self.parallel_inputs, self.parallel_outputs) != (1, 1):
            raise InputError(
                "parallel_inputs and parallel_outputs are for the folded schedule: add "
                "kind='folded', or leave them out"
            )
        if not isinstance(self.merge_tables, str | None):
            raise TypeError(
                f"merge_tables must be the name of a target or None, not {self.merge_tables!r}"
            )
        if self.kind == "folded" and self.merge_tables is not None:
            raise InputError(
                "merge_tables is for the unrolled schedule, since folded tables share their "
                "hardware: use kind='unrolled', or leave it out"
            )
        if self.kind == "folded" and not self.handshake:
            raise InputError(
                "The folded schedule needs a handshake, since it takes no vector at every clock: "
                "use handshake=True"
            )

    @property
    def folded(self) -> bool:
        """True where fully connected layers are folded."""
        return self.kind == "folded"

    @property
    def tables_registered(self) -> bool:
        """Whether registers are behind the tables; of a layer, by the schedule of that layer."""
        if not isinstance(self.table_registers, bool):
            raise TypeError("table_registers differ by layer: ask of_layer(name)")
        return self.table_registers

    @property
    def registered(self) -> tuple[str, ...]:
        """The layers that the mapping of ``table_registers`` names."""
        return () if isinstance(self.table_registers, bool) else tuple(self.table_registers)

    def of_layer(self, name: str) -> Schedule:
        """The schedule with what it says of the layer of this name in place of mappings."""
        if isinstance(self.table_registers, bool):
            return self
        return replace(self, table_registers=self.table_registers.get(name, True))

    @property
    def named(self) -> tuple[str, ...]:
        """The layers that some mapping names for its lanes."""
        mappings = [m for m in self._parallel if not isinstance(m, int)]
        return tuple(dict.fromkeys(name for mapping in mappings for name in mapping))

    @property
    def _parallel(self) -> tuple[Parallel, Parallel]:
        return self.parallel_inputs, self.parallel_outputs

    def parallel(self, name: str) -> tuple[int, int]:
        """Inputs and outputs of the layer of this name that meet in a clock."""
        inputs, outputs = (
            given if isinstance(given, int) else given.get(name, 1) for given in self._parallel
        )
        return inputs, outputs

    def to_json(self) -> dict[str, Any]:
        """The schedule as plain JSON values; numbers of the folded one only if it is folded."""
        names = [field.name for field in fields(self) if self.folded or field.name not in _PARALLEL]
        values = {name: getattr(self, name) for name in names}
        if self.fabric == "portable":
            del values["fabric"]
        if self.merge_tables is None:
            del values["merge_tables"]
        return {
            name: dict(value) if isinstance(value, Mapping) else value
            for name, value in values.items()
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Schedule:
        """The inverse of :meth:`to_json`.

        Raises
        ------
        InputError
            If a field is missing, unknown, or of another type.
        """
        entry = Entry(data, "the schedule")
        if data.get("kind") not in SCHEDULES:
            raise InputError(
                f"Unknown schedule {brief(data.get('kind'))}: this version knows "
                f"{' and '.join(map(repr, SCHEDULES))}"
            )
        values = {name: entry.get(name) for name in _ALWAYS}
        values |= {f.name: entry.get(f.name) for f in fields(cls) if f.name in data}
        entry.finish()
        try:
            return cls(**values)
        except TypeError as error:
            raise InputError(f"The schedule is damaged: {error}") from error


def _registered(given: Any) -> bool | dict[str, bool]:
    """True or False, or a copy of a mapping to them."""
    if isinstance(given, bool):
        return given
    if isinstance(given, Mapping) and all(isinstance(value, bool) for value in given.values()):
        return dict(given)
    raise TypeError(f"table_registers must be True or False, or these by layer, not {given!r}")


def _checked(name: str, given: Any) -> Parallel:
    """A number, or a copy of a mapping to numbers, all of them in range."""
    if isinstance(given, Mapping):
        return {layer: _number(f"{name} of layer {layer!r}", n) for layer, n in given.items()}
    return _number(name, given)


def _number(name: str, given: Any) -> int:
    if not isinstance(given, int) or isinstance(given, bool):
        raise TypeError(f"{name} must be an integer, not {given!r}")
    if not 1 <= given <= 65536:
        raise InputError(f"{name} must be 1 to 65536, not {given}")
    return given
