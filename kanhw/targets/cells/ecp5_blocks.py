"""Memories and multiplier blocks of ECP5 as Yosys sets them up (FPGA-TN-02204, FPGA-TN-02205)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kanhw.errors import InputError
from kanhw.targets.cells.batch import CellKind
from kanhw.targets.cells.block_rams import BlockRam, Read, Write, block_ram, words_of_bytes
from kanhw.targets.cells.cell import LOW, Cell
from kanhw.targets.cells.memories import LutMemory, lut_memory
from kanhw.targets.cells.multipliers import multiplier

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


_BYTES = 2048
_INPUTS = [
    port
    for letter in "AB"
    for port in (
        *_single(f"AD{letter}", 14),
        *((f"{name}{letter}", 0) for name in ("CE", "WE", "RST")),
        *_single(f"DI{letter}", 18),
    )
]
_OUTPUTS = [*_single("DOA", 18), *_single("DOB", 18)]
# A word of this width has the data of both ports; port A writes it, and port B reads it.
_WIDE = 36


def _place(name: str) -> int:
    return _INPUTS.index((name, 0))


def _lowest(width: int) -> int:
    """Bits of an address below those that number words."""
    return (width // 9 * 8 if width >= 9 else width).bit_length() - 1


def _address(letter: str, width: int) -> range:
    first = _place(f"AD{letter}0")
    return range(first + _lowest(width), first + 14)


def _write(cell: Cell, letter: str, width: int) -> Write | None:
    """What a port writes; None: nothing."""
    if LOW in (cell.net(f"WE{letter}"), cell.net(f"CE{letter}")):
        return None
    data = [*range(_place(f"DI{letter}0"), _place(f"DI{letter}0") + min(width, 18))]
    if width == _WIDE:
        data += range(_place("DIB0"), _place("DIB0") + 18)
    # Of words of several bytes, the lowest bits of the address say which are written.
    first = _place(f"AD{letter}0")
    bytes_written = [(first + bit // 9, 1) for bit in range(width)] if width > 9 else []
    return Write(
        places=words_of_bytes(_BYTES, width),
        address=_address(letter, width),
        data=data,
        enables=[
            (_place(f"CE{letter}"), 1),
            (_place(f"WE{letter}"), 1),
            (_place(f"RST{letter}"), 0),
        ],
        bit_enables=bytes_written,
    )


def _read(cell: Cell, letter: str, width: int, mode: str) -> Read:
    wide = width == _WIDE
    first = 0 if wide or letter == "A" else 18
    return Read(
        places=words_of_bytes(_BYTES, width),
        address=_address(letter, width),
        outputs=range(first, first + width),
        enables=[(_place(f"CE{letter}"), 1)],
        reset=(_place(f"RST{letter}"), 1),
        reset_anyway=True,
        kept_by=[(_place(f"WE{letter}"), 1)] if mode == "NORMAL" else [],
        after_write=mode == "WRITETHROUGH",
    )


def _check(cell: Cell) -> None:
    """Refuse a block RAM that is set up as no design of kanhw does."""
    if "OUTREG" in (cell.word("REGMODE_A", "NOREG"), cell.word("REGMODE_B", "NOREG")):
        raise InputError(f"{cell.kind} {cell.name} has output registers: not simulated")
    if "INV" in (cell.word("CLKAMUX", "CLKA"), cell.word("CLKBMUX", "CLKB")):
        raise InputError(f"{cell.kind} {cell.name} has an inverted clock: not simulated")
    if cell.word("RESETMODE", "SYNC") == "ASYNC" and any(cell.net(f"RST{p}") for p in "AB"):
        raise InputError(f"{cell.kind} {cell.name} has an asynchronous reset: not simulated")
    decoded = any(cell.word(f"CSDECODE_{p}", "0b000") != "0b000" for p in "AB")
    if decoded or any(cell.net(f"CS{p}{bit}") for p in "AB" for bit in range(3)):
        raise InputError(f"{cell.kind} {cell.name} is selected by its CS ports: not simulated")


def _described(cell: Cell) -> BlockRam:
    _check(cell)
    # A row of 320 bits holds 16 times 20, of which 18 are two bytes of 9.
    rows = [cell.bits(f"INITVAL_{row:02X}", 320) for row in range(64)]
    content = np.array(rows, np.uint8).reshape(-1, 20)[:, :18].ravel()
    widths = {port: _number(cell, f"DATA_WIDTH_{port}", 18) for port in "AB"}
    reads, writes = [], []
    for port, width in widths.items():
        write = _write(cell, port, width)
        writes += [] if write is None else [write]
        # In words of both ports' data one port writes, and the other reads.
        if port == "B" or _WIDE not in widths.values():
            mode = cell.word(f"WRITEMODE_{port}", "NORMAL") if write else ""
            reads.append(_read(cell, port, width, mode))
    return BlockRam(content, reads, writes)


ECP5_BLOCKS: Mapping[str, CellKind] = {
    "MULT18X18D": multiplier(_single("A", 18), _single("B", 18), _single("P", 36), _check_product),
    "DP16KD": block_ram(_INPUTS, _OUTPUTS, _described),
    "TRELLIS_DPR16X4": lut_memory(
        LutMemory(4, "WAD", "WRE", (("RAD", ("DI", 0), ("DO", 0), "INITVAL"),), 4)
    ),
}
"""By the name of the cell."""
