"""The AXI4-Lite slave: one answer for every request, and what a write does, for any master."""

import pytest
from amaranth.hdl import Cat, Module, ResetSignal, Signal
from amaranth.lib.wiring import Component, In, Out

from kanhw.gateware.top.axi_lite import REGISTERS, AxiLiteHeads
from kanhw.sim.proofs.formal import watched
from kanhw.sim.proofs.formal_axi_lite import AxiLiteHarness

FREE = ("hit", "busy", "flag")


class Map:
    address_bits = 3


EFFECT_RULES = {
    "refused": "a write or a commit is offered while it cannot be taken",
    "both": "a write and a commit happen at once",
    "unasked": "something happens without an address and a word for it, or a second time",
    "wrong": "what happens is not what was asked for",
    "answer": "something happened and the answer is an error, or the other way round",
}
EFFECT_COVERS = {
    "write": "a write is answered",
    "commit": "a commit is answered",
    "error": "an error is answered",
    "after reset": "a write happens after a reset between an address and its word",
}


class EffectsHarness(Component):
    """What a slave does to heads, beside what it is asked and answers.

    ``write`` and ``commit`` are taken whenever the spare bank is free, as it may rely on.
    """

    rules = EFFECT_RULES
    covers = EFFECT_COVERS

    def __init__(self, kind=AxiLiteHeads):
        self.unit = kind(Map, 3)
        inputs = {name: m for name, m in self.unit.signature.members.items() if m.flow is In}
        super().__init__({**inputs, "bad": Out(len(self.rules)), "seen": Out(len(self.covers))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = self.unit
        for name, member in unit.signature.members.items():
            if member.flow is In:
                m.d.comb += getattr(unit, name).eq(getattr(self, name))
        m.d.comb += [unit.write.ready.eq(~unit.busy), unit.commit.ready.eq(~unit.busy)]
        address, word, strobes = Signal.like(unit.s_axi_awaddr), Signal(32), Signal(4)
        asked = Signal(2)
        # The clock in which the answer to a pair is there for the first time.
        stalled, acted = Signal(), Signal()
        answers = unit.s_axi_bvalid & ~stalled
        writes, commits = unit.write.valid, unit.commit.valid
        m.d.sync += [
            stalled.eq(unit.s_axi_bvalid & ~unit.s_axi_bready),
            acted.eq(writes | commits),
        ]
        # Of the pair whose answer is due.
        nothing = Signal()
        with m.If(answers):
            m.d.sync += asked.eq(0)
        with m.If(unit.s_axi_awvalid & unit.s_axi_awready):
            m.d.sync += [address.eq(unit.s_axi_awaddr), asked[0].eq(1)]
        with m.If(unit.s_axi_wvalid & unit.s_axi_wready):
            m.d.sync += [word.eq(unit.s_axi_wdata), strobes.eq(unit.s_axi_wstrb), asked[1].eq(1)]
        m.d.comb += nothing.eq(strobes == 0)
        in_window = address[-1]
        bytes_ = Cat(strobe.replicate(8) for strobe in strobes)
        place = address[2 : 2 + len(unit.write.payload.address)]
        whole = address[2 + len(place) : -1] == 0
        right_write = in_window & whole & strobes.all() & unit.hit
        right_write &= unit.write.payload.as_value() == Cat(place, word)
        right_commit = ~in_window & (address[2:-1] == REGISTERS["COMMIT"] >> 2) & (strobes != 0)
        right_commit &= (word & bytes_) == unit.commit.payload
        right_commit &= unit.commit.payload < 3
        okay = unit.s_axi_bresp == 0
        m.d.comb += self.bad.eq(
            watched(
                m,
                (writes | commits) & unit.busy,
                writes & commits,
                (writes | commits) & (~asked.all() | (acted & ~answers) | answers),
                (writes & ~right_write) | (commits & ~right_commit),
                Cat(acted & ~answers, answers & ~nothing & (acted != okay)).any(),
            )
        )
        interrupted, kind = Signal(reset_less=True), Signal()
        m.d.sync += kind.eq(writes)
        with m.If(ResetSignal() & (asked == 1)):
            m.d.sync += interrupted.eq(1)
        m.d.comb += self.seen.eq(
            Cat(
                *(answers & acted & kind, answers & acted & ~kind, answers & ~okay),
                writes & interrupted,
            )
        )
        return m


def _answers(kind=AxiLiteHeads):
    return AxiLiteHarness(kind(Map, 3), patience=2, capacity=2, free=FREE)


@pytest.mark.slow
@pytest.mark.parametrize("harness", [_answers, EffectsHarness], ids=["answers", "effects"])
def test_slave(harness, assert_proved):
    assert_proved(harness())


WRITE_END = "has_address & has_word & (~self.s_axi_bvalid | self.s_axi_bready)"
ANSWER_FAULTS = {
    "write dropped": ("with m.If(self.s_axi_bready):", "with m.If(1):"),
    "write changed": (WRITE_END, "has_address & has_word"),
    "write surplus": (WRITE_END, WRITE_END.replace("has_word & ", "")),
    "write lost": (WRITE_END, "has_address & has_word & self.s_axi_bready"),
    "write overflow": ("self.s_axi_awready.eq(~has_address)", "self.s_axi_awready.eq(1)"),
    "write stuck": (
        "self.s_axi_wready.eq(~has_word)",
        "self.s_axi_wready.eq(~has_word & has_address & ~self.s_axi_awvalid)",
    ),
    "read dropped": ("with m.If(self.s_axi_rready):", "with m.If(1):"),
    "read changed": ("self.s_axi_arready.eq(~self.s_axi_rvalid)", "self.s_axi_arready.eq(1)"),
    "read surplus": ("m.If(self.s_axi_arvalid & self.s_axi_arready)", "m.If(self.s_axi_arvalid)"),
    "read lost": ("self.s_axi_rvalid.eq(1),", "self.s_axi_rvalid.eq(~self.s_axi_araddr[2]),"),
    "read overflow": ("self.s_axi_arready.eq(~self.s_axi_rvalid)", "self.s_axi_arready.eq(1)"),
    "read stuck": (
        "self.s_axi_arready.eq(~self.s_axi_rvalid)",
        "self.s_axi_arready.eq(~self.s_axi_rvalid & ~self.s_axi_rready)",
    ),
}
GOOD = "self.hit & inside & ~self.busy & strobes.all()"
EFFECT_FAULTS = {
    "refused": (GOOD, GOOD.replace("& ~self.busy ", "")),
    "both": ("with m.Elif(is_commit):", "with m.If(is_commit | in_window):"),
    "unasked": ("                has_word.eq(0),\n", ""),
    "wrong": ("index.eq(place)", "index.eq(place ^ 1)"),
    "answer": ("Mux(good, _OKAY, _SLVERR)", "Mux(good | self.busy, _OKAY, _SLVERR)"),
}


@pytest.mark.slow
@pytest.mark.parametrize("rule", ANSWER_FAULTS)
def test_faults_of_answers_are_found(rule, planted, breaks):
    faulty = planted(AxiLiteHeads, *ANSWER_FAULTS[rule])
    assert breaks(_answers(faulty), rule)


@pytest.mark.slow
@pytest.mark.parametrize("rule", EFFECT_FAULTS)
def test_faults_of_effects_are_found(rule, planted, breaks):
    assert breaks(EffectsHarness(planted(AxiLiteHeads, *EFFECT_FAULTS[rule])), rule)
