"""Requests: vectors go to the network, the rest is handed on once everything before is answered."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from kanhw.boards.protocol.messages import REQUEST_BYTES, Kind, Refusal

__all__ = ["CONTROL", "RequestReader"]

CONTROL = data.StructLayout({"kind": unsigned(8), "sequence": unsigned(8), "refusal": unsigned(8)})
"""A request that is no vector; with a refusal that is not 0, one that cannot be done."""

_HEADER, _DECIDE, _ENTER, _GATHER, _OFFER, _ARGUMENT, _CONTROL = range(7)


class RequestReader(Component):
    """Bodies of frames, as :class:`~kanhw.boards.link.frame_receiver.FrameReceiver` gives them.

    The sequence number of a vector is handed on in front of its first beat. Any other request waits
    until no vector is under way, so that answers come in the order of requests.

    Parameters
    ----------
    width
        Bits of a beat of the network's input. On the link each beat has whole bytes.
    beats
        Of a vector.

    Members
    -------
    i : In(stream(8))
    o : Out(stream(width))
        The beats of vectors.
    sequence : Out(stream(8))
        The sequence number of every vector.
    control : Out(stream of :data:`CONTROL`)
    argument : Out(8), shift : Out(1)
        The bytes of a request for a self-test, each for one clock, in front of ``control``.
    testing : In(1)
        Whether the self-test has the network; then vectors are refused.
    quiet : In(1)
        Whether no vector is under way and no answer is being given.
    """

    def __init__(self, width: int, beats: int) -> None:
        self._width, self._beats = width, beats
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(unsigned(width))),
                "sequence": Out(stream.Signature(8)),
                "control": Out(stream.Signature(CONTROL)),
                "argument": Out(8),
                "shift": Out(1),
                "testing": In(1),
                "quiet": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """A byte at a time."""
        m = Module()
        bytes_per_beat = -(-self._width // 8)
        phase, place = Signal(range(7)), Signal(2)
        header = Signal(32)
        kind, sequence, left = header[:8], header[8:16], header[16:]
        beat, filled = Signal(8 * bytes_per_beat), Signal(range(max(bytes_per_beat, 2)))
        refusal = Signal(8)
        takes = self.i.valid & self.i.ready
        m.d.comb += [
            self.o.payload.eq(beat[: self._width]),
            self.sequence.payload.eq(sequence),
            self.argument.eq(self.i.payload),
            self.control.payload.kind.eq(kind),
            self.control.payload.sequence.eq(sequence),
            self.control.payload.refusal.eq(refusal),
        ]
        with m.Switch(phase):
            with m.Case(_HEADER):
                m.d.comb += self.i.ready.eq(1)
                with m.If(takes):
                    m.d.sync += [header.eq(Cat(header[8:], self.i.payload)), place.eq(place + 1)]
                    with m.If(place == 3):
                        m.d.sync += phase.eq(_DECIDE)
            with m.Case(_DECIDE):
                self._decide(m, phase, kind, left, refusal)
            with m.Case(_ENTER):
                m.d.comb += self.sequence.valid.eq(1)
                with m.If(self.sequence.ready):
                    m.d.sync += phase.eq(_GATHER)
            with m.Case(_GATHER):
                m.d.comb += self.i.ready.eq(1)
                with m.If(takes):
                    m.d.sync += [
                        beat.eq(Cat(beat[8:], self.i.payload)),
                        left.eq(left - 1),
                        filled.eq(filled + 1),
                    ]
                    with m.If(filled == bytes_per_beat - 1):
                        m.d.sync += [filled.eq(0), phase.eq(_OFFER)]
            with m.Case(_OFFER):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += phase.eq(_GATHER)
                    with m.If(left == 0):
                        m.d.sync += phase.eq(_HEADER)
            with m.Case(_ARGUMENT):
                m.d.comb += self.i.ready.eq(left != 0)
                m.d.comb += self.shift.eq(takes & (kind == Kind.TEST) & (refusal == 0))
                with m.If(takes):
                    m.d.sync += left.eq(left - 1)
                with m.If(left == 0):
                    m.d.sync += phase.eq(_CONTROL)
            with m.Case(_CONTROL):
                # Nothing enters the network in this phase, so what is quiet stays so.
                m.d.comb += self.control.valid.eq(self.quiet)
                with m.If(self.control.valid & self.control.ready):
                    m.d.sync += phase.eq(_HEADER)
        return m

    def _decide(
        self, m: Module, phase: Signal, kind: Signal, left: Signal, refusal: Signal
    ) -> None:
        """Where a payload goes, by kind and length; what is refused is read to its end."""
        vector_bytes = self._beats * -(-self._width // 8)
        m.d.sync += [phase.eq(_ARGUMENT), refusal.eq(Refusal.UNKNOWN)]
        for known, size in REQUEST_BYTES.items():
            with m.If(kind == known):
                m.d.sync += refusal.eq(0)
                with m.If(left != size):
                    m.d.sync += refusal.eq(Refusal.LENGTH)
                if known == Kind.TEST:
                    with m.Elif(self.testing):
                        m.d.sync += refusal.eq(Refusal.BUSY)
        with m.If(kind == Kind.VECTOR):
            with m.If(left != vector_bytes):
                m.d.sync += refusal.eq(Refusal.LENGTH)
            with m.Elif(self.testing):
                m.d.sync += refusal.eq(Refusal.BUSY)
            with m.Else():
                m.d.sync += phase.eq(_ENTER)
