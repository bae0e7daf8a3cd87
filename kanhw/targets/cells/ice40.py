"""The cells of Lattice iCE40 that Yosys maps networks to."""

from __future__ import annotations

from collections.abc import Mapping

from kanhw.targets.cells.batch import CellKind
from kanhw.targets.cells.cell import Cell
from kanhw.targets.cells.logic import gate, lut
from kanhw.targets.cells.registers import FlipFlop, flip_flop

__all__ = ["ICE40_KINDS"]


def _flip_flop(cell: Cell) -> FlipFlop:
    # SB_DFFESR: enabled, synchronous reset; an enable goes before a reset.
    return FlipFlop(
        reset=1 if cell.kind.endswith("SS") else 0,
        enabled=cell.kind.startswith("SB_DFFE"),
        enable_first=True,
    )


ICE40_KINDS: Mapping[str, CellKind] = {
    "SB_LUT4": lut(("I0", "I1", "I2", "I3"), "O", "LUT_INIT"),
    "SB_CARRY": gate(
        "carry", ("I0", "I1", "CI"), "CO", lambda i: (i[0] & i[1]) | (i[2] & (i[0] | i[1]))
    ),
    **{f"SB_DFF{rest}": flip_flop(("D", "E", "R"), "Q", _flip_flop) for rest in ("", "E")},
    **{f"SB_DFF{rest}": flip_flop(("D", "E", "R"), "Q", _flip_flop) for rest in ("SR", "ESR")},
    **{f"SB_DFF{rest}": flip_flop(("D", "E", "S"), "Q", _flip_flop) for rest in ("SS", "ESS")},
}
"""By the name of the cell."""
