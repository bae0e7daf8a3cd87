"""Block RAMs that are read, and multiplier blocks: computed with integers, copy by copy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanhw.targets.cells.batch import Batch, CellKind, Words
from kanhw.targets.cells.cell import Cell

__all__ = ["BlockRead", "block_ram", "multiplier"]

Ints = npt.NDArray[np.int64]


def _integers(bits: Words, *, signed: bool) -> Ints:
    """Words ``[bits, cells, words]`` as integers ``[cells, copies]``."""
    spread = _spread(bits)
    total = np.zeros(spread.shape[1:], np.int64)
    for place, bit in enumerate(spread):
        weight = np.int64(1) << np.int64(place)
        total += bit * (-weight if signed and place == len(spread) - 1 else weight)
    return total


def _spread(words: Words) -> npt.NDArray[np.uint8]:
    octets = np.ascontiguousarray(words.astype("<u8")).view(np.uint8)
    return np.unpackbits(octets, axis=-1, bitorder="little")


def _gathered(bits: npt.NDArray[np.uint8]) -> Words:
    packed = np.packbits(bits, axis=-1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u8").astype(np.uint64)


class _Multipliers(Batch):
    def __init__(self, widths: tuple[int, int, int]) -> None:
        self._a, self._b, self._out = widths

    def outputs(self, inputs: Words) -> Words:
        one = _integers(inputs[: self._a], signed=True)
        other = _integers(inputs[self._a : self._a + self._b], signed=True)
        product = one * other
        bits = [(product >> place & 1).astype(np.uint8) for place in range(self._out)]
        return _gathered(np.stack(bits))


def multiplier(
    a: Sequence[tuple[str, int]],
    b: Sequence[tuple[str, int]],
    product: Sequence[tuple[str, int]],
    check: Callable[[Cell], None],
) -> CellKind:
    """A product of two signed factors without registers.

    Parameters
    ----------
    a, b, product
        The ports, lowest bit first; 63 bits of product at most.
    check
        Raises ``InputError`` for a cell that is set up otherwise.
    """

    def make(cells: Sequence[Cell], _: int) -> Batch:
        for cell in cells:
            check(cell)
        return _Multipliers((len(a), len(b), len(product)))

    return CellKind("dsp", (*a, *b), product, make)


@dataclass(frozen=True)
class BlockRead:
    """One read port of a block RAM.

    Parameters
    ----------
    words
        ``[depth, width]``: the bits of every word.
    lowest
        The bit of the address ports that is the lowest of a word's number.
    first
        Where its bits begin among the outputs.
    port
        Which of the kind's ports it is.
    """

    words: npt.NDArray[np.uint8]
    lowest: int
    first: int
    port: int


class _BlockRams(Batch):
    def __init__(
        self, reads: Sequence[Sequence[BlockRead]], outputs: int, bits: int, words: int
    ) -> None:
        self._reads, self._bits = reads, bits
        self._state = np.zeros((outputs, len(reads), words), np.uint64)

    def outputs(self, inputs: Words) -> Words:
        return self._state

    def clock(self, inputs: Words) -> None:
        bits = self._bits
        for number, reads in enumerate(self._reads):
            for read in reads:
                own = inputs[read.port * (bits + 1) : (read.port + 1) * (bits + 1), number]
                depth = len(read.words)
                high = read.lowest + max(depth - 1, 0).bit_length()
                places = _integers(own[read.lowest : high, None], signed=False)[0] % depth
                found = _gathered(np.ascontiguousarray(read.words[places].T))
                rows = slice(read.first, read.first + len(found))
                kept = self._state[rows, number]
                self._state[rows, number] = kept ^ ((kept ^ found) & own[bits])


def block_ram(
    ports: Sequence[tuple[Sequence[tuple[str, int]], tuple[str, int]]],
    outputs: Sequence[tuple[str, int]],
    reads: Callable[[Cell], Sequence[BlockRead]],
) -> CellKind:
    """A block RAM that is read at a clock edge, and never written.

    Parameters
    ----------
    ports
        The address bits and the enable of every read port.
    outputs
        The bits of all.
    reads
        How a cell is read; raises ``InputError`` for one that is written or set up otherwise.
    """
    inputs = [port for address, enable in ports for port in (*address, enable)]
    bits = len(ports[0][0])

    def make(cells: Sequence[Cell], words: int) -> Batch:
        return _BlockRams([reads(cell) for cell in cells], len(outputs), bits, words)

    return CellKind("bram", inputs, outputs, make, clocked=True)
