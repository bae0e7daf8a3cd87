"""The link's stream rules, and that every request has one answer, for all inputs and stalls."""

import inspect
import sys
from typing import ClassVar

import pytest
from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import Component, In, Out, connect

from kanhw.boards.link.answer_writer import AnswerWriter
from kanhw.boards.link.frame_receiver import FrameReceiver
from kanhw.boards.link.frame_sender import FrameSender
from kanhw.boards.link.request_reader import RequestReader
from kanhw.boards.link.uart import UartTransmitter
from kanhw.boards.protocol.crc import CRC_START
from kanhw.boards.protocol.frames import END, ESC, ESC_END, ESC_ESC, HEADER_BYTES
from kanhw.boards.protocol.messages import ANSWER, REFUSED, Kind
from kanhw.errors import ToolNotFound
from kanhw.sim.proofs.formal import watched
from kanhw.sim.proofs.stream_proofs import find_abc, prove


@pytest.fixture(autouse=True, scope="module")
def _tools():
    try:
        find_abc()
    except ToolNotFound as error:
        pytest.skip(str(error))


def planted(kind, *changes):
    """A class with changes in its text."""
    text = inspect.getsource(kind)
    for right, other in changes:
        assert text.count(right) == 1, f"{kind.__name__} has not once: {right}"
        text = text.replace(right, other)
    names = dict(vars(sys.modules[kind.__module__]))
    exec("from __future__ import annotations\n" + text, names)
    return names[kind.__name__]


# A solver cannot look through 16 XORs of many bytes, and no rule hangs on which function the
# checksum is; that it is the right one, simulation shows.
_CHECKSUM = "linear(_next_crc, Cat(crc, {byte}), CRC_BITS)"
SENDER = (_CHECKSUM.format(byte="raw"), "Cat(crc[8:], raw ^ crc[:8])")
RECEIVER = (_CHECKSUM.format(byte="byte"), "Cat(crc[8:], byte)")


class _Harness(Component):
    """What every harness here has: bits of rules and of covers, and free inputs."""

    rules: ClassVar[dict[str, str]]
    covers: ClassVar[dict[str, str]]

    def __init__(self, free):
        super().__init__(
            {
                **{name: In(unsigned(bits)) for name, bits in free.items()},
                "bad": Out(len(self.rules)),
                "seen": Out(len(self.covers)),
            }
        )

    def offers(self, m, target):
        """A sender that keeps the rules: what it offered stays until it is taken."""
        offering, held = Signal(), Signal.like(self.payload)
        m.d.comb += [
            target.valid.eq(offering | self.begin),
            Value.cast(target.payload).eq(Mux(offering, held, self.payload)),
        ]
        m.d.sync += offering.eq(target.valid & ~target.ready)
        with m.If(~offering):
            m.d.sync += held.eq(self.payload)

    @staticmethod
    def unsteady(m, source, name):
        """Whether what a stream offered fell, or changed, before it was taken."""
        payload = Value.cast(source.payload)
        stalled, before = Signal(name=f"{name}_stalled"), Signal(len(payload), name=f"{name}_was")
        m.d.sync += [stalled.eq(source.valid & ~source.ready), before.eq(payload)]
        return stalled & ~source.valid, stalled & source.valid & (before != payload), stalled


class SenderHarness(_Harness):
    """A receiver of the harness's own takes the frames apart again."""

    rules: ClassVar[dict[str, str]] = {
        "dropped": "a byte was taken back",
        "changed": "a byte changed while it waited",
        "mark": "a mark within a frame, or what ESC must not be followed by",
        "byte": "the byte that is taken from a body is not the one that is sent",
        "checksum": "a frame ends with a wrong checksum",
        "lost": "a body's byte waits for ever",
    }
    covers: ClassVar[dict[str, str]] = {
        "escaped": "a frame with two-byte forms in body and checksum ends",
        "two": "a second frame ends",
        "stall": "a byte waits and is taken later",
    }

    def __init__(self, unit):
        self.unit = unit
        super().__init__({"begin": 1, "payload": 9, "ready": 1})

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = self.unit
        self.offers(m, unit.i)
        m.d.comb += unit.o.ready.eq(self.ready)
        dropped, changed, stalled = self.unsteady(m, unit.o, "o")
        inside, escaped, crc = Signal(), Signal(), Signal(16, init=CRC_START)
        forms, late, frames = Signal(2), Signal(4), Signal(2)
        byte, sent = Signal(8), Signal()
        gives = unit.o.valid & unit.o.ready
        mark, escape = unit.o.payload == END, unit.o.payload == ESC
        m.d.comb += [
            byte.eq(Mux(escaped, Mux(unit.o.payload == ESC_END, END, ESC), unit.o.payload)),
            sent.eq(gives & inside & ~mark & ~(escape & ~escaped)),
        ]
        ends = gives & mark & inside
        # 0: the body, 1 and 2: the bytes of the checksum, 3: only a mark may come.
        takes = unit.i.valid & unit.i.ready
        tail = Signal(2)
        # Of the bytes that are taken: that they are those that are sent is a rule of its own.
        with m.If(takes):
            m.d.sync += crc.eq(Cat(crc[8:], unit.i.payload.data ^ crc[:8]))
        with m.If(sent & ((tail != 0) | unit.i.payload.last)):
            m.d.sync += tail.eq(tail + (tail != 3))
        wrong = sent & Mux(tail == 1, byte != crc[8:], (tail == 2) & (byte != crc[:8]))
        with m.If(gives):
            m.d.sync += escaped.eq(escape & ~escaped & inside)
            with m.If(mark):
                m.d.sync += [inside.eq(~inside), crc.eq(CRC_START)]
            with m.If(escaped & (forms != 3)):
                m.d.sync += forms.eq(forms + 1)
        with m.If(ends & (frames != 3)):
            m.d.sync += frames.eq(frames + 1)
        with m.If(ends):
            m.d.sync += tail.eq(0)
        m.d.sync += late.eq(Mux(unit.i.valid & ~takes & unit.o.ready, late + (late != 15), 0))
        early = mark & inside & (tail != 3)
        known = (unit.o.payload == ESC_END) | (unit.o.payload == ESC_ESC)
        m.d.comb += [
            self.bad.eq(
                watched(
                    m,
                    dropped,
                    changed,
                    gives & ((~inside & ~mark) | (escaped & ~known) | early),
                    (takes ^ (sent & (tail == 0))) | (takes & (byte != unit.i.payload.data)),
                    wrong | (sent & (tail == 3)),
                    # Checksum and marks, and ESC: seven bytes at most.
                    late == 8,
                )
            ),
            self.seen.eq(Cat(ends & (forms == 3), ends & (frames != 0), stalled & gives)),
        ]
        return m


class ReceiverHarness(_Harness):
    """A byte of any frame is watched, from the line to where it is read."""

    rules: ClassVar[dict[str, str]] = {
        "dropped": "a byte was taken back",
        "changed": "a byte changed while it waited",
        "surplus": "a byte is offered that is of no good frame",
        "lost": "a byte of a good frame is not offered",
        "overflow": "there are more bytes than fit",
        "byte": "the watched byte is another one when it is read",
        "verdict": "a frame is two things at once, or ends without being anything",
    }
    covers: ClassVar[dict[str, str]] = {
        "read": "the watched byte is read",
        "broken": "a byte is read after a broken frame",
        "overrun": "a frame finds no room",
        "reset": "a frame that asks for a reset is read while others waited",
    }

    def __init__(self, unit):
        self.unit = unit
        super().__init__({"data": 8, "strobe": 1, "spoiled": 1, "ready": 1, "watch": 1})

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = self.unit
        strobe = self.strobe
        m.d.comb += [
            unit.data.eq(self.data),
            unit.strobe.eq(strobe),
            unit.spoiled.eq(self.spoiled & ~strobe),
            unit.o.ready.eq(self.ready),
        ]
        dropped, changed, _ = self.unsteady(m, unit.o, "o")
        reads = unit.o.valid & unit.o.ready
        escaped, escape = Signal(), self.data == ESC
        mark = strobe & (self.data == END)
        taken = strobe & ~mark & ~(escape & ~escaped)
        with m.If(strobe):
            m.d.sync += escaped.eq(escape & ~escaped)
        byte = Mux(escaped, Mux(self.data == ESC_END, END, ESC), self.data)
        # Bytes of the frame that comes, and those that were there when it ended.
        coming, ended, something = Signal(6), Signal(6), Signal()
        with m.If(mark):
            m.d.sync += [coming.eq(0), ended.eq(coming), something.eq(0)]
        with m.Elif(taken & (coming != 63)):
            m.d.sync += coming.eq(coming + 1)
        with m.If(unit.spoiled | (strobe & ~mark)):
            m.d.sync += something.eq(1)
        was_mark = Signal()
        m.d.sync += was_mark.eq(mark & (something | escaped))
        verdicts = Cat(unit.good, unit.broken, unit.overrun)
        one = (verdicts == 1) | (verdicts == 2) | (verdicts == 4)
        # Bytes of good frames that were not read; a reset forgets those of others.
        there = Signal(6)
        body = (ended - 2)[:6]
        with m.If(unit.reset):
            m.d.sync += there.eq(body)
        with m.Else():
            m.d.sync += there.eq(there + Mux(unit.good, body, 0) - reads)
        quiet = Signal(2)
        idle = (there != 0) & ~unit.o.valid
        m.d.sync += quiet.eq(Mux(idle & ~unit.good, quiet + (quiet != 3), 0))
        # 0: none, 1: in the frame that comes, 2: in a good one; then `ahead` bytes are in front.
        phase, ahead, value = Signal(2), Signal(6), Signal(8)
        frame_end = Signal()
        m.d.sync += frame_end.eq(mark)
        with m.If((phase == 0) & self.watch & taken & ~frame_end & ~was_mark):
            m.d.sync += [phase.eq(1), ahead.eq(coming), value.eq(byte)]
        with m.Elif((phase == 1) & frame_end):
            m.d.sync += [
                phase.eq(Mux(unit.good & (ahead < body), 2, 0)),
                ahead.eq(ahead + Mux(unit.reset, 0, there - reads)),
            ]
        with m.Elif((phase == 2) & unit.reset):
            m.d.sync += phase.eq(0)
        with m.Elif((phase == 2) & reads):
            m.d.sync += [ahead.eq(ahead - 1), phase.eq(Mux(ahead == 0, 0, 2))]
        arrives = (phase == 2) & reads & (ahead == 0) & ~unit.reset
        broken, waited = Signal(), Signal()
        with m.If(unit.broken):
            m.d.sync += broken.eq(1)
        with m.If(unit.reset & (there != 0)):
            m.d.sync += waited.eq(1)
        m.d.comb += [
            self.bad.eq(
                watched(
                    m,
                    dropped & ~unit.reset & ~_before(m, unit.reset),
                    changed & ~_before(m, unit.reset),
                    unit.o.valid & (there == 0) & ~unit.reset,
                    quiet == 3,
                    there > unit._depth - 1,
                    arrives & (unit.o.payload != value),
                    was_mark ^ one,
                )
            ),
            self.seen.eq(Cat(arrives, broken & reads, unit.overrun, waited & reads)),
        ]
        return m


def _before(m, level):
    was = Signal(name="was_reset")
    m.d.sync += was.eq(level)
    return was


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


class AnswersHarness(_Harness):
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


class LineHarness(_Harness):
    """The transmitter's line, byte by byte."""

    rules: ClassVar[dict[str, str]] = {
        "lost": "a byte waits for longer than one takes",
        "line": "a bit of a byte is wrong",
    }
    covers: ClassVar[dict[str, str]] = {
        "two": "a second byte is sent",
        "zero": "a byte with both levels is sent",
    }

    def __init__(self, unit, divisor):
        self.unit, self._divisor = unit, divisor
        super().__init__({"begin": 1, "payload": 8})

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = self.unit
        self.offers(m, unit.i)
        most = 10 * self._divisor
        clock, bit, word, late = Signal(range(most + 1)), Signal(4), Signal(10), Signal(8)
        takes = unit.i.valid & unit.i.ready
        phase, count = Signal(range(self._divisor)), Signal(2)
        with m.If(takes):
            m.d.sync += [clock.eq(most), bit.eq(0), phase.eq(0)]
            m.d.sync += word.eq(Cat(0, unit.i.payload, 1))
            m.d.sync += count.eq(count + (count != 3))
        with m.Elif(clock != 0):
            m.d.sync += [clock.eq(clock - 1), phase.eq(phase + 1)]
            with m.If(phase == self._divisor - 1):
                m.d.sync += [phase.eq(0), bit.eq(bit + 1)]
        m.d.sync += late.eq(Mux(unit.i.valid & ~takes, late + (late != 255), 0))
        level = Mux(clock != 0, word.bit_select(bit, 1), 1)
        m.d.comb += [
            self.bad.eq(watched(m, late > most, unit.tx != level)),
            self.seen.eq(Cat(takes & (count == 1), takes & (count == 2) & (word[1:9] == 0xA5))),
        ]
        return m


def assert_proved(harness, clocks, seconds=20.0):
    proof = prove(harness, clocks=clocks, seconds=seconds)
    assert proof.passed, proof
    return proof


def test_sender():
    proof = assert_proved(SenderHarness(planted(FrameSender, SENDER)()), 40)
    assert proof.clocks is None, "for ever"


@pytest.mark.slow
def test_line():
    assert_proved(LineHarness(UartTransmitter(4), 4), 130)


def assert_bounded(harness, rule, clocks, least=None, seconds=60.0):
    """For so many clocks after power-up, within which everything is reached that must be."""
    proof = prove(harness, clocks=clocks, seconds=seconds, only=rule)
    assert proof.broken == {} and proof.unreached == (), proof
    assert proof.clocks is not None and proof.clocks > (least or proof.covered), proof


@pytest.mark.slow
@pytest.mark.parametrize("rule", ReceiverHarness.rules)
def test_receiver(rule):
    assert_bounded(ReceiverHarness(planted(FrameReceiver, RECEIVER)(16)), rule, 22)


@pytest.mark.slow
@pytest.mark.parametrize("rule", AnswersHarness.rules)
def test_answers(rule):
    # Numbers of any two requests are too much for more clocks: one answer behind another request.
    assert_bounded(AnswersHarness(), rule, 26, 16 if rule == "order" else None)


def breaks(harness, rule, clocks):
    return rule in prove(harness, clocks=clocks, seconds=20.0, only=rule).broken


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "wrong", "rule"),
    [
        ("done.eq(gives & (marks | escaped | ~special))", "done.eq(gives)", "byte"),
        (
            "m.d.sync += [phase.eq(_OPEN), crc.eq(CRC_START)]",
            "m.d.sync += phase.eq(_OPEN)",
            "checksum",
        ),
        ("Mux(raw == END, ESC_END, ESC_ESC)", "Mux(raw == END, ESC_ESC, ESC_END)", "byte"),
    ],
)
def test_a_sender_with_a_fault(right, wrong, rule):
    assert breaks(SenderHarness(planted(FrameSender, SENDER, (right, wrong))()), rule, 40)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "wrong", "rule"),
    [
        ("fits.eq((following != tail) & ~full)", "fits.eq(~full)", "overflow"),
        (
            "m.d.sync += [before.eq(base), base.eq(end), head.eq(end)]",
            "m.d.sync += [before.eq(base), base.eq(head), head.eq(head)]",
            "surplus",
        ),
        ("tail.eq(before)", "tail.eq(base)", "lost"),
    ],
)
def test_a_receiver_with_a_fault(right, wrong, rule):
    assert breaks(ReceiverHarness(planted(FrameReceiver, RECEIVER, (right, wrong))(16)), rule, 60)


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
