"""The receiver of frames: no byte of a good frame is lost or comes twice."""

from types import SimpleNamespace
from typing import ClassVar

import pytest
from amaranth.hdl import Cat, Module, Mux, ResetSignal, Signal, Value
from link_proofs import CHECKSUM, LinkHarness, assert_proved, breaks, needs_abc, planted

from kanhw.boards.link.frame_receiver import FrameReceiver
from kanhw.boards.protocol.frames import END, ESC, ESC_END


@pytest.fixture(autouse=True, scope="module")
def _tools():
    needs_abc()


# With the checksum of the proofs; and what is inside can be looked at, with two more ports of the
# memory: a solver does not find by itself how pointers and counts hang together.
RECEIVER = (
    (CHECKSUM.format(byte="byte"), "Cat(crc[8:], byte)"),
    (
        "crc = Signal(CRC_BITS, init=CRC_START)",
        (
            "crc, before = Signal(CRC_BITS, init=CRC_START), Signal(bits)\n"
            "        self.inside = dict(base=base, head=head, tail=tail, before=before,\n"
            "            place=place, full=full, bad=bad, escaped=escaped,\n"
            "            first=memory.read_port(domain='comb'),\n"
            "            watched=memory.read_port(domain='comb'))"
        ),
    ),
    ("accepts, before = Signal(), Signal(bits)", "accepts = Signal()"),
)


class ReceiverHarness(LinkHarness):
    """A byte of any frame is watched, from the line to where it is read."""

    rules: ClassVar[dict[str, str]] = {
        "dropped": "a byte was taken back",
        "changed": "a byte changed while it waited",
        "surplus": "a byte is offered that is of no good frame",
        "lost": "a byte of a good frame is not offered",
        "overflow": "there are more bytes than fit",
        "byte": "the watched byte is another one when it is read",
        "verdict": "a frame is two things at once, or ends without being anything",
        # What holds in every state that can be reached, for the others to follow from.
        "order": "the whole frames, or the one that comes, are not what was counted",
        "known": "whether something came is not what the harness knows of it",
        "next": "the byte that is offered is not the first, or nothing is offered for two clocks",
        "place": "the watched byte is not in the memory at the place where it was counted",
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
        # Elaborated here, so that what is inside is known.
        m.submodules.unit, unit = self.unit.elaborate(platform), self.unit
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
        inside = SimpleNamespace(**unit.inside)
        base, head, tail = inside.base, inside.head, inside.tail
        bits, owed = len(base), there + Mux(unit.good, body, 0)
        written = Signal(bits)
        with m.If(phase == 0):
            m.d.sync += written.eq(head)
        m.d.comb += [inside.watched.addr.eq(written), inside.first.addr.eq(tail)]
        whole = (base - tail)[:bits]
        fits = (coming < unit._depth) & ((head - base)[:bits] == coming)
        accepted = (
            frame_end
            & (ended >= 6)
            & (ended < unit._depth)
            & (inside.before == (base - body)[:bits])
        )
        order = (
            (whole > (head - tail)[:bits])
            | (whole != owed)
            | ~(fits | inside.full)
            | (unit.good & ~accepted)
            | (unit.reset & ~unit.good)
        )
        known = (
            (something != ((inside.place != 0) | inside.bad | inside.escaped))
            | (escaped != inside.escaped)
            | (coming < inside.place)
        )
        offered = (there != 0) & (inside.first.data == unit.o.payload)
        follows = (unit.o.valid & ~offered) | ((quiet != 0) & ~unit.o.valid)
        # Where the watched byte was counted from, and whether it is there.
        start = Mux(phase == 2, tail, Mux(frame_end, inside.before, base))
        counted = (inside.watched.data == value) & ((written - start)[:bits] == ahead)
        last = Mux(phase == 2, owed, Mux(frame_end, ended, coming))
        holds = Mux(phase == 1, Mux(frame_end, unit.good, ~inside.full), (phase == 2) & ~unit.reset)
        after = (phase == 1) & frame_end & (inside.before != (tail + there)[:bits])
        lost_place = holds & (~counted | (ahead >= last) | after)
        broken, waited = Signal(), Signal()
        with m.If(unit.broken):
            m.d.sync += broken.eq(1)
        with m.If(unit.reset & (there != 0)):
            m.d.sync += waited.eq(1)
        m.d.comb += [
            self.bad.eq(
                _outside_reset(
                    dropped & ~unit.reset & ~_before(m, unit.reset),
                    changed & ~_before(m, unit.reset),
                    unit.o.valid & (there == 0) & ~unit.reset,
                    quiet == 3,
                    there > unit._depth - 1,
                    arrives & (unit.o.payload != value),
                    was_mark ^ one,
                    order,
                    known,
                    follows,
                    lost_place,
                )
            ),
            self.seen.eq(Cat(arrives, broken & reads, unit.overrun, waited & reads)),
        ]
        return m


def _outside_reset(*rules):
    """A bit for every rule; from the first clock on, in which all of them hold."""
    return Cat(*(Value.cast(rule) for rule in rules)) & ~ResetSignal().replicate(len(rules))


def _before(m, level):
    was = Signal(name="was_reset")
    m.d.sync += was.eq(level)
    return was


@pytest.mark.some(1)
@pytest.mark.parametrize("depth", [16, 32])
def test_receiver(depth):
    harness = ReceiverHarness(planted(FrameReceiver, *RECEIVER)(depth))
    # Before there is no room left, bytes come for as long as the memory is deep.
    proof = assert_proved(harness, depth + 8, seconds=100.0, inductive=True)
    assert proof.clocks is None


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
    assert breaks(ReceiverHarness(planted(FrameReceiver, *RECEIVER, (right, wrong))(16)), rule, 60)
