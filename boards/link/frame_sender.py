"""Bodies of frames as bytes on the wire."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from kanhw.boards.link.linear import linear
from kanhw.boards.protocol.crc import CRC_BITS, CRC_START, crc_byte
from kanhw.boards.protocol.frames import END, ESC, ESC_END, ESC_ESC

__all__ = ["BODY", "FrameSender"]

BODY = data.StructLayout({"data": unsigned(8), "last": unsigned(1)})
"""A byte of a body, and whether it is its last."""

_OPEN, _BODY, _HIGH, _LOW, _CLOSE = range(5)


class FrameSender(Component):
    """The hardware of :func:`kanhw.boards.protocol.frames.encode_frame`, of bodies.

    Members
    -------
    i : In(stream of :data:`BODY`)
    o : Out(stream(8))
    """

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(BODY)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        """Mark, body, checksum, mark; what must not be there is two bytes."""
        m = Module()
        phase, escaped = Signal(range(5)), Signal()
        crc = Signal(CRC_BITS, init=CRC_START)
        marks, raw, special = Signal(), Signal(8), Signal()
        with m.Switch(phase):
            with m.Case(_HIGH):
                m.d.comb += raw.eq(crc[8:])
            with m.Case(_LOW):
                m.d.comb += raw.eq(crc[:8])
            with m.Default():
                m.d.comb += raw.eq(self.i.payload.data)
        from_body = (phase == _OPEN) | (phase == _BODY)
        gives, done = Signal(), Signal()
        m.d.comb += [
            marks.eq((phase == _OPEN) | (phase == _CLOSE)),
            special.eq((raw == END) | (raw == ESC)),
            self.o.valid.eq(self.i.valid | ~from_body),
            gives.eq(self.o.valid & self.o.ready),
            done.eq(gives & (marks | escaped | ~special)),
            self.i.ready.eq((phase == _BODY) & self.o.ready & (escaped | ~special)),
        ]
        with m.If(marks):
            m.d.comb += self.o.payload.eq(END)
        with m.Elif(escaped):
            m.d.comb += self.o.payload.eq(Mux(raw == END, ESC_END, ESC_ESC))
        with m.Else():
            m.d.comb += self.o.payload.eq(Mux(special, ESC, raw))
        with m.If(gives):
            m.d.sync += escaped.eq(~done)
        with m.If(done), m.Switch(phase):
            with m.Case(_BODY):
                m.d.sync += crc.eq(linear(_next_crc, Cat(crc, raw), CRC_BITS))
                with m.If(self.i.payload.last):
                    m.d.sync += phase.eq(_HIGH)
            with m.Case(_CLOSE):
                m.d.sync += [phase.eq(_OPEN), crc.eq(CRC_START)]
            with m.Default():
                m.d.sync += phase.eq(phase + 1)
        return m


def _next_crc(both: int) -> int:
    """Checksum and byte, in one integer, to the next checksum."""
    return crc_byte(both & 0xFFFF, both >> CRC_BITS)
