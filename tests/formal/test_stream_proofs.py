"""The stream rules, proved for every component with streams, for all inputs, stalls and resets.

To have a component proved, add a small network that makes it (its codes have 1 bit: the rules are
about control) to ``NETWORKS``, or the component itself to ``PARTS``.
"""

import importlib
import pkgutil
from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out

import kanhw.gateware
from kanhw.errors import ToolNotFound
from kanhw.formats import CodeFormat
from kanhw.gateware.axi_stream_top import AxiStreamTop
from kanhw.gateware.chain import stages_of
from kanhw.gateware.code_buffer import CodeBuffer
from kanhw.gateware.line_buffer import LineBuffer
from kanhw.gateware.stage import Stage
from kanhw.gateware.stream_top import StreamTop, ports_of
from kanhw.gateware.windowed_stage import WindowedStage
from kanhw.program import (
    BasisTableLayer,
    CodebookLayer,
    ConvolutionLayer,
    EdgeTableLayer,
    InputEncoder,
    NormLayer,
    PoolingLayer,
    Program,
    Requantizer,
    join_heads,
)
from kanhw.schedule import Schedule
from kanhw.sim.formal import COVERS, RULES, StreamHarness
from kanhw.sim.stream_proofs import find_abc, prove
from kanhw.windows import Window

CODE = CodeFormat(1, False)


def _requantizer(branches, n_out, format=CODE):
    return Requantizer(np.ones((branches, n_out), int), np.zeros(n_out, int), 0, format)


def _edges(n_in, n_out, format=CODE, name="edges"):
    tables = np.random.default_rng(1).integers(0, 2, (n_out, n_in, 1))
    return EdgeTableLayer(
        np.concatenate([tables, 1 - tables], 2), (_requantizer(1, n_out, format),), name
    )


def _splines(n_in, n_out):
    weights = np.random.default_rng(2).integers(0, 2, (n_out, n_in, 2))
    index, none = np.zeros(n_in, int), np.zeros((n_out, n_in, 1), int)
    basis, base = [[[1, 0], [1, 1]]], [[[0], [1]]]
    return BasisTableLayer(basis, index, weights, base, index, none, (_requantizer(2, n_out),))


def _codebook(n_in, n_out, seed=3):
    rng, zeros = np.random.default_rng(seed), np.zeros(n_in, int)
    index, gains = rng.integers(0, 2, (n_out, n_in)), rng.integers(1, 3, (n_out, n_in))
    none, base = np.zeros((n_out, n_in, 1), int), [[[0], [1]]]
    return CodebookLayer(
        [[0, 1], [1, 0]], index, gains, base, zeros, none, (_requantizer(2, n_out),)
    )


def _network(*layers, argmax=False):
    return Program(layers, InputEncoder(CODE, layers[0].n_in), argmax=argmax)


def _convolution(shape, size, padding=0):
    window = Window(shape, size, padding=(padding, padding))
    return ConvolutionLayer(_edges(window.taps, 2), window)


def _pool(shape, size):
    window = Window(shape, size, size)
    n_out = shape[0] * window.positions
    return PoolingLayer(np.arange(2), "max", window, (_requantizer(1, n_out),))


def _norm(n):
    layer = NormLayer(np.ones(n, int), 1, 2, 1, (_requantizer(1, n),))
    bound = 4 * layer.normalised_bound
    shift = max(int(bound).bit_length() - 1, 1)
    return replace(layer, requantizers=(replace(layer.requantizers[0], shift=shift),))


FOLDED = Schedule(kind="folded")
WIDE = Schedule(kind="folded", parallel_outputs=2)
NETWORKS = {
    "unrolled edge tables": (_network(_edges(2, 2), _edges(2, 2)), Schedule()),
    "folded edge tables": (_network(_edges(2, 2), _edges(2, 2)), FOLDED),
    "two outputs at a time": (_network(_edges(3, 2)), WIDE),
    "folded basis tables": (_network(_splines(2, 2)), FOLDED),
    "folded codebook": (_network(_codebook(2, 2)), FOLDED),
    "split and collected": (_network(_edges(3, 2), _norm(2), _edges(2, 2)), FOLDED),
    "argmax": (_network(_edges(2, 3, None), argmax=True), Schedule()),
    "folded argmax": (_network(_edges(2, 3, None), argmax=True), FOLDED),
    "LayerNorm": (_network(_norm(2)), Schedule()),
    "convolution": (_network(_convolution((1, 3, 3), (2, 2))), Schedule()),
    "padded convolution": (_network(_convolution((1, 2, 2), (3, 3), 1)), Schedule()),
    "folded convolution": (_network(_convolution((1, 2, 3), (2, 2))), FOLDED),
    "pooling": (_network(_pool((1, 4, 4), (2, 2))), Schedule()),
    "folded pooling": (
        _network(_convolution((1, 2, 3), (2, 2)), _pool((2, 1, 2), (1, 2))),
        FOLDED,
    ),
    "global pooling, then edges": (_network(_pool((2, 2, 2), (2, 2)), _edges(2, 2)), Schedule()),
    "convolution, then edges": (
        _network(_convolution((1, 2, 3), (2, 2)), _edges(4, 2)),
        Schedule(),
    ),
}
# Whole, because some of their stages have more than two streams: heads that share a codebook.
DESIGNS = {
    "unrolled edge tables": NETWORKS["unrolled edge tables"],
    "heads": (join_heads([_network(_codebook(2, 2, seed)) for seed in (3, 4)]), FOLDED),
}
# The component, beats of a vector in and out, and how many vectors it may hold.
PARTS = {
    "CodeBuffer": (CodeBuffer(1, 2, 2), 2, 4, 4),
    "LineBuffer": (LineBuffer(Window((1, 2, 3), (2, 2)), 1), 6, 2, 3),
}
# A quick one of each kind; the others take longer than the whole suite may.
SECONDS = 120.0
QUICK = {"unrolled edge tables", "folded edge tables"}


def _names():
    return [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in NETWORKS]


def _harness(unit, inputs, outputs, capacity, clocks):
    return StreamHarness(
        unit, beats_in=inputs, beats_out=outputs, patience=clocks, capacity=capacity
    )


def _stage_harness(stage):
    interval = max(stage.initiation_interval, 1)
    capacity = -(-max(stage.latency, 1) // interval) + 4
    clocks = max(stage.latency, 1) + (capacity + 1) * interval
    return _harness(stage, stage.inputs.beats, stage.outputs.beats, capacity, clocks)


def _assert_proved(proof, what):
    assert proof.passed, f"{what}: {proof}"
    assert proof.clocks is None or proof.clocks >= 20, f"{what}: {proof}"


@pytest.fixture(autouse=True, scope="module")
def _tools():
    try:
        find_abc()
    except ToolNotFound as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", _names())
def test_stages_keep_the_rules(name):
    for stage in stages_of(*NETWORKS[name]):
        # Two vectors and a reset in between must fit.
        clocks = max(60, 4 * (stage.latency + stage.initiation_interval))
        proof = prove(_stage_harness(stage), clocks=clocks, seconds=SECONDS)
        _assert_proved(proof, type(stage).__name__)


@pytest.mark.parametrize("name", PARTS)
def test_parts_keep_the_rules(name):
    unit, inputs, outputs, capacity = PARTS[name]
    _assert_proved(prove(_harness(unit, inputs, outputs, capacity, 24)), name)


@pytest.mark.slow
@pytest.mark.parametrize("name", DESIGNS)
def test_whole_designs_keep_the_rules(name):
    program, schedule = DESIGNS[name]
    top = StreamTop(program, schedule)
    inputs, outputs = ports_of(top, program)
    capacity = -(-top.latency // top.initiation_interval) + 4
    clocks = top.latency + (capacity + 1) * top.initiation_interval
    harness = _harness(top, inputs.beats, outputs.beats, capacity, clocks)
    _assert_proved(prove(harness, clocks=80, seconds=SECONDS), name)


class AxiStreams(Component):
    """The two sides of AXI4-Stream as streams; tlast is a part of the payload."""

    def __init__(self, top):
        self._top = top
        super().__init__(
            {
                "i": In(stream.Signature(len(top.s_axis_tdata) + 1)),
                "o": Out(stream.Signature(len(top.m_axis_tdata) + 1)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.top = top = self._top
        m.d.comb += [
            Cat(top.s_axis_tdata, top.s_axis_tlast).eq(self.i.payload),
            top.s_axis_tvalid.eq(self.i.valid),
            self.i.ready.eq(top.s_axis_tready),
            self.o.payload.eq(Cat(top.m_axis_tdata, top.m_axis_tlast)),
            self.o.valid.eq(top.m_axis_tvalid),
            top.m_axis_tready.eq(self.o.ready),
        ]
        return m


@pytest.mark.slow
def test_axi4_stream_keeps_the_rules():
    top = AxiStreamTop(_network(_edges(2, 2)), FOLDED)
    capacity = -(-top.latency // top.initiation_interval) + 4
    clocks = top.latency + (capacity + 1) * top.initiation_interval
    beats = [port.beats for port in top.ports]
    harness = _harness(AxiStreams(top), *beats, capacity, clocks)
    _assert_proved(prove(harness, clocks=80, seconds=SECONDS), "AXI4-Stream")


def test_every_stage_is_proved():
    """All classes of stages that there are; a new one needs a network that makes it."""
    for module in pkgutil.iter_modules(kanhw.gateware.__path__):
        importlib.import_module(f"kanhw.gateware.{module.name}")
    there, waiting = set(), [Stage]
    while waiting:
        children = waiting.pop().__subclasses__()
        there |= set(children)
        waiting += children
    made = {type(stage) for networks in NETWORKS.values() for stage in stages_of(*networks)}
    missing = {kind.__name__ for kind in there - made - {WindowedStage}}
    assert missing <= NOT_PROVED, f"add a network that makes {sorted(missing - NOT_PROVED)}"


# It has streams of heads besides: proved in a whole design.
NOT_PROVED = {"ResidentStage"}


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
    proof = prove(_harness(Faulty(fault), 1, 1, 1, 6), clocks=20)
    assert set(proof.broken) <= rules <= set(RULES)
    assert proof.passed == (fault is None) == (not proof.broken) == (proof.clocks is None)


def test_an_empty_proof_is_told():
    proof = prove(_harness(Faulty("never"), 1, 1, 1, 6), clocks=20)
    assert not proof.passed and not proof.broken
    assert set(proof.unreached) == set(COVERS) - {"pressure"}
