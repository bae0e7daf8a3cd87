"""The self-test's switches: what is handed on is whole, and nothing of a test reaches the link."""

from typing import ClassVar

import pytest
from amaranth.hdl import Cat, Module, Mux, Signal, Value
from link_proofs import LinkHarness, assert_proved, breaks, needs_abc, planted

from kanhw.boards.link.self_test import SelfTest
from kanhw.sim.proofs.formal import watched


@pytest.fixture(autouse=True, scope="module")
def _tools():
    needs_abc()


class SelfTestHarness(LinkHarness):
    """Between a link that begins a test while nothing is under way, and any network."""

    rules: ClassVar[dict[str, str]] = {
        "dropped": "a beat to the network was taken back",
        "changed": "a beat to the network changed while it waited",
        "mixed": "a beat of a test reaches the link, or one of the link is taken in a test",
        "handed": "outside of a test a beat is another on the other side",
        "fed": "a test feeds more beats than were asked for",
        "counted": "beats are waited for after the last one came",
    }
    covers: ClassVar[dict[str, str]] = {
        "test": "a test that fed two beats ends",
        "handed": "a beat is handed on after a test",
        "stall": "a beat of a test waits and is taken later",
    }

    def __init__(self, unit):
        self.unit = unit
        free = {"begin": 1, "payload": 4, "ready": 1, "gives": 1, "given": 3, "o_ready": 1}
        super().__init__({**free, "start": 1, "shift": 1, "argument": 8})

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = self.unit
        self.offers(m, unit.i)
        # The network, too, keeps what it offers.
        waits, held = Signal(), Signal(3)
        out = unit.network_o
        m.d.comb += [
            unit.network_i.ready.eq(self.ready),
            unit.o.ready.eq(self.o_ready),
            out.valid.eq(waits | self.gives),
            Value.cast(out.payload).eq(Mux(waits, held, self.given)),
        ]
        m.d.sync += waits.eq(out.valid & ~out.ready)
        with m.If(~waits):
            m.d.sync += held.eq(self.given)
        quiet = ~unit.testing & ~unit.i.valid & ~out.valid
        m.d.comb += [
            unit.start.eq(self.start & quiet & ~self.shift),
            unit.shift.eq(self.shift & quiet),
            unit.argument.eq(self.argument),
        ]
        dropped, changed, stalled = self.unsteady(m, unit.network_i, "network_i")
        was_testing = Signal()
        m.d.sync += was_testing.eq(unit.testing)
        # A test that waits for fewer beats than it feeds is the host's mistake: it ends early.
        ended = was_testing & ~unit.testing
        fed, asked = Signal(32), Signal(32)
        takes = unit.network_i.valid & self.ready
        with m.If(unit.start):
            m.d.sync += [fed.eq(0), asked.eq(unit.to_take)]
        with m.Elif(unit.testing & takes & ~fed.all()):
            m.d.sync += fed.eq(fed + 1)
        after = Signal()
        with m.If(ended & (fed >= 2)):
            m.d.sync += after.eq(1)
        handed = takes & ~unit.testing
        m.d.comb += [
            self.bad.eq(
                watched(
                    m,
                    dropped & ~ended,
                    changed & ~ended,
                    unit.testing & (unit.o.valid | unit.i.ready),
                    ~unit.testing
                    & (
                        (unit.i.valid ^ unit.network_i.valid)
                        | (unit.i.ready ^ self.ready)
                        | (out.valid ^ unit.o.valid)
                        | (out.ready ^ self.o_ready)
                        | (unit.i.payload != unit.network_i.payload)
                        | (unit.o.payload != out.payload)
                    ),
                    fed > asked,
                    unit.testing & (unit.to_give == 0),
                )
            ),
            self.seen.eq(Cat(ended & (fed >= 2), handed & after, stalled & takes & unit.testing)),
        ]
        return m


@pytest.mark.slow
def test_self_test():
    assert_proved(SelfTestHarness(SelfTest(4, 3)), 40)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "wrong", "rule"),
    [
        ("self.o.valid.eq(~self.testing & ", "self.o.valid.eq(", "mixed"),
        ("more.eq(self.to_take != 1),", "more.eq(1),", "fed"),
        ("with m.If(self.to_give == 1):", "with m.If(self.to_give == 0):", "counted"),
    ],
)
def test_a_self_test_with_a_fault(right, wrong, rule):
    faulty = planted(SelfTest, (right, wrong))(4, 3)
    assert breaks(SelfTestHarness(faulty), rule, 40)
