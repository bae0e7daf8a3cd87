"""Look-up tables that are written: shift registers and small memories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kanhw.targets.cells.batch import Batch, CellKind, Words, masks, ports_of
from kanhw.targets.cells.cell import Cell
from kanhw.targets.cells.logic import looked_up

__all__ = ["LutMemory", "lut_memory", "shift_register"]


@dataclass(frozen=True)
class LutMemory:
    """A memory of look-up tables that is written at a clock edge and read at any time.

    Parameters
    ----------
    address_bits
        Of every address.
    write_address, enable
        Ports that say where and whether is written, in all columns alike.
    columns
        By column: its ports of read address, written data and read data, each a name and the first
        bit, and the parameter of its first content.
    width
        Bits of a column.
    """

    address_bits: int
    write_address: str
    enable: str
    columns: tuple[tuple[str, tuple[str, int], tuple[str, int], str], ...]
    width: int


class _LutMemories(Batch):
    def __init__(self, cells: Sequence[Cell], shape: LutMemory, words: int) -> None:
        self._shape = shape
        depth, width = 1 << shape.address_bits, shape.width
        # Entries of every bit of every column: [columns, width, depth, cells, words].
        first = np.array(
            [
                [
                    np.array(cell.bits(column[3], depth * width)).reshape(depth, width)
                    for cell in cells
                ]
                for column in shape.columns
            ]
        )
        state = masks(first.transpose(0, 3, 2, 1))[..., None]
        self._state = np.broadcast_to(state, (*state.shape[:-1], words)).copy()

    def outputs(self, inputs: Words) -> Words:
        bits, found = self._shape.address_bits, []
        for number, column in enumerate(self._state):
            address = inputs[number * bits : (number + 1) * bits]
            found += [looked_up(table, address) for table in column]
        return np.stack(found)

    def clock(self, inputs: Words) -> None:
        bits, count, width = self._shape.address_bits, len(self._shape.columns), self._shape.width
        rest = inputs[count * bits :]
        address, enable, data = rest[:bits], rest[bits], rest[bits + 1 :]
        for place in range(1 << bits):
            chosen = enable
            for bit in range(bits):
                chosen = chosen & (address[bit] if place >> bit & 1 else ~address[bit])
            if chosen.any():
                for number, column in enumerate(self._state):
                    for k in range(width):
                        kept = column[k, place]
                        kept ^= (kept ^ data[number * width + k]) & chosen


def lut_memory(shape: LutMemory) -> CellKind:
    """The kind of such a memory."""
    bits, width = shape.address_bits, shape.width
    reads = tuple(port for column in shape.columns for port in ports_of({column[0]: bits}))
    writes = (*ports_of({shape.write_address: bits}), (shape.enable, 0))
    data = tuple((c[1][0], c[1][1] + k) for c in shape.columns for k in range(width))
    return CellKind(
        "memory",
        (*reads, *writes, *data),
        tuple((c[2][0], c[2][1] + k) for c in shape.columns for k in range(width)),
        lambda cells, words: _LutMemories(cells, shape, words),
        clocked=True,
        looks_up=reads,
    )


class _ShiftRegisters(Batch):
    def __init__(self, cells: Sequence[Cell], bits: int, words: int) -> None:
        first = masks(np.array([cell.bits("INIT", 1 << bits) for cell in cells]).T)[:, :, None]
        self._state = np.broadcast_to(first, (*first.shape[:-1], words)).copy()
        self._bits = bits

    def outputs(self, inputs: Words) -> Words:
        return np.stack([looked_up(self._state, inputs[: self._bits]), self._state[-1]])

    def clock(self, inputs: Words) -> None:
        data, enable = inputs[self._bits], inputs[self._bits + 1]
        shifted = np.concatenate([data[None], self._state[:-1]])
        self._state ^= (self._state ^ shifted) & enable


def shift_register(
    address: Sequence[tuple[str, int]], outputs: Sequence[tuple[str, int]]
) -> CellKind:
    """A look-up table as a shift register of ports D and CE.

    Parameters
    ----------
    address
        Which of its bits is read, lowest first.
    outputs
        The bit that is read, and the last one; a cell may leave that open.
    """
    return CellKind(
        "memory",
        (*address, ("D", 0), ("CE", 0)),
        outputs,
        lambda cells, words: _ShiftRegisters(cells, len(address), words),
        clocked=True,
        looks_up=address,
        delays=(("D", 0),),
    )
