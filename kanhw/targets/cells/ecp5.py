"""The cells of Lattice ECP5 that Yosys maps networks to (FPGA-TN-02014)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kanhw.errors import InputError
from kanhw.targets.cells.batch import Batch, CellKind, Words, masks
from kanhw.targets.cells.cell import Cell
from kanhw.targets.cells.ecp5_blocks import ECP5_BLOCKS
from kanhw.targets.cells.logic import gate, looked_up, lut
from kanhw.targets.cells.registers import FlipFlop, flip_flop

__all__ = ["ECP5_KINDS"]


def _flip_flop(cell: Cell) -> FlipFlop:
    clock, mode = cell.word("CLKMUX", "CLK"), cell.word("SRMODE", "LSR_OVER_CE")
    if clock != "CLK" or (mode == "ASYNC" and cell.net("LSR")):
        raise InputError(
            f"{cell.kind} {cell.name} has an inverted clock or an asynchronous reset, which no "
            "design of kanhw has: it cannot be simulated"
        )
    enable, reset = cell.word("CEMUX", "CE"), cell.word("LSRMUX", "LSR")
    return FlipFlop(
        initial=1 if cell.word("REGSET", "RESET") == "SET" else 0,
        reset=1 if cell.word("REGSET", "RESET") == "SET" else 0,
        inverted=(0, int(enable == "INV"), int(reset == "INV")),
        enabled=enable != "1",
    )


class _CarrySlices(Batch):
    """Two look-up tables each, with a carry through both."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._tables = [
            masks(np.array([cell.bits(name, 16) for cell in cells]).T)[:, :, None]
            for name in ("INIT0", "INIT1")
        ]
        # Where one is injected, the carry takes no part in the sum.
        self._passes = [
            masks([cell.word(name, "YES") != "YES" for cell in cells])[:, None]
            for name in ("INJECT1_0", "INJECT1_1")
        ]

    def outputs(self, inputs: Words) -> Words:
        carry, sums = inputs[8], []
        for half, (table, passes) in enumerate(zip(self._tables, self._passes, strict=True)):
            address = inputs[4 * half : 4 * half + 4]
            whole, low = looked_up(table, address), looked_up(table[:4], address[:2])
            sums.append(whole ^ (carry & passes))
            carry = (~whole & low & passes) | (whole & carry)
        return np.stack([*sums, carry])


ECP5_KINDS: Mapping[str, CellKind] = {
    "LUT4": lut(("A", "B", "C", "D"), "Z", "INIT"),
    "PFUMX": gate("mux", ("ALUT", "BLUT", "C0"), "Z", lambda i: i[1] ^ ((i[0] ^ i[1]) & i[2])),
    "L6MUX21": gate("mux", ("D0", "D1", "SD"), "Z", lambda i: i[0] ^ ((i[0] ^ i[1]) & i[2])),
    "INV": gate("lut", ("A",), "Z", lambda i: ~i[0]),
    "CCU2C": CellKind(
        "carry",
        [(f"{name}{half}", 0) for half in (0, 1) for name in "ABCD"] + [("CIN", 0)],
        [("S0", 0), ("S1", 0), ("COUT", 0)],
        lambda cells, _: _CarrySlices(cells),
    ),
    "TRELLIS_FF": flip_flop(("DI", "CE", "LSR"), "Q", _flip_flop),
    **ECP5_BLOCKS,
}
"""By the name of the cell."""
