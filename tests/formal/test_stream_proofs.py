"""The stream rules, proved for every component with streams, for all inputs, stalls and resets.

To have a component proved, add a small network that makes it (its codes have 1 bit: the rules are
about control) to ``NETWORKS`` in formal_networks.py, or the component itself to ``PARTS`` in
formal_parts.py.
"""

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out

from kanhw.sim.formal import COVERS, RULES, StreamHarness
from kanhw.sim.stream_proofs import prove


def test_stages_keep_the_rules(network_stages, stage_harness, assert_proved):
    for stage in network_stages:
        # Two vectors and a reset in between must fit.
        clocks = max(60, 4 * (stage.latency + stage.initiation_interval))
        assert_proved(stage_harness(stage), clocks=clocks)


# AxiClocks makes the clock domain, which the harness around it uses too.
@pytest.mark.filterwarnings("ignore:Domain .sync. is used in")
def test_parts_keep_the_rules(proved_part, assert_proved):
    assert_proved(proved_part.harness(), clocks=max(80, 2 * proved_part.clocks))


def test_whole_designs_keep_the_rules(design_harness, assert_proved):
    assert_proved(design_harness, clocks=80)


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


def test_an_empty_proof_is_told():
    proof = prove(_harness(Faulty("never")), clocks=20)
    assert not proof.passed and not proof.broken
    assert set(proof.unreached) == set(COVERS) - {"pressure"}
