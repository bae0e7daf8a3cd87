"""The stream rules, proved for every component with streams, for all inputs, stalls and resets.

To have a component proved, add a small network that makes it (its codes have 1 bit: the rules are
about control) to ``NETWORKS`` in formal_networks.py, or the component itself to ``PARTS`` in
formal_parts.py.
"""

from typing import ClassVar

import pytest
from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out

from kanhw.sim.proofs.formal import COVERS, RULES, StreamHarness
from kanhw.sim.proofs.stream_proofs import prove


@pytest.mark.some(1)
def test_stages_keep_the_rules(network_stages, part_of, assert_proved):
    for stage in network_stages:
        part = part_of(stage)
        assert_proved(part.harness(), clocks=part.clocks)


# AxiClocks makes the clock domain, which the harness around it uses too.
@pytest.mark.some(2)
@pytest.mark.filterwarnings("ignore:Domain .sync. is used in")
def test_parts_keep_the_rules(proved_part, assert_proved):
    assert_proved(proved_part.harness(), clocks=proved_part.clocks)


def test_whole_designs_keep_the_rules(whole_design, assert_proved):
    assert_proved(whole_design.harness(), clocks=whole_design.clocks)


# A proof in which patience ends in time finds what never comes, whatever keeps it from coming.
@pytest.mark.slow
def test_outputs_of_stages_that_never_come_are_found(network_stages, part_of, breaks):
    for stage in network_stages:
        part = part_of(stage)
        assert breaks(part.stuck().harness(), "lost", clocks=part.clocks), type(stage).__name__


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Domain .sync. is used in")
def test_outputs_of_parts_that_never_come_are_found(proved_part, breaks):
    assert breaks(proved_part.stuck().harness(), "lost", clocks=proved_part.clocks)


@pytest.mark.slow
def test_outputs_of_whole_designs_that_never_come_are_found(whole_design, breaks):
    assert breaks(whole_design.stuck().harness(), "lost", clocks=whole_design.clocks)


class Faulty(Component):
    """A register between streams that breaks one rule."""

    i: In(stream.Signature(2))
    o: Out(stream.Signature(2))

    def __init__(self, fault):
        super().__init__()
        self._fault = fault

    def elaborate(self, platform):
        m = Module()
        full, word, waited = Signal(), Signal(2), Signal()
        fault = self._fault
        stuck = full & (word == 3) if fault == "lost" else 0
        hidden = waited & (word == 3) if fault == "dropped_valid" else 0
        m.d.comb += [
            self.o.valid.eq(full & ~hidden & ~stuck),
            self.o.payload.eq(word ^ (waited if fault == "changed_payload" else 0)),
            self.i.ready.eq(~full | (self.o.ready & self.o.valid)),
        ]
        if fault == "never":
            m.d.comb += self.i.ready.eq(0)
        m.d.sync += waited.eq(self.o.valid & ~self.o.ready)
        with m.If(self.i.ready):
            m.d.sync += [full.eq(self.i.valid), word.eq(self.i.payload)]
        if fault == "surplus":
            twice = Signal(reset_less=True)
            with m.If(self.o.valid & self.o.ready & (word == 3)):
                m.d.sync += [twice.eq(~twice), full.eq(self.i.valid | ~twice)]
        if fault == "reset":
            stale = Signal(reset_less=True)
            m.d.sync += stale.eq(full & ~self.o.ready)
            with m.If(stale):
                m.d.comb += self.o.valid.eq(1)
        if fault == "overflow":
            m.d.comb += self.i.ready.eq(1)
        return m


def _harness(unit):
    return StreamHarness(unit, beats_in=1, beats_out=1, patience=6, capacity=1)


@pytest.mark.some(3)
@pytest.mark.parametrize(
    ("fault", "rules"),
    [
        (None, set()),
        ("dropped_valid", {"dropped_valid"}),
        ("changed_payload", {"changed_payload"}),
        ("surplus", {"surplus"}),
        ("lost", {"lost"}),
        ("overflow", {"overflow", "changed_payload", "lost", "dropped_valid"}),
        ("reset", {"surplus"}),
    ],
)
def test_faults_are_found(fault, rules):
    proof = prove(_harness(Faulty(fault)), clocks=20)
    assert set(proof.broken) <= rules <= set(RULES)
    assert proof.passed == (fault is None) == (not proof.broken) == (proof.clocks is None)


def test_a_bound_shorter_than_patience_is_told():
    proof = prove(_harness(Faulty("lost")), clocks=6, only="lost")
    assert not proof.broken and not proof.passed
    assert "patience" in proof.unreached


def test_an_empty_proof_is_told():
    proof = prove(_harness(Faulty("never")), clocks=20)
    assert not proof.passed and not proof.broken
    assert set(proof.unreached) == set(COVERS) - {"pressure"}


class Counter(Component):
    """Counts from 0 to 4 where it may, with one rule of what it never is."""

    rules: ClassVar[dict[str, str]] = {"count": "it is what it must not be"}
    covers: ClassVar[dict[str, str]] = {"four": "it comes to 4"}
    may: In(1)
    bad: Out(1)
    seen: Out(1)

    def __init__(self, wrong):
        super().__init__()
        self._wrong = wrong

    def elaborate(self, platform):
        m = Module()
        count = Signal(3)
        with m.If(self.may):
            m.d.sync += count.eq(Mux(count == 4, 0, count + 1))
        m.d.comb += [self.bad.eq(self._wrong(count)), self.seen.eq(count == 4)]
        return m


@pytest.mark.parametrize(
    ("wrong", "clocks", "broken"),
    [
        (lambda count: count > 4, None, {}),
        # From 5, which is never reached, one step leads to 6: so the step says nothing.
        (lambda count: count == 6, 20, {}),
        (lambda count: count == 3, 3, {"count": 3}),
        (lambda count: count == 0, 0, {"count": 0}),
    ],
)
def test_a_step_proves_only_rules_that_follow_from_themselves(wrong, clocks, broken):
    proof = prove(Counter(wrong), clocks=20, inductive=True)
    assert (proof.clocks, proof.broken, proof.unreached) == (clocks, broken, ())
