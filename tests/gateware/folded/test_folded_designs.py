"""Folded networks equal the Program to the bit, at the pace of the formula, under stalls."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator

import kanhw
from kanhw.design.packing import ints_to_words, pack_codes, payload_ints, unpack_codes
from kanhw.errors import InputError, ToolNotFound
from kanhw.formats import CodeFormat
from kanhw.gateware import generate_verilog
from kanhw.gateware.folded import folded_stage
from kanhw.gateware.folded.code_buffer import CodeBuffer
from kanhw.gateware.folded.folded_stage import FoldedStage
from kanhw.gateware.folded.output_serializer import OutputSerializer
from kanhw.gateware.norm.norm_stage import NormStage
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.stream.serial_argmax import SerialArgmax
from kanhw.gateware.stream.width_converter import CollectStage, SplitStage
from kanhw.gateware.top.chain import stages_of
from kanhw.gateware.top.generator import ports_of
from kanhw.gateware.top.stream_top import StreamTop
from kanhw.gateware.unrolled.pipeline_stage import PipelineStage
from kanhw.program import (
    BasisTableLayer,
    BranchEdgeTableLayer,
    CodebookLayer,
    EdgeTableLayer,
    InputEncoder,
    NormLayer,
    ProductLayer,
    Program,
    Requantizer,
)
from kanhw.schedule.schedule import Schedule
from kanhw.sim import check_design, find_simulator
from kanhw.tools.simulators import find_verilator

CODE = CodeFormat(4, True)
SPARSE = np.array([[[4, 0, 0, 0], [3, 2, 0, 0], [0, 5, 1, 0], [0, 1, 6, 0]] * 4])
SPARSE[:, 8:] = np.roll(SPARSE[:, 8:], 1, axis=2)


def _folded(inputs, outputs, **fields):
    return Schedule(kind="folded", parallel_inputs=inputs, parallel_outputs=outputs, **fields)


def _requantizer(rng, branches, n_out, *, last=False, reach=200):
    factors = rng.integers(1, 900, (branches, n_out))
    bias = rng.integers(-900, 900, n_out)
    if last:
        return Requantizer(factors, bias)
    shift = max(int(900 * reach * branches // 16).bit_length() - 1, 1)
    return Requantizer(factors, bias, shift, CODE)


def _splines(rng, n_in, n_out, *, last, basis=SPARSE, name="splines", base=True, streams=(0, 0)):
    kinds, _, functions = basis.shape
    requantizer = _requantizer(rng, 2, n_out, last=last, reach=30 * n_in)
    return BasisTableLayer(
        basis=basis,
        basis_index=rng.integers(0, kinds, n_in),
        coefficients=rng.integers(-8, 8, (n_out, n_in, functions)),
        base=rng.integers(-8, 8, (2, CODE.count, 1)),
        base_index=rng.integers(0, 2, n_in),
        base_weights=rng.integers(-8, 8, (n_out, n_in, 1)) * base,
        requantizers=(requantizer,),
        name=name,
        spline_stream=streams[0],
        base_stream=streams[1],
    )


def _edges(rng, n_in, n_out, *, last, name="edges", targets=1):
    tables = rng.integers(-40, 40, (n_out, n_in, CODE.count))
    tables[:, 0] = 7  # an input that adds a constant
    requantizers = tuple(
        _requantizer(rng, 1, n_out, last=last, reach=40 * n_in) for _ in range(targets)
    )
    return EdgeTableLayer(tables, requantizers, name)


def _branches(rng, n_in, n_out, *, last, name="branches"):
    tables = [rng.integers(-40, 40, (n_out, n_in, CODE.count)) for _ in range(2)]
    requantizer = _requantizer(rng, 2, n_out, last=last, reach=40 * n_in)
    return BranchEdgeTableLayer(*tables, (requantizer,), name, 0, 1)


def _codebook(rng, n_in, n_out, *, last, name="codebook"):
    return CodebookLayer(
        shapes=rng.integers(-8, 8, (3, CODE.count)),
        index=rng.integers(0, 3, (n_out, n_in)),
        gains=rng.integers(-4, 5, (n_out, n_in)),
        base=rng.integers(-8, 8, (1, CODE.count, 1)),
        base_index=np.zeros(n_in, int),
        base_weights=rng.integers(-4, 5, (n_out, n_in, 1)),
        requantizers=(_requantizer(rng, 2, n_out, last=last, reach=30 * n_in),),
        biases=rng.integers(-3, 4, (n_out, n_in)),
        offsets=rng.integers(6, 8, (2, CODE.count)),
        offsets_index=rng.integers(0, 2, n_in),
        name=name,
    )


def _network(rng, sizes, kinds, *, argmax=False):
    layers = [
        kind(rng, n_in, n_out, last=k == len(kinds) - 1)
        for k, (kind, n_in, n_out) in enumerate(zip(kinds, sizes, sizes[1:], strict=False))
    ]
    return Program(tuple(layers), InputEncoder(CODE, sizes[0]), argmax=argmax)


def _check(program, schedule, stream_run, *, count=8):
    """Compare with the Program, without pauses and with; check the formula of the timing."""
    top = StreamTop(program, schedule)
    inputs, outputs = ports_of(top, program)
    rng = np.random.default_rng(1)
    codes = rng.integers(CODE.lo, CODE.hi + 1, (count, program.n_in))
    words, expected = payload_ints(pack_codes(codes, inputs)), program(codes)

    def results(run):
        return unpack_codes(ints_to_words(run.words, outputs), outputs)

    run = stream_run(top, words, count * outputs.beats)
    np.testing.assert_array_equal(results(run), expected)
    ends = run.taken[outputs.beats - 1 :: outputs.beats]
    assert ends[0] - run.accepted[inputs.beats - 1] == top.latency
    assert set(np.diff(ends[count // 2 :]).tolist()) == {top.initiation_interval}
    for chances in ((0.3, 1), (0.8, 0.3)):
        run = stream_run(top, words[: 3 * inputs.beats], 3 * outputs.beats, chances=chances)
        np.testing.assert_array_equal(results(run), expected[:3])
    return top, expected


def _ports(program, schedule):
    return ports_of(StreamTop(program, schedule), program)


# Layers of every kind, by themselves.

KINDS = [_splines, _edges, _codebook]
FOLDS = [(1, 1), (2, 3), (3, 2), (2, 8), (8, 2), (8, 8)]


@pytest.mark.some(3)
@pytest.mark.parametrize(
    ("kind", "parallel"),
    [
        pytest.param(kind, fold, marks=[] if (k + n) % 2 == 0 else [pytest.mark.slow])
        for n, fold in enumerate(FOLDS)
        for k, kind in enumerate(KINDS)
    ],
)
def test_one_layer(kind, parallel, stream_run):
    program = _network(np.random.default_rng(0), (5, 4), [kind])
    schedule = _folded(*parallel, adder_levels=parallel[0] % 3)
    top, outputs = _check(program, schedule, stream_run)
    assert len(np.unique(outputs)) > 8
    # Handing on the sums, a lane a clock, is never what takes longest.
    clocks = -(-5 // parallel[0]) * -(-4 // parallel[1])
    assert top.initiation_interval == clocks


def _dense(rng, n_in, n_out, **fields):
    return _splines(rng, n_in, n_out, basis=rng.integers(-8, 8, (2, 16, 3)), **fields)


def _only_spline(rng, n_in, n_out, **fields):
    return _splines(rng, n_in, n_out, base=False, **fields)


def _nothing(rng, n_in, n_out, **fields):
    layer = _splines(rng, n_in, n_out, base=False, **fields)
    return replace(layer, coefficients=layer.coefficients * 0)


def _one_scale(rng, n_in, n_out, **fields):
    layer = _splines(rng, n_in, n_out, **fields)
    (one,) = layer.requantizers
    return replace(layer, requantizers=(replace(one, multipliers=one.multipliers[[0, 0]]),))


def test_branches_of_one_scale_share_accumulators(stream_run):
    program = _network(np.random.default_rng(0), (5, 3, 4), [_one_scale, _splines])
    _check(program, _folded(2, 2), stream_run)
    first, second = (s for s in stages_of(program, _folded(2, 2)) if isinstance(s, FoldedStage))
    reach = [[r != Range(0, 0) for r in stage.accumulators] for stage in (first, second)]
    assert reach == [[True, False], [True, True]]


@pytest.mark.some(2)
@pytest.mark.parametrize("kind", [_dense, _only_spline, _nothing])
def test_special_layers(kind, stream_run):
    program = _network(np.random.default_rng(0), (5, 3, 4), [kind, _edges])
    _check(program, _folded(2, 2), stream_run)


# Networks.


@pytest.mark.some(2)
@pytest.mark.parametrize(
    ("parallel", "argmax"),
    [((1, 1), True), ((2, 3), True), ((3, 4), False), ((16, 16), True)],
)
def test_three_layers(parallel, argmax, stream_run):
    program = _network(
        np.random.default_rng(2), (5, 6, 3, 4), [_splines, _edges, _codebook], argmax=argmax
    )
    top, outputs = _check(program, _folded(*parallel), stream_run)
    assert len(np.unique(outputs)) > (2 if argmax else 8)
    steps = [
        -(-layer.n_in // parallel[0]) * -(-layer.n_out // parallel[1]) for layer in program.layers
    ]
    folds = [stage.fold for stage in top.stages if isinstance(stage, FoldedStage)]
    assert [fold.steps for fold in folds] == steps
    # Regrouping is slower only where layers take a clock or two.
    assert top.initiation_interval == max(steps) or parallel == (16, 16)
    one_by_one = argmax and folds[-1].lanes == 1
    assert one_by_one == (SerialArgmax in [type(stage) for stage in top.stages])


def test_layers_of_their_own_pace(stream_run):
    program = _network(np.random.default_rng(3), (6, 8, 3), [_splines, _edges])
    schedule = _folded({"splines": 3, "edges": 4}, {"splines": 8})
    top, _ = _check(program, schedule, stream_run)
    assert [stage.fold.steps for stage in top.stages if isinstance(stage, FoldedStage)] == [2, 6]
    # Eight outputs in two clocks take four lanes.
    assert [stage.fold.lanes for stage in top.stages if isinstance(stage, FoldedStage)] == [4, 1]


@pytest.mark.wide
def test_many_outputs_in_little_time(stream_run):
    """Six outputs every clock for a layer that takes two inputs: they are collected and split."""
    program = _network(np.random.default_rng(3), (4, 12, 3), [_splines, _edges])
    schedule = _folded({"splines": 4, "edges": 2}, {"splines": 6, "edges": 3})
    top, _ = _check(program, schedule, stream_run)
    assert top.stages[0].fold.lanes == 6
    assert [type(stage) for stage in top.stages] == [
        FoldedStage, CollectStage, SplitStage, FoldedStage,
    ]  # fmt: skip
    assert top.initiation_interval == 6


@pytest.mark.some(2)
@pytest.mark.parametrize("seed", range(4))
def test_random_networks(seed, random_program, stream_run):
    rng = np.random.default_rng(seed)
    program = random_program(rng, argmax=seed % 3 == 0)
    parallel = rng.integers(1, 5, 2).tolist()
    top = StreamTop(program, _folded(*parallel))
    inputs, outputs = _ports(program, _folded(*parallel))
    format = program.input.format
    codes = rng.integers(format.lo, format.hi + 1, (8, program.n_in))
    words = payload_ints(pack_codes(codes, inputs))
    run = stream_run(top, words, 8 * outputs.beats, chances=(0.9, 0.8))
    found = unpack_codes(ints_to_words(run.words, outputs), outputs)
    np.testing.assert_array_equal(found, program(codes))


# Beside other stages.


def _norm(rng, n, *, passes=()):
    requantizer = Requantizer(np.ones((1, n), int), rng.integers(-5000, 5000, n), 22, CODE)
    return NormLayer(rng.integers(200, 300, n), 30, 16, 4, (requantizer,), passes=passes)


def _kinds(program, schedule):
    return [type(stage) for stage in stages_of(program, schedule)]


def test_between_norms(stream_run):
    """The base branch reads what went past the norm."""
    rng = np.random.default_rng(5)
    layers = (
        _norm(rng, 5, passes=(0,)),
        _branches(rng, 5, 6, last=False),
        _norm(rng, 6, passes=(0,)),
        _splines(rng, 6, 3, last=True, streams=(0, 1)),
    )
    program = Program(layers, InputEncoder(CODE, 5))
    _check(program, _folded(2, 2), stream_run)
    assert _kinds(program, _folded(2, 2)) == [
        NormStage, SplitStage, FoldedStage, CollectStage, NormStage, SplitStage, FoldedStage,
    ]  # fmt: skip


def test_around_a_product(stream_run):
    rng = np.random.default_rng(6)
    one = Requantizer(np.ones((1, 3), int), np.array([0, 1, 2]), 2, CODE)
    product = ProductLayer(((0, 1), (2,), (3, 4)), 5, CODE.width, CODE.lo, (one,))
    layers = (_edges(rng, 3, 5, last=False), product, _splines(rng, 3, 2, last=True))
    program = Program(layers, InputEncoder(CODE, 3))
    _check(program, _folded(2, 2), stream_run)
    assert _kinds(program, _folded(2, 2)) == [
        FoldedStage, CollectStage, PipelineStage, SplitStage, FoldedStage,
    ]  # fmt: skip


# What must be refused or noticed.


def test_unknown_layer_names():
    program = _network(np.random.default_rng(0), (3, 2), [_edges])
    message = r"\AThe schedule names layer 'layer7', but the layers that can be folded are 'edges'"
    with pytest.raises(InputError, match=message):
        generate_verilog(program, _folded({"layer7": 2}, 1))


@pytest.mark.parametrize(
    ("component", "attribute", "change"),
    [
        (CodeBuffer, "latency", 1),
        (OutputSerializer, "latency", -1),
        (folded_stage.FoldedStage, "initiation_interval", 1),
    ],
)
def test_wrong_timing_is_seen(component, attribute, change, monkeypatch, stream_run):
    program = _network(np.random.default_rng(0), (3, 2), [_edges])
    right = getattr(component, attribute).fget
    monkeypatch.setattr(component, attribute, property(lambda self: right(self) + change))
    with pytest.raises(AssertionError):
        _check(program, _folded(2, 1), stream_run)


@pytest.mark.some(2)
@pytest.mark.parametrize("reset_at", [7, 16, 29])
def test_reset_forgets_what_was_under_way(reset_at):
    program = _network(np.random.default_rng(2), (5, 4, 3), [_splines, _edges])
    schedule = _folded(2, 2)
    top = StreamTop(program, schedule)
    inputs, outputs = _ports(program, schedule)
    codes = np.random.default_rng(3).integers(CODE.lo, CODE.hi + 1, (4, 5))
    words = payload_ints(pack_codes(codes, inputs))
    m = Module()
    m.domains.sync = domain = ClockDomain()
    m.submodules.top = top
    seen: list[int] = []

    async def bench(ctx):
        for reset, ready, clocks in ((0, 0, reset_at), (1, 0, 1), (0, 1, 120)):
            ctx.set(domain.rst, reset)
            ctx.set(top.o.ready, ready)
            pending = list(words)
            for _ in range(clocks):
                ctx.set(top.i.valid, bool(pending) and not reset)
                ctx.set(top.i.payload, pending[0] if pending else 0)
                if ctx.get(top.o.valid) and ready:
                    seen.append(ctx.get(top.o.payload))
                if pending and ctx.get(top.i.ready):
                    del pending[0]
                await ctx.tick()

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    found = unpack_codes(ints_to_words(seen, outputs), outputs)
    np.testing.assert_array_equal(found, program(codes))


# The Verilog itself.


@pytest.fixture(scope="module")
def design(tmp_path_factory):
    rng, code = np.random.default_rng(8), CodeFormat(8, True)
    last = _codebook(rng, 6, 3, last=False)
    (join,) = last.requantizers
    # Beats of 8 bits at both ends, as others have that run under cocotb: one testbench is compiled.
    last = replace(last, requantizers=(replace(join, shift=join.shift - 4, format=code),))
    program = Program((_splines(rng, 5, 6, last=False), last), InputEncoder(CODE, 5))
    folder = tmp_path_factory.mktemp("folded") / "design"
    return kanhw.generate(program, folder, schedule=_folded(2, {"splines": 4, "codebook": 2}))


def test_manifest(design):
    again = kanhw.design.design.load_design(design.path)
    assert again == design
    assert (design.input.count, design.input.beats, design.input.total) == (2, 3, 5)
    assert (design.output.count, design.output.beats, design.output.total) == (1, 3, 3)
    assert again.schedule.parallel("codebook") == (2, 2)
    assert design.initiation_interval == 6


@pytest.mark.wide
@pytest.mark.parametrize("engine", ["cocotb", pytest.param("fast", marks=pytest.mark.slow)])
def test_engines(design, engine):
    try:
        find_simulator() if engine == "cocotb" else find_verilator()
    except ToolNotFound as error:
        pytest.skip(str(error))
    codes = np.random.default_rng(4).integers(CODE.lo, CODE.hi + 1, (60, 5))
    report = check_design(design.path, codes, engine=engine, reset_midstream=engine == "cocotb")
    assert report.passed, report.problems
    if engine == "cocotb":
        assert report.latency_cycles == design.latency_cycles
        assert report.cycles_per_inference == design.initiation_interval
