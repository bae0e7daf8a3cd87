"""The cells of Lattice iCE40 that Yosys maps networks to (block RAMs: TN1250)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kanhw.targets.cells.batch import CellKind, ports_of
from kanhw.targets.cells.block_rams import BlockRam, Condition, Places, Read, Write, block_ram
from kanhw.targets.cells.cell import LOW, Cell
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


_ROWS, _WIDTH = 256, 16
_INPUTS = ports_of(
    {"RADDR": 11, "RCLKE": 1, "RE": 1, "WADDR": 11, "WCLKE": 1, "WE": 1, "MASK": 16, "WDATA": 16}
)
# Of every mode the lowest line of data that it uses.
_FIRST_LINE = (0, 0, 1, 3)


def _rows(name: str, count: int) -> range:
    first = _INPUTS.index((name, 0))
    return range(first, first + count)


def _words(mode: int) -> Places:
    """The bits of every word, ``[depth, width]``: a row of 16 bits holds every 256th one."""
    apart = 1 << mode
    parts, rows, bits = np.ogrid[:apart, :_ROWS, : _WIDTH // apart]
    places: Places = rows * _WIDTH + bits * apart + parts
    return places.reshape(apart * _ROWS, -1)


def _lines(mode: int) -> list[int]:
    """Which of the 16 lines of data have a word's bits."""
    return [*range(_FIRST_LINE[mode], _WIDTH, 1 << mode)]


def _enables(cell: Cell, names: tuple[str, str]) -> list[Condition]:
    # The enable of a clock that is left open is high.
    clock, enable = names
    found = [(_rows(enable, 1)[0], 1)]
    return found + ([(_rows(clock, 1)[0], 1)] if clock in cell.ports else [])


def _mode(cell: Cell, name: str) -> int:
    return int(cell.parameters.get(name, "0"), 2)


def _described(cell: Cell) -> BlockRam:
    content = np.array([cell.bits(f"INIT_{row:X}", 256) for row in range(16)], np.uint8).ravel()
    mode = _mode(cell, "READ_MODE")
    read = Read(
        places=_words(mode),
        address=_rows("RADDR", 8 + mode),
        outputs=_lines(mode),
        enables=_enables(cell, ("RCLKE", "RE")),
    )
    if cell.net("WE") == LOW or LOW in cell.ports.get("WCLKE", ()):
        return BlockRam(content, [read])
    mode = _mode(cell, "WRITE_MODE")
    masked = [(row, 0) for row in _rows("MASK", 16)]
    write = Write(
        places=_words(mode),
        address=_rows("WADDR", 8 + mode),
        data=[_rows("WDATA", 16)[line] for line in _lines(mode)],
        enables=_enables(cell, ("WCLKE", "WE")),
        # Narrow words have no mask.
        bit_enables=masked if mode == 0 else (),
    )
    return BlockRam(content, [read], [write])


ICE40_KINDS: Mapping[str, CellKind] = {
    "SB_LUT4": lut(("I0", "I1", "I2", "I3"), "O", "LUT_INIT"),
    "SB_CARRY": gate(
        "carry", ("I0", "I1", "CI"), "CO", lambda i: (i[0] & i[1]) | (i[2] & (i[0] | i[1]))
    ),
    **{f"SB_DFF{rest}": flip_flop(("D", "E", "R"), "Q", _flip_flop) for rest in ("", "E")},
    **{f"SB_DFF{rest}": flip_flop(("D", "E", "R"), "Q", _flip_flop) for rest in ("SR", "ESR")},
    **{f"SB_DFF{rest}": flip_flop(("D", "E", "S"), "Q", _flip_flop) for rest in ("SS", "ESS")},
    # Those with inverted clocks are of no design of kanhw.
    "SB_RAM40_4K": block_ram(_INPUTS, ports_of({"RDATA": 16}), _described),
}
"""By the name of the cell."""
