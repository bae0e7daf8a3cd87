"""Memories and multiplier blocks of ECP5 as Yosys sets them up (FPGA-TN-02204, FPGA-TN-02205)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kanhw.errors import InputError
from kanhw.targets.cells.batch import CellKind
from kanhw.targets.cells.blocks import BlockRead, block_ram, multiplier
from kanhw.targets.cells.cell import LOW, Cell
from kanhw.targets.cells.memories import LutMemory, lut_memory

__all__ = ["ECP5_BLOCKS"]


def _single(name: str, count: int) -> list[tuple[str, int]]:
    """Ports of one bit each: ``AD0``, ``AD1``, ..."""
    return [(f"{name}{bit}", 0) for bit in range(count)]


def _check_product(cell: Cell) -> None:
    """Refuse a multiplier block that is not signed, or has registers."""
    busy = [name for name, value in cell.parameters.items() if value.startswith("CLK")]
    if busy and any(name.startswith("REG") for name in busy):
        raise InputError(f"{cell.kind} {cell.name} has registers ({busy[0]}): not simulated")


def _number(cell: Cell, name: str, default: int) -> int:
    text = cell.parameters.get(name)
    return default if text is None else int(text, 2)


def _reads(cell: Cell) -> list[BlockRead]:
    if cell.net("WEA") != LOW or cell.net("WEB") != LOW:
        raise InputError(f"{cell.kind} {cell.name} is written, which is not simulated")
    if "OUTREG" in (cell.word("REGMODE_A", "NOREG"), cell.word("REGMODE_B", "NOREG")):
        raise InputError(f"{cell.kind} {cell.name} has output registers: not simulated")
    # A row of 320 bits holds 16 times 20, of which 18 are two bytes of 9.
    rows = [cell.bits(f"INITVAL_{row:02X}", 320) for row in range(64)]
    octets = np.array(rows, np.uint8).reshape(-1, 20)[:, :18].reshape(-1, 9)
    found = []
    for number, port in enumerate("AB"):
        width = _number(cell, f"DATA_WIDTH_{port}", 18)
        words = (octets if width >= 9 else octets[:, :8]).reshape(-1, width)
        lowest = (width // 9 * 8 if width >= 9 else width).bit_length() - 1
        found.append(BlockRead(words, lowest, 18 * number, number))
    return found


ECP5_BLOCKS: Mapping[str, CellKind] = {
    "MULT18X18D": multiplier(_single("A", 18), _single("B", 18), _single("P", 36), _check_product),
    "DP16KD": block_ram(
        [(_single("ADA", 14), ("CEA", 0)), (_single("ADB", 14), ("CEB", 0))],
        [*_single("DOA", 18), *_single("DOB", 18)],
        _reads,
    ),
    "TRELLIS_DPR16X4": lut_memory(
        LutMemory(4, "WAD", "WRE", (("RAD", ("DI", 0), ("DO", 0), "INITVAL"),), 4)
    ),
}
"""By the name of the cell."""
