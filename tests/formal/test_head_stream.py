"""Heads that are written while vectors go through stages: nobody reads what is written."""

import pytest
from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib.wiring import Component, In, Out

from kanhw.gateware.heads.head_stream import HeadStream
from kanhw.gateware.heads.resident_stage import ResidentStage
from kanhw.sim.proofs.formal import free_members, watched

STREAM_RULES = {
    "written in use": "a word is written in the bank of a vector under way",
    "lost": "the bank of a vector that entered is not offered",
    "given": "a write is accepted while the spare bank is not free",
}
STREAM_COVERS = {
    "write": "a word is written while a vector is under way",
    "old": "a vector that entered before a commit leaves after it",
    "new": "a word is written after a commit of vectors that all left",
}


class StreamHeadsHarness(Component):
    """HeadStream, all in one: whatever is written and committed, nobody reads what is written.

    Vectors take their banks from the first queue in order, and leave later. One is watched, any,
    from when its bank is offered to the first stage until it leaves.
    """

    rules = STREAM_RULES
    covers = STREAM_COVERS
    FREE = ("head", "write.valid", "write.payload", "commit.valid", "commit.payload")

    def __init__(self, unit):
        self.unit = unit
        super().__init__(
            {
                **free_members(unit, self.FREE),
                **{name: In(1) for name in ("enters", "goes", "leaves", "watch")},
                "bad": Out(len(self.rules)),
                "seen": Out(len(self.covers)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = self.unit
        # Vectors whose banks are in the queue, and those behind it.
        waiting, behind = Signal(range(4)), Signal(range(4))
        m.d.comb += [
            unit.head.eq(self.free0),
            unit.write.valid.eq(self.free1),
            unit.write.payload.as_value().eq(self.free2),
            unit.commit.valid.eq(self.free3),
            unit.commit.payload.eq(self.free4),
            unit.enters.eq(self.enters & unit.ready),
            unit.bank0.ready.eq(self.goes & (behind != 3)),
        ]
        goes = unit.bank0.valid & unit.bank0.ready
        m.d.comb += unit.leaves.eq(self.leaves & (behind != 0))
        m.d.sync += [
            waiting.eq(waiting + unit.enters - goes),
            behind.eq(behind + goes - unit.leaves),
        ]
        # Since the queue's first word may be taken at once, a vector is watched from there.
        watching, ahead, bank = Signal(), Signal(range(4)), Signal.like(unit.w_bank)
        with m.If(watching & unit.leaves):
            m.d.sync += [ahead.eq(ahead - 1), watching.eq(ahead != 0)]
        with m.Elif(~watching & goes & self.watch):
            m.d.sync += [
                watching.eq(1),
                ahead.eq(behind - unit.leaves),
                bank.eq(unit.bank0.payload),
            ]
        writes = Cat(
            getattr(unit, name) for name in unit.signature.members if name.startswith("w_enable")
        ).any()
        offered = unit.bank0.valid & (unit.bank0.payload == unit.w_bank)
        late, accepted = Signal(2), unit.write.valid & unit.write.ready
        m.d.sync += late.eq(Mux((waiting != 0) & ~unit.bank0.valid, late + (late != 3), 0))
        m.d.comb += self.bad.eq(
            watched(
                m,
                writes & (offered | (watching & (bank == unit.w_bank))),
                late == 3,
                accepted & unit.busy,
            )
        )
        commits, once, all_left = unit.commit.valid & unit.commit.ready, Signal(), Signal()
        with m.If(commits & (behind != 0)):
            m.d.sync += once.eq(1)
        with m.If(once & ~unit.busy):
            m.d.sync += all_left.eq(1)
        m.d.comb += self.seen.eq(
            Cat(writes & watching, once & unit.busy & unit.leaves, all_left & writes)
        )
        return m


@pytest.mark.slow
def test_banks_and_loader_together(head_stream, assert_proved):
    assert_proved(StreamHeadsHarness(head_stream(HeadStream)))


# Handed on only when its step moves, a bank would be offered and withdrawn.
WITHDRAWN = ("self.passed.valid.eq(ends", "self.passed.valid.eq(moves & ends")


def test_a_bank_that_is_offered_stays(resident_banks, breaks):
    assert not breaks(resident_banks(ResidentStage), "dropped_valid", clocks=24)


@pytest.mark.slow
def test_a_bank_that_is_withdrawn_is_found(resident_banks, planted, breaks):
    faulty = resident_banks(planted(ResidentStage, *WITHDRAWN))
    assert breaks(faulty, "dropped_valid", clocks=24)


STREAM_FAULTS = {
    "written in use": ("loader.busy.eq(banks.busy)", "loader.busy.eq(0)"),
    "lost": ("queue.w_en.eq(self.enters)", "queue.w_en.eq(self.enters & ~self.head[0])"),
    "given": ("loader.busy.eq(banks.busy)", "loader.busy.eq(0)"),
}


@pytest.mark.slow
@pytest.mark.parametrize("rule", STREAM_FAULTS)
def test_faults_of_both_together_are_found(rule, planted, breaks, head_stream):
    faulty = planted(HeadStream, *STREAM_FAULTS[rule])
    assert breaks(StreamHeadsHarness(head_stream(faulty)), rule)
