"""Frames from bytes: undone, checked, and kept until they are read."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from kanhw.boards.link.linear import linear
from kanhw.boards.protocol.crc import CRC_BITS, CRC_START, crc_byte
from kanhw.boards.protocol.frames import CRC_BYTES, END, ESC, ESC_END, ESC_ESC, HEADER_BYTES
from kanhw.boards.protocol.messages import Kind
from kanhw.errors import InputError

__all__ = ["FrameReceiver"]

_TOO_LONG = HEADER_BYTES + CRC_BYTES + 1


class FrameReceiver(Component):
    """The hardware of :class:`kanhw.boards.protocol.frames.FrameDecoder`, with a memory behind it.

    A frame's body goes into the memory byte by byte and counts as there once its checksum and
    length are right; otherwise it is taken back. A frame for which there is no room is taken back
    too, and those that are there stay.

    Parameters
    ----------
    depth
        Bytes of the memory, a power of two; one of them stays free.

    Members
    -------
    data : In(8), strobe : In(1)
        A byte, when it comes.
    spoiled : In(1)
        What came was no byte.
    o : Out(stream(8))
        The bodies of frames, one behind the other.
    good, broken, overrun : Out(1)
        High in the clock behind a frame's end: it is in the memory; it was broken; there was no
        room for it.
    reset : Out(1)
        High beside ``good``: the frame asks for a reset. Those in front of it are forgotten, so
        what reads them can be reset, whatever it was waiting for.
    """

    def __init__(self, depth: int) -> None:
        if depth < 2 * (HEADER_BYTES + CRC_BYTES) or depth & (depth - 1):
            raise InputError(f"A memory for frames has a power of two of bytes, not {depth}")
        self._depth = depth
        super().__init__(
            {
                "data": In(8),
                "strobe": In(1),
                "spoiled": In(1),
                "o": Out(stream.Signature(8)),
                "good": Out(1),
                "broken": Out(1),
                "overrun": Out(1),
                "reset": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The writer, which may go back, and the reader behind it."""
        m = Module()
        bits = (self._depth - 1).bit_length()
        # What is between tail and base is whole frames; what is between base and head, one that
        # comes.
        base, head, tail = Signal(bits), Signal(bits), Signal(bits)
        m.submodules.memory = memory = Memory(shape=8, depth=self._depth, init=[])
        write, read = memory.write_port(), memory.read_port()
        escaped, bad, full = Signal(), Signal(), Signal()
        # Bytes of the header, then payload until none is left, then the checksum, then too many.
        place, kind, left = Signal(range(_TOO_LONG + 1)), Signal(8), Signal(16)
        crc = Signal(CRC_BITS, init=CRC_START)

        mark, byte = Signal(), Signal(8)
        m.d.comb += [
            mark.eq(self.strobe & (self.data == END)),
            byte.eq(Mux(escaped, Mux(self.data == ESC_END, END, ESC), self.data)),
        ]
        no_escape = (self.data != ESC_END) & (self.data != ESC_ESC)
        with m.If(self.spoiled | (self.strobe & escaped & no_escape)):
            m.d.sync += bad.eq(1)
        taken = Signal()
        m.d.comb += taken.eq(self.strobe & ~mark & ~(~escaped & (self.data == ESC)))
        with m.If(self.strobe):
            m.d.sync += escaped.eq(~escaped & (self.data == ESC))
        following, fits = (head + 1)[:bits], Signal()
        m.d.comb += [
            fits.eq((following != tail) & ~full),
            write.addr.eq(head),
            write.data.eq(byte),
            write.en.eq(taken & fits),
        ]
        with m.If(taken):
            m.d.sync += [crc.eq(linear(_next_crc, Cat(crc, byte), CRC_BITS)), full.eq(~fits)]
            with m.If(fits):
                m.d.sync += head.eq(following)
            with m.If((place == HEADER_BYTES) & (left != 0)):
                m.d.sync += left.eq(left - 1)
            with m.Elif(place != _TOO_LONG):
                m.d.sync += place.eq(place + 1)
            for at, part in ((0, kind), (2, left[:8]), (3, left[8:])):
                with m.If(place == at):
                    m.d.sync += part.eq(byte)
        with m.If(mark):
            m.d.sync += [
                crc.eq(CRC_START),
                place.eq(0),
                bad.eq(0),
                full.eq(0),
                head.eq(base),
            ]
        whole = (crc == 0) & ~bad & ~escaped & (place == HEADER_BYTES + CRC_BYTES)
        there = mark & ((place != 0) | bad | escaped)
        accepts, before = Signal(), Signal(bits)
        m.d.comb += accepts.eq(there & whole & ~full)
        m.d.sync += [
            self.good.eq(accepts),
            self.overrun.eq(there & full),
            self.broken.eq(there & ~whole & ~full),
            self.reset.eq(accepts & (kind == Kind.RESET)),
        ]
        with m.If(accepts):
            # The checksum has done its work.
            end = (head - CRC_BYTES)[:bits]
            m.d.sync += [before.eq(base), base.eq(end), head.eq(end)]

        read_next = Signal(bits)
        m.d.comb += [
            read_next.eq(tail + (self.o.valid & self.o.ready)),
            read.addr.eq(read_next),
            read.en.eq(1),
            self.o.payload.eq(read.data),
        ]
        m.d.sync += [tail.eq(read_next), self.o.valid.eq(read_next != base)]
        with m.If(self.reset):
            m.d.sync += [tail.eq(before), self.o.valid.eq(0)]
        return m


def _next_crc(both: int) -> int:
    """Checksum and byte, in one integer, to the next checksum."""
    return crc_byte(both & 0xFFFF, both >> CRC_BITS)
