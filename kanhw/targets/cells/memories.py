"""Look-up tables that are written: shift registers and small memories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kanhw.targets.cells.batch import Batch, CellKind, Words, alike, masks, ports_of
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
        address, enable, given = self._written(inputs)
        for place in range(1 << self._shape.address_bits):
            chosen = enable
            for bit, own in enumerate(address):
                chosen = chosen & (own if place >> bit & 1 else ~own)
            if chosen.any():
                kept = self._state[:, :, place]
                kept ^= (kept ^ given) & chosen

    def run(self, inputs: Words) -> Words:
        bits, columns = self._shape.address_bits, len(self._shape.columns)
        address, enable, given = self._written(inputs)
        reads = inputs[: columns * bits].reshape(columns, bits, *inputs.shape[1:]).swapaxes(0, 1)
        seen, changed = alike(reads), alike(address)
        if seen is None or changed is None:
            return super().run(inputs)
        # All copies address the same entries: [columns, cells, clocks] and [cells, clocks].
        cells, clocks, words = inputs.shape[1:]
        found = np.empty((clocks, columns, cells, self._shape.width, words), np.uint64)
        places, every = np.arange(columns)[:, None], np.arange(cells)
        busy = np.bitwise_or.reduce(enable, axis=(0, 2))
        for clock in range(clocks):
            found[clock] = self._state[places, :, seen[:, :, clock], every]
            if busy[clock]:
                entry = np.s_[:, :, changed[:, clock], every]
                kept = self._state[entry]
                self._state[entry] = kept ^ ((kept ^ given[..., clock, :]) & enable[:, clock])
        return found.transpose(1, 3, 2, 0, 4).reshape(-1, cells, clocks, words)

    def _written(self, inputs: Words) -> tuple[Words, Words, Words]:
        """Where and whether is written, and what: ``[columns, width, cells, ...]``."""
        bits, columns = self._shape.address_bits, len(self._shape.columns)
        rest = inputs[columns * bits :]
        data = rest[bits + 1 :]
        return rest[:bits], rest[bits], data.reshape(columns, -1, *data.shape[1:])


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

    def run(self, inputs: Words) -> Words:
        data = inputs[self._bits]
        taps, enabled = alike(inputs[: self._bits]), alike(inputs[self._bits + 1][None])
        if taps is None or enabled is None:
            return super().run(inputs)
        # All copies shift together: each bit is one that came in, so many shifts before.
        depth = len(self._state)
        found = np.empty((2, *data.shape), np.uint64)
        for cell, (tap, moves) in enumerate(zip(taps, enabled.astype(bool), strict=True)):
            came = np.concatenate([self._state[::-1, cell], data[cell][moves]])
            before = np.cumsum(moves) - moves
            found[0, cell] = came[depth - 1 + before - tap]
            found[1, cell] = came[before]
            self._state[:, cell] = came[: -depth - 1 : -1]
        return found


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
