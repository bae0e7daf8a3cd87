"""The sender of frames, for all bodies and stalls."""

from typing import ClassVar

import pytest
from amaranth.hdl import Cat, Module, Mux, Signal
from link_proofs import CHECKSUM, LinkHarness, assert_proved, breaks, needs_abc, planted

from kanhw.boards.link.frame_sender import FrameSender
from kanhw.boards.protocol.crc import CRC_START
from kanhw.boards.protocol.frames import END, ESC, ESC_END, ESC_ESC
from kanhw.sim.proofs.formal import watched


@pytest.fixture(autouse=True, scope="module")
def _tools():
    needs_abc()


SENDER = (CHECKSUM.format(byte="raw"), "Cat(crc[8:], raw ^ crc[:8])")


class SenderHarness(LinkHarness):
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


@pytest.mark.wide
def test_sender():
    proof = assert_proved(SenderHarness(planted(FrameSender, SENDER)()), 40)
    assert proof.clocks is None, "for ever"


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
