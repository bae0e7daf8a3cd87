"""Block RAMs: memories that are read, and perhaps written, at a clock edge.

What is never written has one content, which all copies share. Otherwise each copy has its own: the
words of a bit, as of a net. Then what copies address is told apart by which of them address it, and
mostly all address the same word, as no payload decides where a buffer is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from kanhw.targets.cells.batch import (
    Batch,
    CellKind,
    Words,
    alike,
    bits_of,
    held,
    integers,
    masks,
    packed,
)
from kanhw.targets.cells.cell import Cell

__all__ = ["BlockRam", "Condition", "Read", "Write", "block_ram", "words_of_bytes"]

Places = npt.NDArray[np.int64]
# By the nets of an address: the words' numbers, of all copies ``[clocks]`` or of each.
_Addressed = dict[tuple[int, ...], Places]
Condition = tuple[int, int]
"""An input, by its place among the kind's, and the value that it must have."""


@dataclass(frozen=True)
class Write:
    """A port of a block RAM that writes.

    Parameters
    ----------
    places
        ``[depth, width]``: the bits of the content that are the bits of every word.
    address
        The inputs that number the word, lowest bit first.
    data
        The inputs that are written, ``[width]``.
    enables
        What must hold for anything to be written.
    bit_enables
        What besides must hold for each bit; empty: nothing.
    """

    places: Places
    address: Sequence[int]
    data: Sequence[int]
    enables: Sequence[Condition] = ()
    bit_enables: Sequence[Condition] = ()


@dataclass(frozen=True)
class Read:
    """A port of a block RAM that reads.

    Parameters
    ----------
    places, address
        As of a :class:`Write`.
    outputs
        Where the bits go, by their place among the kind's outputs.
    enables
        What must hold for the outputs to change.
    initial, cleared
        The outputs at first, and behind a reset, ``[width]``.
    reset
        What resets the outputs; None: nothing.
    reset_anyway
        Whether it does so although the port is not enabled.
    kept_by
        What keeps the outputs, any of it: where a port does not read while it writes.
    after_write
        Whether what is written at the same edge is read; else what was there.
    """

    places: Places
    address: Sequence[int]
    outputs: Sequence[int]
    enables: Sequence[Condition] = ()
    initial: Sequence[int] = ()
    cleared: Sequence[int] = ()
    reset: Condition | None = None
    reset_anyway: bool = False
    kept_by: Sequence[Condition] = ()
    after_write: bool = False


@dataclass(frozen=True)
class BlockRam:
    """How one block RAM is set up.

    Parameters
    ----------
    content
        Its bits at first.
    reads, writes
        Its ports. Of two that write one bit at once, the later one does.
    """

    content: npt.NDArray[np.uint8]
    reads: Sequence[Read]
    writes: Sequence[Write] = field(default=())


class _Table:
    """Words of a memory that is only read, as bits ``[depth, width]`` and as integers."""

    def __init__(self, bits: npt.NDArray[np.uint8]) -> None:
        self.bits = bits
        self.numbers = []
        for lowest in range(0, bits.shape[1], 64):
            octets = np.packbits(bits[:, lowest : lowest + 64], axis=1, bitorder="little")
            padded = np.zeros((len(bits), 8), np.uint8)
            padded[:, : octets.shape[1]] = octets
            self.numbers.append(padded.view(np.int64)[:, 0])


class _Ram:
    """One block RAM in all copies."""

    def __init__(self, made: BlockRam, nets: Sequence[int], words: int) -> None:
        self._reads, self._writes = made.reads, made.writes
        # What numbers the words of each read.
        self._nets = [tuple(nets[place] for place in read.address) for read in made.reads]
        self._content = np.repeat(masks(made.content)[:, None], words if made.writes else 1, axis=1)
        # What is only read is looked up by its words.
        self._tables = (
            [] if made.writes else [_Table(made.content[read.places]) for read in made.reads]
        )

    def run(self, inputs: Words, state: Words, outputs: Words, addressed: _Addressed) -> None:
        """Go over clock edges.

        Parameters
        ----------
        inputs
            Before each, ``[inputs, clocks, words]``.
        state
            The outputs before the first, ``[outputs, words]``; replaced by those behind the last.
        outputs
            For those before each, ``[outputs, clocks, words]``.
        addressed
            What other block RAMs of the same inputs addressed.
        """
        clocks = inputs.shape[1:]
        if self._writes:
            found = self._computed(inputs)
        else:
            found = [
                self._looked_up(number, inputs, addressed) for number in range(len(self._reads))
            ]
        for read, data in zip(self._reads, found, strict=True):
            enabled = taken = _all_of(inputs, read.enables, clocks)
            for number, level in read.kept_by:
                taken = taken & _all_of(inputs, [(number, 1 - level)], clocks)
            if read.reset is not None:
                reset = _all_of(inputs, [read.reset], clocks)
                reset = reset if read.reset_anyway else reset & enabled
                cleared = masks(_padded(read.cleared, read))[:, None, None]
                data, taken = data ^ ((data ^ cleared) & reset), taken | reset
            rows = list(read.outputs)
            outputs[rows], state[rows] = held(state[rows], data, taken)

    def _looked_up(self, number: int, inputs: Words, addressed: _Addressed) -> Words:
        """Words of a table as ``[width, clocks, words]``."""
        table, key = self._tables[number], self._nets[number]
        if key not in addressed:
            address = inputs[list(self._reads[number].address)]
            shared = alike(address)
            addressed[key] = integers(address, signed=False) if shared is None else shared
        places = addressed[key]
        if places.ndim == 1:
            words = masks(table.bits[places].T)[..., None]
            return np.broadcast_to(words, (*words.shape[:2], inputs.shape[-1]))
        width = table.bits.shape[1]
        parts = [
            bits_of(part[places], min(width - 64 * number, 64))
            for number, part in enumerate(table.numbers)
        ]
        return np.concatenate(parts)

    def _computed(self, inputs: Words) -> list[Words]:
        """What each read finds, clock by clock: ``[width, clocks, words]``."""
        clocks = inputs.shape[1]
        shape = inputs.shape[1:]
        found = [np.empty((len(read.outputs), *shape), np.uint64) for read in self._reads]
        seen = [_addressed(inputs[list(read.address)]) for read in self._reads]
        changed = [_addressed(inputs[list(write.address)]) for write in self._writes]
        data = [inputs[list(write.data)] for write in self._writes]
        chosen = [_chosen(inputs, write) for write in self._writes]
        busy = [np.bitwise_or.reduce(own, axis=(0, 2)) for own in chosen]
        for clock in range(clocks):
            for number, read in enumerate(self._reads):
                found[number][:, clock] = self._word(read.places, seen[number][clock])
            for number, write in enumerate(self._writes):
                if not busy[number][clock]:
                    continue
                for place, copies in changed[number][clock]:
                    bits = write.places[place]
                    kept = self._content[bits]
                    mask = chosen[number][:, clock] & copies
                    self._content[bits] = kept ^ ((kept ^ data[number][:, clock]) & mask)
            for number, read in enumerate(self._reads):
                if read.after_write:
                    found[number][:, clock] = self._word(read.places, seen[number][clock])
        return found

    def _word(self, places: Places, addressed: Sequence[tuple[int, Words]]) -> Words:
        found: Words = np.bitwise_or.reduce(
            [self._content[places[place]] & copies for place, copies in addressed]
        )
        return found


def _padded(bits: Sequence[int], read: Read) -> list[int]:
    width = len(read.outputs)
    return [*bits, *[0] * width][:width]


def _all_of(inputs: Words, conditions: Sequence[Condition], shape: tuple[int, ...]) -> Words:
    """Where all of them hold, ``[clocks, words]``."""
    found = np.full(shape, ~np.uint64(0))
    for number, level in conditions:
        found &= inputs[number] if level else ~inputs[number]
    return found


def _chosen(inputs: Words, write: Write) -> Words:
    """What bits are written, ``[width, clocks, words]``, or all: ``[1, clocks, words]``."""
    shape = inputs.shape[1:]
    active = _all_of(inputs, write.enables, shape)[None]
    if not write.bit_enables:
        return active
    return active & np.stack([_all_of(inputs, [one], shape) for one in write.bit_enables])


def _addressed(address: Words) -> list[list[tuple[int, Words]]]:
    """By clock, the words that copies address, and which of them do: ``[words]``."""
    numbers = alike(address)
    if numbers is not None:
        every = masks([1])
        return [[(place, every)] for place in numbers.tolist()]
    numbers = integers(address, signed=False)
    return [[(int(place), packed(row == place)) for place in np.unique(row)] for row in numbers]


class _BlockRams(Batch):
    def __init__(
        self, made: Sequence[BlockRam], nets: Sequence[Sequence[int]], outputs: int, words: int
    ) -> None:
        self._rams = [_Ram(*pair, words) for pair in zip(made, nets, strict=True)]
        self._state = np.zeros((outputs, len(made), words), np.uint64)
        for number, one in enumerate(made):
            for read in one.reads:
                rows = list(read.outputs)
                self._state[rows, number] = masks(_padded(read.initial, read))[:, None]

    def outputs(self, inputs: Words) -> Words:
        return self._state

    def clock(self, inputs: Words) -> None:
        self.run(inputs[:, :, None])

    def run(self, inputs: Words) -> Words:
        found = np.zeros((*self._state.shape[:2], *inputs.shape[2:]), np.uint64)
        addressed: _Addressed = {}
        for number, ram in enumerate(self._rams):
            ram.run(inputs[:, number], self._state[:, number], found[:, number], addressed)
        return found


def block_ram(
    inputs: Sequence[tuple[str, int]],
    outputs: Sequence[tuple[str, int]],
    describe: Callable[[Cell], BlockRam],
) -> CellKind:
    """A block RAM.

    Parameters
    ----------
    inputs, outputs
        The bits of its ports.
    describe
        How a cell is set up; raises ``InputError`` for one that is not simulated.
    """

    def make(cells: Sequence[Cell], words: int) -> Batch:
        nets = [[cell.net(*port) for port in inputs] for cell in cells]
        return _BlockRams([describe(cell) for cell in cells], nets, len(outputs), words)

    return CellKind("bram", inputs, outputs, make, clocked=True)


def words_of_bytes(count: int, width: int) -> Places:
    """The bits of every word of a memory of bytes of 9 bits, ``[depth, width]``.

    Words of less than a byte leave its highest bit out.

    Parameters
    ----------
    count
        Bytes.
    width
        Bits of a word: 1, 2, 4, or a multiple of 9.
    """
    octets = np.arange(9 * count, dtype=np.int64).reshape(count, 9)
    return (octets if width >= 9 else octets[:, :8]).reshape(-1, width)
