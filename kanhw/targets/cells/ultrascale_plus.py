"""The cells of AMD UltraScale+ that Yosys maps networks to (UG974)."""

from __future__ import annotations

from collections.abc import Mapping

from kanhw.errors import InputError
from kanhw.targets.cells.batch import CellKind
from kanhw.targets.cells.cell import Cell
from kanhw.targets.cells.logic import carry_chain, gate, lut, paired_lut
from kanhw.targets.cells.registers import FlipFlop, flip_flop
from kanhw.targets.cells.ultrascale_plus_blocks import ULTRASCALE_PLUS_BLOCKS

__all__ = ["ULTRASCALE_PLUS_KINDS"]


def _flip_flop(cell: Cell) -> FlipFlop:
    value = 1 if cell.kind == "FDSE" else 0
    if any(cell.bits("IS_C_INVERTED", 1)):
        raise InputError(f"{cell.kind} {cell.name} has an inverted clock, which no design of kanhw")
    reset = "IS_S_INVERTED" if value else "IS_R_INVERTED"
    return FlipFlop(
        initial=cell.bits("INIT", 1)[0],
        reset=value,
        inverted=(
            cell.bits("IS_D_INVERTED", 1)[0],
            cell.bits("IS_CE_INVERTED", 1)[0],
            cell.bits(reset, 1)[0],
        ),
    )


_ADDRESS = ("I0", "I1", "I2", "I3", "I4", "I5")
_CHOICE = ("I0", "I1", "S")

ULTRASCALE_PLUS_KINDS: Mapping[str, CellKind] = {
    **{f"LUT{size}": lut(_ADDRESS[:size], "O", "INIT") for size in range(1, 7)},
    "LUT6_2": paired_lut(_ADDRESS, "O6", "O5", "INIT"),
    **dict.fromkeys(
        ("MUXF7", "MUXF8", "MUXF9"),
        gate("mux", _CHOICE, "O", lambda i: i[0] ^ ((i[0] ^ i[1]) & i[2])),
    ),
    "INV": gate("lut", ("I",), "O", lambda i: ~i[0]),
    "CARRY4": carry_chain(4, ("CI", "CYINIT")),
    "CARRY8": carry_chain(8, ("CI",)),
    "FDRE": flip_flop(("D", "CE", "R"), "Q", _flip_flop),
    "FDSE": flip_flop(("D", "CE", "S"), "Q", _flip_flop),
    **ULTRASCALE_PLUS_BLOCKS,
}
"""By the name of the cell."""
