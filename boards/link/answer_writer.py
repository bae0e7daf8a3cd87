"""Answers: a vector's outputs behind its sequence number, or what a request asked for."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out

from kanhw.boards.link.frame_sender import BODY
from kanhw.boards.link.request_reader import CONTROL
from kanhw.boards.protocol.frames import HEADER_BYTES
from kanhw.boards.protocol.messages import ANSWER, REFUSED, STATUS_FIELDS, Identity, Kind

__all__ = ["AnswerWriter"]

_IDLE, _HEADER, _LOAD, _OUTPUTS, _PICK, _BYTES = range(6)


class AnswerWriter(Component):
    """Bodies of frames for :class:`~kanhw.boards.link.frame_sender.FrameSender`.

    Parameters
    ----------
    width
        Bits of a beat of the network's output. On the link each beat has whole bytes.
    beats
        Of a vector's outputs.
    identity
        What the design says of itself.

    Members
    -------
    i : In(stream(width))
        The beats of outputs.
    sequence : In(stream(8))
        The sequence numbers of their vectors, in order; one is taken with the last byte.
    control : In(stream of :data:`~kanhw.boards.link.request_reader.CONTROL`)
        What to answer where there is no vector.
    status : In(bits of a status)
        The bytes of :class:`kanhw.boards.protocol.messages.Status`, the first one lowest.
    o : Out(stream of :data:`~kanhw.boards.link.frame_sender.BODY`)
    quiet : Out(1)
        No answer is being given.
    """

    def __init__(self, width: int, beats: int, identity: Identity) -> None:
        self._width, self._beats = width, beats
        self._identity = identity.to_bytes()
        self._status_bytes = sum(STATUS_FIELDS.values())
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(width))),
                "sequence": In(stream.Signature(8)),
                "control": In(stream.Signature(CONTROL)),
                "status": In(8 * self._status_bytes),
                "o": Out(stream.Signature(BODY)),
                "quiet": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The header first; then a shift register of outputs, or a choice among bytes."""
        m = Module()
        output_bytes = self._beats * -(-self._width // 8)
        longest = max(output_bytes, len(self._identity), self._status_bytes)
        phase, header, left = Signal(range(6)), Signal(32), Signal(range(longest + 1))
        place, vector = Signal(range(32)), Signal()
        word, filled = Signal(self._width), Signal(range(-(-self._width // 8) + 1))
        gives = self.o.valid & self.o.ready
        m.d.comb += self.quiet.eq(phase == _IDLE)
        with m.Switch(phase):
            with m.Case(_IDLE):
                m.d.sync += place.eq(0)
                self._begin(m, phase, header, left, vector)
            with m.Case(_HEADER):
                m.d.comb += [
                    self.o.valid.eq(1),
                    self.o.payload.data.eq(header[:8]),
                    self.o.payload.last.eq((place == HEADER_BYTES - 1) & (left == 0)),
                ]
                with m.If(gives):
                    m.d.sync += [header.eq(header >> 8), place.eq(place + 1)]
                    with m.If(place == HEADER_BYTES - 1):
                        m.d.sync += place.eq(0)
                        with m.If(left == 0):
                            m.d.sync += phase.eq(_IDLE)
                            m.d.comb += self.control.ready.eq(1)
                        with m.Else():
                            m.d.sync += phase.eq(Mux(vector, _LOAD, _PICK))
            with m.Case(_LOAD):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [
                        word.eq(self.i.payload),
                        filled.eq(-(-self._width // 8) - 1),
                        phase.eq(_OUTPUTS),
                    ]
            with m.Case(_OUTPUTS):
                m.d.comb += [
                    self.o.valid.eq(1),
                    self.o.payload.data.eq(word[:8]),
                    self.o.payload.last.eq(left == 1),
                ]
                with m.If(gives):
                    m.d.sync += [word.eq(word >> 8), filled.eq(filled - 1), left.eq(left - 1)]
                    with m.If(filled == 0):
                        m.d.sync += phase.eq(_LOAD)
                    with m.If(left == 1):
                        m.d.sync += phase.eq(_IDLE)
                        m.d.comb += self.sequence.ready.eq(1)
            with m.Case(_PICK):
                # A choice among so many bytes takes a clock of its own.
                m.d.sync += [header[:8].eq(self._byte(place)), phase.eq(_BYTES)]
            with m.Case(_BYTES):
                m.d.comb += [
                    self.o.valid.eq(1),
                    self.o.payload.data.eq(header[:8]),
                    self.o.payload.last.eq(left == 1),
                ]
                with m.If(gives):
                    m.d.sync += [place.eq(place + 1), left.eq(left - 1), phase.eq(_PICK)]
                    with m.If(left == 1):
                        m.d.sync += phase.eq(_IDLE)
                        m.d.comb += self.control.ready.eq(1)
        return m

    def _begin(
        self, m: Module, phase: Signal, header: Signal, left: Signal, vector: Signal
    ) -> None:
        """Choose what to answer, and its header."""
        asked = self.control.payload
        output_bytes = self._beats * -(-self._width // 8)
        kind, sequence, length = Signal(8), Signal(8), Signal(16)
        # A vector's answer begins once its outputs do: the line is not held for a slow network.
        vectors = self.sequence.valid & self.i.valid
        with m.If(vectors):
            m.d.comb += [
                kind.eq(ANSWER | Kind.VECTOR),
                sequence.eq(self.sequence.payload),
                length.eq(output_bytes),
            ]
        with m.Else():
            sizes = {Kind.IDENTIFY: len(self._identity), Kind.STATUS: self._status_bytes}
            m.d.comb += [kind.eq(ANSWER | asked.kind), sequence.eq(asked.sequence)]
            for known, size in sizes.items():
                with m.If(asked.kind == known):
                    m.d.comb += length.eq(size)
            with m.If(asked.refusal != 0):
                m.d.comb += [kind.eq(REFUSED), length.eq(1)]
        with m.If(vectors | self.control.valid):
            m.d.sync += [
                header.eq(Cat(kind, sequence, length)),
                left.eq(length),
                vector.eq(vectors),
                phase.eq(_HEADER),
            ]

    def _byte(self, place: Signal) -> Value:
        """A byte of what was asked for."""
        asked = self.control.payload
        status = Array(self.status[8 * k : 8 * k + 8] for k in range(self._status_bytes))
        identity = Array(Const(byte, 8) for byte in self._identity)
        told = Mux(asked.kind == Kind.STATUS, status[place], identity[place])
        return Mux(asked.refusal != 0, asked.refusal, told)
