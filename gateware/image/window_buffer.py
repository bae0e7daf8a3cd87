"""The input of a folded convolution: the last rows of images, whose windows are read repeatedly."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from kanhw.formats import IntArray
from kanhw.gateware.parts.costs import HardwareCosts, MemoryShape, table_costs
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.parts.table import Table
from kanhw.schedule.window_fold import WindowFold

__all__ = ["WindowBuffer"]


class WindowBuffer(Component):
    """Takes images word by word and gives each of their windows ``groups`` times, beat by beat.

    Equals :meth:`kanhw.windows.Window.gather`, with flags where that has padding. Given every
    clock, a window takes ``beats * groups`` of them. Words are taken as long as there is room: a
    row of the image is given up when the last window that reads it has been read.

    Two counters say all that must be known of the other end: how many words the window still lacks,
    and how many there is room for.

    Parameters
    ----------
    fold
        The windows.
    width
        Bits of a word.
    groups
        How often each window is given.

    Members
    -------
    i : In(stream of unsigned(width))
    o : Out(stream of a struct): ``words``, an array of those of ``fold.taps`` taps; ``pad`` has a
        bit for each that is set where it lies outside of the image, and its word then is arbitrary;
        ``step`` counts from 0 to beats * groups - 1; ``first`` and ``last`` mark the ends of every
        repetition
    """

    def __init__(self, fold: WindowFold, width: int, groups: int) -> None:
        self._fold = fold
        self._steps = fold.beats * groups
        self.step_bits = max((self._steps - 1).bit_length(), 1)
        layout = {
            "words": data.ArrayLayout(unsigned(width), fold.taps),
            "pad": unsigned(fold.taps),
            "step": unsigned(self.step_bits),
            "first": unsigned(1),
            "last": unsigned(1),
        }
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(width))),
                "o": Out(stream.Signature(data.StructLayout(layout))),
            }
        )

    @property
    def fold(self) -> WindowFold:
        """The order in which windows are read from the memory."""
        return self._fold

    @cached_property
    def lacking(self) -> tuple[int, IntArray, IntArray]:
        """Words that the first window needs; and how many more each needs than the one before.

        The latter when it follows in the row, ``[windows of a row]``, and when it is the first of
        the next row (for the last row, of the next image), ``[rows of windows]``.
        """
        rows, columns = self._fold.needs
        following = np.append(rows[1:], self._fold.words + rows[0]) + columns[0]
        return (
            int(rows[0] + columns[0]),
            np.append(np.diff(columns), 0),
            following - rows - columns[-1],
        )

    @cached_property
    def freed(self) -> IntArray:
        """Words given up when a row of windows has been read, ``[rows of windows]``."""
        return np.diff(self._fold.released, append=self._fold.words)

    @property
    def costs(self) -> HardwareCosts:
        """A copy of the memory and an address for every tap, counters, and tables of moves."""
        fold, place = self._fold, (self._fold.depth - 1).bit_length()
        counts = (fold.pixel_beats, fold.turns, self._steps, *fold.window.out_size)
        counters = sum(max((count - 1).bit_length(), 1) for count in counts)
        memory = MemoryShape(fold.depth, len(self.i.payload), written=True)
        turn = (fold.turns - 1).bit_length()
        tables = table_costs(turn, place * fold.taps)
        both = 2 * (place + 2)
        # Where a tap is always the same one, its next place is a constant further on.
        moves = 1 + (fold.turns > 1)
        return tables + HardwareCosts(
            adder_bits=place * fold.taps * moves + 2 * both,
            adders=fold.taps * moves + 4,
            table_luts=6 + both,
            register_bits=(fold.taps + 1) * place + counters + both
            + self.step_bits + fold.taps + 3,
            counters=counters + place,
            memories=(memory,) * fold.taps,
        )

    def elaborate(self, platform: object) -> Module:
        """A memory, places at both ends, and what the one lacks and the other has room for."""
        m = Module()
        fold = self._fold
        shape = self.i.payload.shape()
        m.submodules.memory = memory = Memory(shape=shape, depth=fold.depth, init=())
        writer = memory.write_port()
        accepts, moves, reads, enough = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            accepts.eq(self.i.valid & self.i.ready),
            writer.en.eq(accepts),
            writer.data.eq(self.i.payload),
            moves.eq(~self.o.valid | self.o.ready),
            reads.eq(moves & enough),
        ]
        # A ring: the address of the next word runs on from image to image, and around.
        with m.If(accepts):
            m.d.sync += writer.addr.eq(writer.addr + 1)
        at = _WindowPlace(m, fold, self._steps, reads)
        self._count(m, accepts, at, enough)
        # A copy of the memory for every tap that is read in the same clock, all written alike.
        payload = self.o.payload
        for tap in range(fold.taps):
            reader = memory.read_port()
            m.d.comb += [
                reader.en.eq(moves),
                reader.addr.eq(at.address(tap)),
                payload.words[tap].eq(reader.data),
            ]
        # The memory answers a clock after its address: what is known of the step waits for it in
        # registers. Neither changes while nobody takes the step.
        valid = Signal()
        marks = Cat(at.padding, at.step, at.first, at.last)
        held = Signal(len(marks), reset_less=True)
        with m.If(moves):
            m.d.sync += [valid.eq(reads), held.eq(marks)]
        m.d.comb += [
            self.o.valid.eq(valid),
            Value.cast(payload)[len(payload.words.as_value()) :].eq(held),
        ]
        return m

    def _count(self, m: Module, accepts: Signal, at: _WindowPlace, enough: Signal) -> None:
        """Count what the window lacks and what there is room for; say whether it is all there.

        Read and write addresses cannot say it, since windows overlap: their difference is neither
        what was not read yet, nor what will not be read again.
        """
        fold = self._fold
        first, in_row, to_row = self.lacking
        rows, columns = fold.needs
        # Below 0 where more has arrived than the window needs; never further than the memory is
        # full.
        lowest = int((rows + columns.min() - fold.released).min()) - fold.depth
        highest = max(first, int(in_row.max()), int(to_row.max()))
        lacks = Signal(Range(min(lowest, 0), max(highest, 1)).shape, init=first)
        # A row may be given up before the last of its pixels, which nobody reads, have come.
        unread = np.append(fold.released[1:], fold.words) - rows - columns[-1]
        room = Signal(range(fold.depth + max(int(unread.max()), 0) + 1), init=fold.depth)
        # What the next window needs beyond this one, by its place: in the row, or the first of a
        # row.
        more = Mux(
            at.row_ends,
            _chosen(m, "to_row", at.row, to_row),
            _chosen(m, "in_row", at.column, in_row),
        )
        freed = _chosen(m, "freed", at.row, self.freed)
        m.d.comb += [enough.eq(lacks <= 0), self.i.ready.eq(room != 0)]
        # Both may change at both ends in the same clock.
        m.d.sync += [
            lacks.eq(lacks + Mux(at.advances, more, 0) - accepts),
            room.eq(room + Mux(at.advances & at.row_ends, freed, 0) - accepts),
        ]


class _WindowPlace:
    """The place of the reader: beat of the window, repetition, and the window's row and column.

    It goes on by one step at every read.
    """

    def __init__(self, m: Module, fold: WindowFold, steps: int, reads: Signal) -> None:
        self._m, self._fold, self._reads = m, fold, reads
        rows, columns = fold.window.out_size
        self._pixel_beat = _counter("pixel_beat", fold.pixel_beats)
        self._turn = _counter("turn", fold.turns)
        self.step = _counter("step", steps)
        self.row, self.column = _counter("window_row", rows), _counter("window_column", columns)
        pixel_ends = self._pixel_beat == fold.pixel_beats - 1
        column_ends = self.column == columns - 1
        image_ends = self.row == rows - 1
        # The last beat of a window, given once or for the last time.
        self.first = (self._pixel_beat == 0) & (self._turn == 0)
        self.last, self.advances, self.row_ends = Signal(), Signal(), Signal()
        window_ends = Signal()
        m.d.comb += [
            self.last.eq(pixel_ends & (self._turn == fold.turns - 1)),
            window_ends.eq(self.step == steps - 1),
            self.advances.eq(reads & window_ends),
            self.row_ends.eq(column_ends),
        ]
        # From the inside out: the words of a pixel, the taps of a window, the repetitions of a
        # window (by `step`, which goes through all beats of them), the windows of a row, the rows.
        with m.If(reads):
            m.d.sync += [
                self._pixel_beat.eq(Mux(pixel_ends, 0, self._pixel_beat + 1)),
                self.step.eq(Mux(window_ends, 0, self.step + 1)),
            ]
            with m.If(pixel_ends):
                m.d.sync += self._turn.eq(Mux(self.last, 0, self._turn + 1))
            with m.If(window_ends):
                m.d.sync += self.column.eq(Mux(column_ends, 0, self.column + 1))
                with m.If(column_ends):
                    m.d.sync += self.row.eq(Mux(image_ends, 0, self.row + 1))
        # From the last word of a window back to its first, and on to the next window's.
        place = unsigned((fold.depth - 1).bit_length())
        step, row, image = (Const(move % fold.depth, place) for move in fold.moves)
        onward = Mux(column_ends, Mux(image_ends, image, row), step)
        self._onward = Mux(window_ends, onward, Const(0, place))
        self._pixel_ends = pixel_ends

    def address(self, tap: int) -> Signal:
        """The address in memory of the word of a tap of this beat."""
        m, fold = self._m, self._fold
        distances = fold.distances[:, tap]
        # Within a pixel to the next word; from its last word to the next tap's first, or after the
        # last tap to that of the window's first tap; beyond the window by `_onward` more.
        back = fold.pixel_beats - 1
        jumps = (np.roll(distances, -1) - distances - back) % fold.depth
        address = Signal(
            range(fold.depth),
            name=f"address{tap}",
            init=int(fold.start + distances[0]) % fold.depth,
        )
        jump = _chosen(m, f"jump{tap}", self._turn, jumps)
        if back:
            jump = Mux(self._pixel_ends, jump, 1)
        with m.If(self._reads):
            m.d.sync += address.eq(address + jump + self._onward)
        return address

    @property
    def padding(self) -> Value:
        """A bit for every tap of this beat: whether it lies outside of the image."""
        m, fold = self._m, self._fold
        flags = [
            [_chosen(m, f"{name}_outside{k}", place, outside[:, k]) for k in range(size)]
            for name, place, outside, size in zip(
                ("row", "column"), (self.row, self.column), fold.outside, fold.window.size,
                strict=True,
            )
        ]  # fmt: skip
        taps = []
        for tap in range(fold.taps):
            rows = _chosen(m, f"tap_row{tap}", self._turn, fold.tap_rows[:, tap])
            columns = _chosen(m, f"tap_column{tap}", self._turn, fold.tap_columns[:, tap])
            taps.append(Cat(flags[0]).bit_select(rows, 1) | Cat(flags[1]).bit_select(columns, 1))
        return Cat(taps)


def _counter(name: str, count: int) -> Signal:
    return Signal(max((count - 1).bit_length(), 1), name=name)


def _chosen(m: Module, name: str, place: Signal, values: IntArray) -> Value:
    """One of several constants."""
    values = np.asarray(values, np.int64)
    reach = Range(int(values.min()), int(values.max()))
    if reach.lo == reach.hi:
        return Const(reach.lo, reach.shape)
    filling = (1 << len(place)) - len(values)
    m.submodules[name] = table = Table((*values.tolist(), *[reach.lo] * filling), registered=False)
    m.d.comb += table.i.eq(place)
    return table.o
