"""Pixels to windows: rows in memory, the window in registers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from kanhw.gateware.parts.costs import HardwareCosts, MemoryShape, delay_costs
from kanhw.gateware.parts.table import Table
from kanhw.schedule.raster import Raster
from kanhw.windows import Window

__all__ = ["LineBuffer"]

# A delay of more pixels than this is a memory.
REGISTERS = 4


class LineBuffer(Component):
    """The windows over images that arrive pixel by pixel, row by row.

    Equals :meth:`kanhw.windows.Window.gather`, with flags where that has padding. One pixel and
    one window a clock; ``interval`` clocks per image, which is a clock per pixel unless there are
    more windows than pixels to a row or column. The next image may follow at once: its pixels push
    out the last windows of the one before. If none comes, those leave by themselves. (Once it has
    begun and then pauses, they wait with it.)

    Parameters
    ----------
    window
        The windows; the channels of its shape are not looked at.
    width
        Bits of a pixel, all its channels together.

    Members
    -------
    i : In(stream of unsigned(width))
    o : Out(stream of struct(taps, pad))
        ``taps`` is an array [rows][columns] of pixels. ``pad`` has a bit for every one of them,
        row by row, that is set where a tap lies outside the image; its pixel then is arbitrary.
    """

    def __init__(self, window: Window, width: int) -> None:
        self._raster = Raster(window)
        self._width = width
        rows, columns = window.size
        pixels = data.ArrayLayout(data.ArrayLayout(unsigned(width), columns), rows)
        layout = data.StructLayout({"taps": pixels, "pad": unsigned(rows * columns)})
        super().__init__(
            {"i": In(stream.Signature(unsigned(width))), "o": Out(stream.Signature(layout))}
        )

    @property
    def raster(self) -> Raster:
        """The slots in which pixels are read and windows complete."""
        return self._raster

    @property
    def latency(self) -> int:
        """Clock edges from an image's last pixel to its last window, from idle, without stalls.

        Not positive where the last window is complete before the last pixel.
        """
        return self._raster.last - self._raster.taken + 1

    @property
    def interval(self) -> int:
        """Clocks between two images in steady state."""
        return self._raster.interval

    @property
    def costs(self) -> HardwareCosts:
        """Rows in a memory or in registers, the pixels of a window, counters and flags of both."""
        raster, width = self._raster, self._width
        lines, depth = raster.axes[0].size - 1, raster.line
        columns = raster.axes[1].dilation * (raster.axes[1].size - 1) + 1
        taps = raster.axes[0].size * columns * width
        places = sum(max((axis.slots - 1).bit_length(), 1) for axis in raster.axes)
        pads = len(self.o.payload.pad)
        fill = (raster.first + 1).bit_length() if raster.first else 0
        total = HardwareCosts(
            table_luts=8 + pads,
            register_bits=taps + 2 * places + pads + fill + 3,
            counters=2 * places + fill,
        )
        if not lines:
            return total
        if depth <= REGISTERS:
            return total + delay_costs(depth, lines * width)
        place = (depth - 1).bit_length()
        memory = MemoryShape(depth, lines * width, written=True)
        return total + HardwareCosts(register_bits=place, counters=place, memories=(memory,))

    def elaborate(self, platform: object) -> Module:
        """Places within the image, the windows' flags, the pixels' delays."""
        m = Module()
        moves, first, busy = Signal(), Signal(), Signal()
        self._count_slots(m, moves, first, busy)
        self._windows(m, moves, first, busy)
        for r, pixel in enumerate(self._lines(m, moves)):
            for c, tap in enumerate(self._columns(m, moves, pixel, r)):
                m.d.comb += self.o.payload.taps[r][c].eq(tap)
        return m

    def _count_slots(self, m: Module, moves: Signal, first: Signal, busy: Signal) -> None:
        """Decide whether everything moves on by a slot, and whether that completes a first window.

        ``busy`` says that windows of an image are coming and more will.
        """
        raster = self._raster
        place = [Signal(range(axis.slots), name=f"slot{k}") for k, axis in enumerate(raster.axes)]
        pixel, at_start, starts, free = Signal(), Signal(), Signal(), Signal()
        filling, fill = Signal(), Signal(range(raster.first + 2))
        flags = [
            _looked_up(m, f"pixel{k}", place[k], axis.occupied[:, None])
            for k, axis in enumerate(raster.axes)
        ]
        m.d.comb += [
            pixel.eq(Const(1) if raster.dense else Cat(flags).all()),
            at_start.eq(~Cat(place).any()),
            # No more than one image waits for its first window.
            starts.eq(at_start & self.i.valid & ~filling),
            free.eq(~self.o.valid | self.o.ready),
            # Between images there is no pixel to wait for: windows that are still due go on.
            moves.eq(free & Mux(at_start, starts | filling | busy, ~pixel | self.i.valid)),
            self.i.ready.eq(free & pixel & ~(at_start & filling)),
        ]
        # The first slot is left when an image begins, whatever moves on for the one before.
        with m.If(moves & (starts | ~at_start)):
            _advance(m, place, [axis.slots - 1 for axis in raster.axes])
        if not raster.first:
            m.d.comb += first.eq(starts)
            return
        # Slots since the image began, up to the one that completes its first window.
        m.d.comb += first.eq(filling & (fill == raster.first))
        with m.If(moves & (starts | filling)):
            m.d.sync += [filling.eq(~first), fill.eq(Mux(starts, 1, fill + 1))]

    def _windows(self, m: Module, moves: Signal, first: Signal, busy: Signal) -> None:
        """Find out at which slots there is a window, and which of its taps are padding."""
        axes = self._raster.axes
        place = [Signal(range(axis.slots), name=f"window{k}") for k, axis in enumerate(axes)]
        rows, columns = (
            _looked_up(m, f"flags{k}", place[k], np.hstack([axis.windows[:, None], axis.padded]))
            for k, axis in enumerate(axes)
        )
        coming, last = first | busy, Signal()
        valid, pad = Signal(), Signal(len(self.o.payload.pad), reset_less=True)
        outside = [row | column for row in rows[1:] for column in columns[1:]]
        m.d.comb += [
            last.eq(Cat(at == axis.reach for at, axis in zip(place, axes, strict=True)).all()),
            self.o.valid.eq(valid),
            self.o.payload.pad.eq(pad),
        ]
        with m.If(moves):
            m.d.sync += [valid.eq(coming & rows[0] & columns[0]), pad.eq(Cat(outside))]
        with m.Elif(self.o.ready):
            m.d.sync += valid.eq(0)
        # The windows have counters of their own: those of an image are still coming when the slots
        # of the next have begun.
        with m.If(moves & coming):
            m.d.sync += busy.eq(~last)
            _advance(m, place, [axis.slots - 1 for axis in axes])
            with m.If(last):
                m.d.sync += [at.eq(0) for at in place]

    def _lines(self, m: Module, moves: Signal) -> list[Value]:
        """The newest pixel of every row of the window, the lowest row as it arrives."""
        count, depth = self._raster.axes[0].size - 1, self._raster.line
        arriving = self.i.payload
        if not count:
            return [arriving]
        if depth <= REGISTERS:
            lines = [arriving]
            for k in range(count):
                delays = self._delays(m, moves, lines[0], depth, f"line{k}")
                lines.insert(0, delays[-1])
            return lines
        # One memory for all rows; what leaves one of them enters the one above.
        memory = Memory(shape=unsigned(count * self._width), depth=depth, init=[])
        m.submodules.lines = memory
        read, write = memory.read_port(), memory.write_port()
        # The memory is a delay of `depth` slots: what was read at a place is written back to it,
        # with each row moved one up and the newest pixel at the bottom. The read address is one
        # ahead, since the memory answers a clock later.
        place, following = Signal(range(depth)), Signal(range(depth))
        m.d.comb += [
            following.eq(Mux(place == depth - 1, 0, place + 1)),
            read.addr.eq(following),
            read.en.eq(moves),
            write.addr.eq(place),
            write.en.eq(moves),
            write.data.eq(Cat(read.data, arriving)[self._width :]),
        ]
        with m.If(moves):
            m.d.sync += place.eq(following)
        return [*(read.data.word_select(k, self._width) for k in range(count)), arriving]

    def _columns(self, m: Module, moves: Signal, pixel: Value, row: int) -> list[Value]:
        """The pixels of one row of the window, the leftmost (oldest) first."""
        axis = self._raster.axes[1]
        delays = self._delays(m, moves, pixel, axis.dilation * (axis.size - 1) + 1, f"row{row}")
        return delays[:: axis.dilation][::-1]

    def _delays(self, m: Module, moves: Signal, pixel: Value, count: int, name: str) -> list[Value]:
        """``pixel`` 1 to ``count`` slots later."""
        delays: list[Value] = []
        for k in range(count):
            register = Signal(self._width, name=f"{name}_{k}", reset_less=True)
            with m.If(moves):
                m.d.sync += register.eq(delays[-1] if delays else pixel)
            delays.append(register)
        return delays


def _advance(m: Module, place: Sequence[Signal], ends: Sequence[int]) -> None:
    """Go one slot on, column by column and row by row."""
    (row, column), (last_row, last_column) = place, ends
    with m.If(column == last_column):
        m.d.sync += [column.eq(0), row.eq(Mux(row == last_row, 0, row + 1))]
    with m.Else():
        m.d.sync += column.eq(column + 1)


def _looked_up(m: Module, name: str, place: Signal, flags: npt.NDArray[np.bool_]) -> list[Value]:
    """Flags of a place, ``[slots, flags]``."""
    depth = 1 << max(len(place), 1)
    words = (flags << np.arange(flags.shape[1])).sum(axis=1).tolist()
    table = Table((*words, *[0] * (depth - len(words))), registered=False)
    m.submodules[name] = table
    m.d.comb += table.i.eq(place)
    # A flag that is never set has no bit in the table.
    return [table.o[k] if k < len(table.o) else Const(0, 1) for k in range(flags.shape[1])]
