"""Every request has one answer, in the order of the requests."""

from typing import ClassVar

import pytest
from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import stream
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import Component, In, Out, connect
from link_proofs import LinkHarness, assert_bounded, breaks, needs_abc, planted

from kanhw.boards.link.answer_writer import AnswerWriter
from kanhw.boards.link.request_reader import RequestReader
from kanhw.boards.protocol.frames import HEADER_BYTES
from kanhw.boards.protocol.messages import ANSWER, REFUSED, Kind
from kanhw.sim.proofs.formal import watched


@pytest.fixture(autouse=True, scope="module")
def _tools():
    needs_abc()


class Slow(Component):
    """A network that hands its input on a clock later, when it likes."""

    def __init__(self, inputs, outputs):
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(inputs))),
                "o": Out(stream.Signature(unsigned(outputs))),
                "likes": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        full = Signal()
        ready = Signal()
        m.d.comb += [self.i.ready.eq(~full), self.o.valid.eq(ready)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [full.eq(1), self.o.payload.eq(self.i.payload)]
        with m.If(full & self.likes):
            m.d.sync += ready.eq(1)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [full.eq(0), ready.eq(0)]
        return m


class _Small:
    """An identity of few bytes: its answers are soon given."""

    def to_bytes(self):
        return bytes([1, 2])


class AnswersHarness(LinkHarness):
    """Requests in, answers out: the reader, the queue of numbers, a network, the writer."""

    rules: ClassVar[dict[str, str]] = {
        "dropped": "a byte of an answer was taken back",
        "changed": "a byte of an answer changed while it waited",
        "surplus": "an answer begins for which there is no request",
        "order": "an answer has another number or kind than the request that is next",
        "length": "an answer ends elsewhere than its length says",
        "lost": "an answer did not come though nothing kept it from coming",
    }
    covers: ClassVar[dict[str, str]] = {
        "vectors": "the answer to a second vector ends",
        "control": "another request than a vector is answered behind one",
        "refusal": "what cannot be done is refused",
        "watched": "the watched request is answered",
        "two": "two vectors are under way",
    }
    PATIENCE = 14

    def __init__(self, reader=RequestReader, writer=AnswerWriter):
        self._reader, self._writer = reader, writer
        super().__init__(
            {"begin": 1, "payload": 8, "ready": 1, "likes": 1, "watch": 1, "testing": 1}
        )

    @property
    def unit(self):
        return self

    def elaborate(self, platform):
        m = Module()
        m.submodules.reader = reader = self._reader(4, 1)
        m.submodules.writer = writer = self._writer(4, 1, _Small())
        m.submodules.network = network = Slow(4, 4)
        m.submodules.sequences = sequences = SyncFIFOBuffered(width=8, depth=2)
        self.offers(m, reader.i)
        for source, target in (
            (reader.o, network.i),
            (reader.sequence, sequences.w_stream),
            (reader.control, writer.control),
            (network.o, writer.i),
            (sequences.r_stream, writer.sequence),
        ):
            connect(m, source, target)
        m.d.comb += [
            network.likes.eq(self.likes),
            writer.o.ready.eq(self.ready),
            reader.quiet.eq(sequences.level == 0),
            reader.testing.eq(self.testing),
        ]
        asked = self._requests(m, reader)
        self._answers(m, reader, writer, sequences, asked)
        return m

    def _requests(self, m, reader):
        """Places in what comes: the kind and number of a request, and its last byte."""
        place, left = Signal(3), Signal(16)
        kind, number, ends = Signal(8), Signal(8), Signal()
        takes = reader.i.valid & reader.i.ready
        byte = reader.i.payload
        with m.If(takes & (place != HEADER_BYTES)):
            m.d.sync += place.eq(place + 1)
            for at, part in ((0, kind), (1, number), (2, left[:8]), (3, left[8:])):
                with m.If(place == at):
                    m.d.sync += part.eq(byte)
            m.d.comb += ends.eq((place == 3) & (byte == 0) & (left[:8] == 0))
        with m.Elif(takes):
            m.d.sync += left.eq(left - 1)
            m.d.comb += ends.eq(left == 1)
        with m.If(ends):
            m.d.sync += place.eq(0)
        return ends, kind, number, place

    def _answers(self, m, reader, writer, sequences, asked):
        ends, kind, number, _ = asked
        gives = writer.o.valid & writer.o.ready
        byte, last = writer.o.payload.data, writer.o.payload.last
        dropped, changed, _ = self.unsteady(m, writer.o, "o")
        place, left, own = Signal(3), Signal(16), Signal(16)
        with m.If(gives & (place != HEADER_BYTES)):
            m.d.sync += place.eq(place + 1)
            for at, part in ((0, own[:8]), (1, own[8:]), (2, left[:8]), (3, left[8:])):
                with m.If(place == at):
                    m.d.sync += part.eq(byte)
        with m.Elif(gives):
            m.d.sync += left.eq(left - 1)
        with m.If(gives & last):
            m.d.sync += place.eq(0)
        at_end = Mux(place == 3, (byte == 0) & (left[:8] == 0), (place == 4) & (left == 1))
        # Requests without an answer; one of them is watched, with those in front of it.
        owed = Signal(4)
        answered = gives & last
        m.d.sync += owed.eq(owed + ends - answered)
        phase, ahead, wanted = Signal(), Signal(4), Signal(16)
        with m.If(~phase & ends & self.watch):
            m.d.sync += [phase.eq(1), ahead.eq(owed - answered), wanted.eq(Cat(kind, number))]
        with m.Elif(phase & answered):
            m.d.sync += [ahead.eq(ahead - 1), phase.eq(ahead != 0)]
        checked = phase & answered & (ahead == 0)
        # Behind the last byte of the header `own` is complete.
        header = Mux(place >= 2, own, 0)
        refused = header[:8] == REFUSED
        right = (header[8:] == wanted[8:]) & (refused | (header[:8] == (wanted[:8] | ANSWER)))
        waiting, quiet = Signal(), Signal(range(self.PATIENCE + 1))
        moving = self.ready & self.likes & ~reader.i.valid
        m.d.comb += waiting.eq((owed != 0) & ~gives)
        m.d.sync += quiet.eq(Mux(waiting & moving, quiet + (quiet != self.PATIENCE), 0))
        vectors, control = Signal(2), Signal()
        is_vector = own[:8] == ANSWER | Kind.VECTOR
        with m.If(answered & is_vector & (vectors != 3)):
            m.d.sync += vectors.eq(vectors + 1)
        m.d.comb += [
            control.eq(answered & ~is_vector & ~refused & (vectors != 0)),
            self.bad.eq(
                watched(
                    m,
                    dropped,
                    changed,
                    writer.o.valid & (owed == 0),
                    checked & ~right,
                    gives & (last ^ at_end),
                    quiet == self.PATIENCE,
                )
            ),
            self.seen.eq(
                Cat(
                    answered & is_vector & (vectors == 1),
                    control,
                    answered & refused,
                    checked,
                    sequences.level == 2,
                )
            ),
        ]


@pytest.mark.slow
@pytest.mark.parametrize("rule", AnswersHarness.rules)
def test_answers(rule):
    # Numbers of any two requests are too much for more clocks: one answer behind another request.
    assert_bounded(AnswersHarness(), rule, 26, 16 if rule == "order" else None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "right", "wrong", "rule"),
    [
        (RequestReader, "self.control.valid.eq(self.quiet)", "self.control.valid.eq(1)", "order"),
        (RequestReader, "m.d.sync += phase.eq(_ENTER)", "m.d.sync += phase.eq(_GATHER)", "lost"),
        (AnswerWriter, "left.eq(length),", "left.eq(length + 1),", "length"),
    ],
)
def test_answers_with_a_fault(kind, right, wrong, rule):
    faulty = {kind: planted(kind, (right, wrong))}
    harness = AnswersHarness(
        faulty.get(RequestReader, RequestReader), faulty.get(AnswerWriter, AnswerWriter)
    )
    assert breaks(harness, rule, 70)
