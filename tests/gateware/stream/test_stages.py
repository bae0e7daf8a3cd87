"""Whole networks as chains of stages: equal to the Program, at the declared pace, under stalls."""

import dataclasses

import numpy as np
import pytest

import kanhw
from kanhw.errors import InputError, ToolNotFound
from kanhw.formats import CodeFormat
from kanhw.gateware import generate_verilog
from kanhw.gateware.norm import norm_stage
from kanhw.gateware.norm.norm_stage import NormStage
from kanhw.gateware.top.chain import stages_of
from kanhw.gateware.top.stream_top import StreamTop
from kanhw.gateware.unrolled.pipeline_stage import PipelineStage
from kanhw.program import (
    BasisTableLayer,
    BranchEdgeTableLayer,
    EdgeTableLayer,
    InputEncoder,
    NormLayer,
    ProductLayer,
    Program,
    Requantizer,
)
from kanhw.schedule.code_streams import streams_as_codes
from kanhw.schedule.schedule import Schedule
from kanhw.sim import check_design, find_simulator

CODE = CodeFormat(6, True)


def _ones(n):
    return np.ones((1, n), np.int64)


def _edges(rng, n_in, n_out, source, *targets, stream=0, shift=1):
    tables = rng.integers(-12, 13, (n_out, n_in, source.count))
    requantizers = tuple(
        Requantizer(_ones(n_out), rng.integers(-9, 10, n_out), shift if target else 0, target)
        for target in targets
    )
    return EdgeTableLayer(tables, requantizers, "edges", stream)


def _norm(rng, n, *targets, stream=0, passes=(), fraction=16):
    """One sigma is about a quarter of a target code's range."""
    requantizers = []
    for target in targets:
        shift = fraction + 8 - (target.width - 2) if target else 0
        reach = 1 << (fraction + 6)
        requantizers.append(Requantizer(_ones(n), rng.integers(-reach, reach, n), shift, target))
    gamma = rng.integers(200, 300, n)
    return NormLayer(
        gamma, 30, fraction, CODE.width, tuple(requantizers), stream=stream, passes=passes
    )


def _fast_kan(rng, kind, n=4, hidden=3):
    """Twice: a norm passes its input on; the basis reads the norm, the base branch the input."""
    z, x = CodeFormat(4, True), CODE
    layers = []
    for n_in, n_out, last in ((n, hidden, False), (hidden, 2, True)):
        targets = Requantizer(_multipliers(rng, n_out), rng.integers(-9, 10, n_out), 0)
        if not last:
            targets = dataclasses.replace(targets, shift=2, format=CODE)
        layers.append(_norm(rng, n_in, z, passes=(0,)))
        layers.append(kind(rng, n_in, n_out, z, x, targets))
    return Program(tuple(layers), InputEncoder(CODE, n))


def _multipliers(rng, n_out):
    return rng.integers(1, 4, (2, n_out))


def _basis(rng, n_in, n_out, z, x, requantizer):
    return BasisTableLayer(
        basis=rng.integers(0, 8, (1, z.count, 3)),
        basis_index=np.zeros(n_in, int),
        coefficients=rng.integers(-5, 6, (n_out, n_in, 3)),
        base=rng.integers(-8, 8, (1, x.count, 1)),
        base_index=np.zeros(n_in, int),
        base_weights=rng.integers(-3, 4, (n_out, n_in, 1)),
        requantizers=(requantizer,),
        spline_stream=0,
        base_stream=1,
    )


def _branches(rng, n_in, n_out, z, x, requantizer):
    return BranchEdgeTableLayer(
        rng.integers(-9, 10, (n_out, n_in, z.count)),
        rng.integers(-9, 10, (n_out, n_in, x.count)),
        (requantizer,),
        "branches",
        0,
        1,
    )


def _fast_kan_basis(rng):
    return _fast_kan(rng, _basis)


def _fast_kan_branches(rng):
    return _fast_kan(rng, _branches)


def _kagn(rng):
    """Edge tables, norm, edge tables, norm; the last norm hands out codes."""
    first = CodeFormat(3, False)
    layers = (
        _edges(rng, 3, 4, first, CODE),
        _norm(rng, 4, CodeFormat(4, True)),
        _edges(rng, 4, 3, CodeFormat(4, True), CODE),
        _norm(rng, 3, CodeFormat(5, True)),
    )
    return Program(layers, InputEncoder(first, 3))


def _deep(rng):
    """Raw sums pass a norm; products read what it made; two norms meet; sums are handed out."""
    narrow, first = CodeFormat(2, True), CodeFormat(3, True)
    layers = (
        _edges(rng, 3, 4, first, CODE, narrow),
        _norm(rng, 4, CodeFormat(4, True), CODE, passes=(1,)),
        _norm(rng, 4, CODE, stream=1, passes=(0, 2)),
        BranchEdgeTableLayer(
            rng.integers(-9, 10, (3, 4, 16)),
            rng.integers(-9, 10, (3, 4, 4)),
            (Requantizer(np.ones((2, 3), int), np.zeros(3, int), 1, CodeFormat(4, True)),),
            "branches",
            1,
            2,
        ),
        ProductLayer(
            ((0, 1), (2,), (0, 1, 2)),
            3,
            4,
            -8,
            (Requantizer(np.array([[3, 1, 1]]), np.zeros(3, int), 2, CODE),),
        ),
        _norm(rng, 3, None),
    )
    return Program(layers, InputEncoder(first, 3))


NETWORKS = [_fast_kan_basis, _fast_kan_branches, _kagn, _deep]


def _check(program, rng, stream_run, pack, schedule=None, count=24):
    top = StreamTop(program, schedule or Schedule())
    format = program.input.format
    codes = rng.integers(format.lo, format.hi + 1, (count, program.n_in))
    outputs = program(codes)
    words, expected = pack(codes, format), pack(outputs, program.output_format)
    for chances in ((1.0, 1.0), (0.5, 0.5), (1.0, 0.1)):
        run = stream_run(top, words, len(words), chances=chances)
        assert run.words == expected
        if chances == (1.0, 1.0):
            assert run.taken[0] - run.accepted[0] == top.latency
            steady = np.diff(run.taken[count // 2 :])
            assert set(steady.tolist()) == {top.initiation_interval}
        words, expected = words[:8], expected[:8]
    return outputs


@pytest.mark.some(2)
@pytest.mark.parametrize(
    ("network", "seed"),
    [
        pytest.param(network, seed, marks=[] if seed == k % 2 else [pytest.mark.slow])
        for k, network in enumerate(NETWORKS)
        for seed in range(2)
    ],
)
def test_networks(network, seed, stream_run, pack):
    rng = np.random.default_rng(seed)
    outputs = _check(network(rng), rng, stream_run, pack, Schedule(adder_levels=1 + seed))
    assert len(np.unique(outputs)) > 4


@pytest.mark.some(2)
@pytest.mark.parametrize(("n_out", "sums"), [(1, False), (3, True), (3, False)])
def test_argmax_behind_a_norm(n_out, sums, stream_run, pack):
    rng = np.random.default_rng(n_out)
    first = CodeFormat(3, False)
    layers = (
        _edges(rng, 3, n_out, first, CODE),
        _norm(rng, n_out, None if sums else CodeFormat(5, True)),
    )
    program = Program(layers, InputEncoder(first, 3), argmax=True)
    outputs = _check(program, rng, stream_run, pack)
    assert len(np.unique(outputs)) == n_out


def test_a_pure_network_is_one_pipeline(random_program):
    for seed in range(2):
        program = random_program(np.random.default_rng(seed), argmax=seed % 2 == 0)
        (stage,) = stages_of(program, Schedule())
        assert isinstance(stage, PipelineStage)
        bare = generate_verilog(program, Schedule(handshake=False))
        stream = generate_verilog(program, Schedule())
        assert (bare.latency_cycles, bare.initiation_interval) == (stage.latency, 1)
        assert (stream.latency_cycles, stream.initiation_interval) == (stage.latency, 1)


def test_chains_are_as_short_as_they_can_be():
    rng = np.random.default_rng(0)
    kinds = [[type(s) for s in stages_of(n(rng), Schedule())] for n in NETWORKS]
    assert kinds == [
        [NormStage, PipelineStage, NormStage, PipelineStage],
        [NormStage, PipelineStage, NormStage, PipelineStage],
        [PipelineStage, NormStage, PipelineStage, NormStage],
        [PipelineStage, NormStage, NormStage, PipelineStage, NormStage],
    ]


def test_only_what_computes_with_codes_asks_for_them():
    layers = _deep(np.random.default_rng(0)).layers
    as_codes = [streams_as_codes(layers, k) for k in range(len(layers))]
    # The narrow stream passes two norms as raw sums, to the tables that take them.
    assert as_codes[0] == (True, False)
    assert as_codes[1] == (False, True, False)
    assert as_codes[3] == (True,)
    assert as_codes[5] == (True,)


def test_without_handshake():
    program = _kagn(np.random.default_rng(0))
    message = r"\ALayer 'norm': a layer_norm does not take a vector at every clock, so the design "
    with pytest.raises(InputError, match=message + "needs a handshake"):
        generate_verilog(program, Schedule(handshake=False))


def test_planted_fault_in_the_element_order_is_seen(monkeypatch, stream_run, pack):
    rng = np.random.default_rng(0)
    program = _kagn(rng)
    element = NormStage._element
    monkeypatch.setattr(
        norm_stage.NormStage, "_element", lambda self, h, s, index: element(self, h, s, index ^ 1)
    )
    with pytest.raises(AssertionError):
        _check(program, rng, stream_run, pack)


@pytest.mark.wide
def test_generated_design_under_cocotb(tmp_path):
    """The Verilog itself, with its latency, its pace, stalls, and a reset in mid-stream."""
    try:
        find_simulator()
    except ToolNotFound as error:
        pytest.skip(str(error))
    rng, first = np.random.default_rng(4), CodeFormat(4, True)
    last = Requantizer(_multipliers(rng, 2), rng.integers(-9, 10, 2), 2, first)
    layers = (
        _edges(rng, 2, 4, first, CODE),
        _norm(rng, 4, first, passes=(0,)),
        _branches(rng, 4, 2, first, CODE, last),
    )
    program = Program(layers, InputEncoder(first, 2))
    design = kanhw.generate(program, tmp_path / "design")
    codes = rng.integers(first.lo, first.hi + 1, (60, program.n_in))
    assert len(np.unique(program(codes))) > 8
    report = check_design(design.path, codes, reset_midstream=True)
    assert report.passed, report.problems
    assert report.latency_cycles == design.latency_cycles
    assert report.cycles_per_inference == design.initiation_interval > 1
