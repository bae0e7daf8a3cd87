"""Codes with ranges of their own: hardware of every kind of layer equals the Program."""

from dataclasses import replace

import numpy as np
import pytest

from kanhw.design.packing import ints_to_words, pack_codes, payload_ints, unpack_codes
from kanhw.formats import CodeFormat
from kanhw.gateware.parts.range_clamp import RangeClamp
from kanhw.gateware.stream.input_ranges import InputRanges
from kanhw.gateware.top.generator import ports_of
from kanhw.gateware.top.stream_top import StreamTop
from kanhw.program import (
    BranchEdgeTableLayer,
    CodebookLayer,
    ConvolutionLayer,
    EdgeTableLayer,
    InputEncoder,
    NormLayer,
    ProductLayer,
    Program,
    Requantizer,
    SplineEvaluatorLayer,
    join_heads,
    with_code_ranges,
)
from kanhw.program.functions.interpolation import Interpolation
from kanhw.program.functions.spline_arithmetic import SplineArithmetic
from kanhw.schedule.schedule import Schedule
from kanhw.windows import Window

CODE = CodeFormat(4, True)
WIDE = CodeFormat(8, True)
FABRICS = ["portable", "ultrascale+"]


def _join(rng, branches, n_out, reach, format=CODE):
    factors = rng.integers(1, 90, (branches, n_out))
    bias = rng.integers(-90, 90, n_out)
    if format is None:
        return Requantizer(factors, bias)
    shift = max((90 * reach * branches // format.count).bit_length() - 1, 1)
    return Requantizer(factors, bias, shift, format)


def _edges(rng, n_in, n_out, format=CODE, source=CODE, **fields):
    tables = rng.integers(-40, 40, (n_out, n_in, source.count))
    return EdgeTableLayer(tables, (_join(rng, 1, n_out, 20 * n_in, format),), **fields)


def _branches(rng, n_in, n_out, format=CODE):
    tables = [rng.integers(-40, 40, (n_out, n_in, CODE.count)) for _ in range(2)]
    return BranchEdgeTableLayer(*tables, (_join(rng, 2, n_out, 20 * n_in, format),), "both", 0, 0)


def _codebook(rng, n_in, n_out, format=CODE, shapes=None):
    edges = (n_out, n_in)
    return CodebookLayer(
        shapes=rng.integers(-8, 8, (3, CODE.count)) if shapes is None else shapes,
        index=rng.integers(0, 3, edges),
        gains=rng.integers(-4, 5, edges),
        base=rng.integers(-8, 8, (1, CODE.count, 1)),
        base_index=np.zeros(n_in, np.int64),
        base_weights=rng.integers(-4, 5, (*edges, 1)),
        requantizers=(_join(rng, 2, n_out, 15 * n_in, format),),
        biases=rng.integers(-3, 4, edges),
        offsets=rng.integers(5, 8, (1, CODE.count)),
        offsets_index=np.zeros(n_in, np.int64),
    )


def _evaluator(rng, n_in, n_out, format=WIDE):
    splines = SplineArithmetic(
        width=WIDE.width,
        order=2,
        multipliers=np.full(n_in, 3),
        offsets=np.full(n_in, -70),
        shift=1,
        fraction_bits=5,
        scale=160,
        guard_bits=4,
    )
    curves = Interpolation(
        rng.integers(-40, 40, (1, (WIDE.count >> 4) + 1)), np.zeros(n_in, int), WIDE.width, 4, 2
    )
    return SplineEvaluatorLayer(
        rng.integers(-8, 8, (n_out, n_in, 11)),
        splines,
        curves,
        rng.integers(-8, 8, (n_out, n_in, 1)),
        (_join(rng, 2, n_out, 200 * n_in, format),),
    )


def _pair(kind, code=CODE):
    def make(rng):
        layers = (kind(rng, 3, 4, code), kind(rng, 4, 2, code))
        return Program(layers, InputEncoder(code, 3))

    return make


def _wide_tables(rng):
    layers = (_edges(rng, 3, 4, CODE, WIDE), _edges(rng, 4, 2, None))
    return Program(layers, InputEncoder(WIDE, 3))


def _normed(rng):
    # The norm passes the raw codes on to the second branch behind it.
    join = Requantizer(np.full((1, 4), 3), np.zeros(4, int), 12, CODE)
    norm = NormLayer(rng.integers(20, 60, 4), 5, 9, CODE.width, (join,), passes=(0,))
    behind = replace(_branches(rng, 4, 2), base_stream=1)
    return Program((norm, behind, _edges(rng, 2, 2)), InputEncoder(CODE, 4))


def _norm_inside(rng):
    join = Requantizer(np.full((1, 4), 3), np.zeros(4, int), 12, CODE)
    norm = NormLayer(rng.integers(20, 60, 4), 5, 9, CODE.width, (join,), passes=(0,))
    behind = replace(_branches(rng, 4, 2), base_stream=1)
    return Program((_edges(rng, 2, 4), norm, behind), InputEncoder(CODE, 2))


def _products(rng):
    join = _join(rng, 1, 3, 60)
    products = ProductLayer(((0, 1), (1, 2, 2), (3,)), 4, 4, -8, (join,), (0, 2, 0))
    return Program((products, _edges(rng, 3, 2)), InputEncoder(CODE, 4))


def _products_inside(rng):
    products = ProductLayer(((0, 1), (2,)), 3, 4, -8, (_join(rng, 1, 2, 60),))
    return Program((_edges(rng, 3, 3), products), InputEncoder(CODE, 3))


def _evaluated_windows(rng):
    window = Window((2, 3, 3), (1, 2), (1, 2), (0, 1))
    layer = ConvolutionLayer(_evaluator(rng, window.taps, 2), window)
    return Program((layer,), InputEncoder(WIDE, 18))


NETWORKS = {
    "edge_table": _pair(_edges),
    "edge_table of wide codes": _wide_tables,
    "branch_edge_table": _pair(_branches),
    "codebook": _pair(_codebook),
    "spline_evaluator": _pair(_evaluator, WIDE),
    "layer_norm first": _normed,
    "layer_norm inside": _norm_inside,
    "product first": _products,
    "product inside": _products_inside,
    "convolution of evaluators": _evaluated_windows,
}


def _program(name, seed, random_ranges):
    rng = np.random.default_rng(seed)
    program = random_ranges(NETWORKS[name](rng), rng)
    assert program.ranged
    return program, rng


def _check(program, schedule, stream_run, rng, *, count=24, head=None):
    """Compare with the Program, codes outside of their ranges among the inputs; and the timing."""
    top = StreamTop(program, schedule)
    inputs, outputs = ports_of(top, program)
    codes = rng.integers(inputs.format.lo, inputs.format.hi + 1, (count, program.n_in))
    assert not program.input.ranged or (codes != program.input.clamp(codes)).any()
    heads = () if head is None else (head,)
    words = payload_ints(pack_codes(codes, inputs, *heads))
    expected = program(codes, *heads)
    for chances in ((1.0, 1.0), (0.6, 0.5)):
        run = stream_run(top, words, count * outputs.beats, chances=chances)
        found = unpack_codes(ints_to_words(run.words, outputs), outputs)
        np.testing.assert_array_equal(found, expected)
        if chances == (1.0, 1.0):
            ends = run.taken[outputs.beats - 1 :: outputs.beats]
            assert ends[0] - run.accepted[inputs.beats - 1] == top.latency
            pace = np.diff(ends[count // 2 :]).mean()
            assert top.initiation_interval - 1 < pace <= top.initiation_interval
    return top


@pytest.mark.some(3)
@pytest.mark.parametrize("fabric", FABRICS)
@pytest.mark.parametrize("seed", range(4))
def test_random_unrolled_networks(seed, fabric, random_program, random_ranges, run_core, stimulus):
    rng = np.random.default_rng(seed)
    program = random_ranges(random_program(rng, argmax=seed % 4 == 3), rng)
    schedule = Schedule(fabric=fabric, adder_levels=seed % 3, table_registers=seed % 2 == 0)
    codes = stimulus(program, rng, 60)
    np.testing.assert_array_equal(run_core(program, schedule, codes), program(codes))


@pytest.mark.slow
@pytest.mark.parametrize("fabric", FABRICS)
@pytest.mark.parametrize("seed", range(4, 60))
def test_many_unrolled_networks(seed, fabric, random_program, random_ranges, run_core, stimulus):
    test_random_unrolled_networks(seed, fabric, random_program, random_ranges, run_core, stimulus)


# The fabric changes adders, tables and saturators, which these kinds have between them: the last
# has two tables per edge as well.
QUICK = ("edge_table", "codebook", "layer_norm inside")


@pytest.mark.some(5)
@pytest.mark.parametrize(
    ("name", "fabric"),
    [
        pytest.param(
            name, fabric, marks=[] if fabric == FABRICS[0] or name in QUICK else [pytest.mark.slow]
        )
        for name in NETWORKS
        for fabric in FABRICS
    ],
)
def test_unrolled_kinds(name, fabric, random_ranges, stream_run):
    program, rng = _program(name, 1, random_ranges)
    _check(program, Schedule(fabric=fabric), stream_run, rng, count=12)


@pytest.mark.some(2)
@pytest.mark.parametrize("name", ["spline_evaluator", "product first", "edge_table of wide codes"])
def test_cores_without_a_handshake(name, random_ranges, run_core):
    program, rng = _program(name, 2, random_ranges)
    form = program.input.format
    codes = rng.integers(form.lo, form.hi + 1, (60, program.n_in))
    np.testing.assert_array_equal(run_core(program, Schedule(), codes), program(codes))


@pytest.mark.some(4)
@pytest.mark.parametrize("parallel", [(2, 3), pytest.param((8, 8), marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NETWORKS)
def test_folded_kinds(name, parallel, random_ranges, stream_run):
    program, rng = _program(name, 3, random_ranges)
    schedule = Schedule(kind="folded", parallel_inputs=parallel[0], parallel_outputs=parallel[1])
    top = _check(program, schedule, stream_run, rng, count=10)
    # A table for every edge contains the ranges of its codes, so that nothing clamps them.
    own_tables = program.layers[0].kind in ("edge_table", "branch_edge_table")
    assert isinstance(top.stages[0], InputRanges) != own_tables


@pytest.mark.some(2)
@pytest.mark.parametrize("kind", ["unrolled", "folded"])
@pytest.mark.parametrize("seed", [0, 1, pytest.param(2, marks=pytest.mark.slow), 3])
def test_images(seed, kind, image_program, random_ranges, stream_run):
    rng = np.random.default_rng(seed)
    kinds = rng.choice(["convolution", "pooling"], 1 + seed % 3).tolist()
    program = random_ranges(image_program(rng, kinds, dense=seed % 2 == 0), rng)
    fields = {"parallel_inputs": 2, "parallel_outputs": 2} if kind == "folded" else {}
    fabric = FABRICS[seed % 2]
    _check(program, Schedule(kind=kind, fabric=fabric, **fields), stream_run, rng, count=6)


@pytest.mark.some(1)
@pytest.mark.parametrize("writable", [False, True])
def test_heads(writable, stream_run):
    rng = np.random.default_rng(7)
    shapes = [rng.integers(-8, 8, (3, CODE.count)) for _ in range(2)]
    sizes = [(4, 5, CODE), (5, 3, CODE)]
    programs = [
        Program(
            tuple(_codebook(rng, *s, shapes=own) for s, own in zip(sizes, shapes, strict=True)),
            InputEncoder(CODE, 4),
        )
        for _ in range(3)
    ]
    ends = {0: [([-8, -3, 0, -8, 2], [7, 4, 0, -2, 7])], 1: [(-6, [7, 3, 0])]}
    inputs = ([-8, -2, 0, 1], [7, 3, 7, 5])
    joined = with_code_ranges(join_heads(programs, writable=writable), inputs=inputs, layers=ends)
    each = [with_code_ranges(p, inputs=inputs, layers=ends) for p in programs]
    head = np.arange(12) % 3
    codes = rng.integers(-8, 8, (12, 4))
    for number, program in enumerate(each):
        rows = head == number
        np.testing.assert_array_equal(joined(codes, head=head)[rows], program(codes[rows]))
    schedule = Schedule(kind="folded", parallel_inputs=2, parallel_outputs=2)
    _check(joined, schedule, stream_run, rng, count=12, head=head)


@pytest.mark.parametrize("ends", [([3], [12]), ([0], [9]), ([5], [15]), ([4], [4])])
def test_clamp(ends, simulate):
    lo, hi = (np.array(end) for end in ends)
    for origin in (0, int(lo[0])):
        unit = RangeClamp(4, lo, hi, origin=origin)
        words = [(code,) for code in range(16)]
        found = simulate(unit, [unit.i], words)
        assert found == (np.arange(16).clip(lo, hi) - origin).tolist()


def test_clamp_by_turns(simulate):
    lo, hi = np.array([0, 2, 5]), np.array([15, 9, 5])
    unit = RangeClamp(4, lo, hi)
    turns = np.random.default_rng(0).integers(0, 3, 60)
    codes = np.random.default_rng(1).integers(0, 16, 60)
    # The turn of a code comes a clock before it.
    words = list(zip(np.append(turns[1:], 0).tolist(), codes.tolist(), strict=True))
    found = simulate(unit, [unit.turn, unit.i], words)
    assert found[1:] == codes.clip(lo[turns], hi[turns])[1:].tolist()


def test_forgotten_ranges_are_seen(monkeypatch, random_ranges, stream_run):
    program, rng = _program("codebook", 3, random_ranges)
    schedule = Schedule(kind="folded")
    monkeypatch.setattr(
        "kanhw.gateware.folded.requantize_lane.lane_clamp", lambda requantizer, outputs: None
    )
    with pytest.raises(AssertionError):
        _check(program, schedule, stream_run, rng, count=10)
