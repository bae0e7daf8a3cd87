"""Evaluated splines: every part on every input, then layers and designs, equal the Program."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Value

import kanhw
from kanhw.design.packing import ints_to_words, pack_codes, payload_ints, unpack_codes
from kanhw.errors import InputError, ToolNotFound
from kanhw.estimation.resource_model import resources_of
from kanhw.formats import CodeFormat
from kanhw.gateware.folded.spline_evaluator import EvaluatedSums
from kanhw.gateware.splines import spline_pieces
from kanhw.gateware.splines.evaluator_costs import evaluator_costs
from kanhw.gateware.splines.interpolator import Interpolator
from kanhw.gateware.splines.spline_evaluator import SplineEvaluator
from kanhw.gateware.splines.spline_pieces import PolynomialPieces, TablePieces
from kanhw.gateware.splines.spline_position import SplinePosition
from kanhw.gateware.top.chain import stages_of
from kanhw.gateware.top.stream_top import StreamTop, ports_of
from kanhw.gateware.unrolled import spline_evaluator as spline_evaluator_core
from kanhw.program import (
    ConvolutionLayer,
    EdgeTableLayer,
    InputEncoder,
    Program,
    Requantizer,
    SplineEvaluatorLayer,
)
from kanhw.program.functions.interpolation import Interpolation
from kanhw.program.functions.spline_arithmetic import SplineArithmetic
from kanhw.program.functions.splines import piece_polynomials
from kanhw.schedule.fold import Fold
from kanhw.schedule.schedule import Schedule
from kanhw.sim import check_design, find_simulator
from kanhw.windows import Window

ORDERS = range(1, 6)
GUARD = {1: 1, 2: 4, 3: 6, 4: 8, 5: 10}
SCALE = {1: 124, 2: 640, 3: 992, 4: 1088, 5: 960}


def _splines(order, *, table=False, width=8, places=5, shift=1, kinds=((9, -70),), inputs=1):
    """Values of 6 bits; the first code lies in front of the grid unless kinds say otherwise."""
    fields = {"scale": SCALE[order], "guard_bits": GUARD[order]}
    if table:
        t = np.arange((1 << places) + 1)[:, None] / 2**places
        pieces = t ** np.arange(order + 1) @ np.array(piece_polynomials(order)).T
        rows = np.floor(pieces[:, : order // 2 + 1] * 60 / pieces.max() + 0.5)
        fields = {"table": rows.astype(np.int64)}
    pairs = np.array([kinds[i % len(kinds)] for i in range(inputs)])
    return SplineArithmetic(width, order, pairs[:, 0], pairs[:, 1], shift, places, **fields)


# Parts, on every input.


@pytest.mark.parametrize("levels", [0, 1])
@pytest.mark.parametrize("pair", [(1, 0), (16, -40), (23, 9), (187, -30001)])
def test_position(pair, levels, simulate):
    unit = SplinePosition(8, np.array([pair]), 3, levels=levels)
    codes = np.arange(256)
    results = simulate(unit, [unit.i], [(int(code),) for code in codes])
    expected = (codes * pair[0] + pair[1]) >> 3
    mask = (1 << len(unit.o)) - 1
    np.testing.assert_array_equal(np.array(results) & mask, expected & mask)
    assert (unit.range.lo, unit.range.hi) == (expected.min(), expected.max())


def test_position_of_several_inputs(simulate):
    kinds = np.array([(23, -900), (64, 5), (1, 0)])
    unit = SplinePosition(6, kinds, 2)
    words = [(code, kind) for kind in range(3) for code in range(64)]
    results = simulate(unit, [unit.i, unit.kind], words)
    mask = (1 << len(unit.o)) - 1
    expected = [(code * int(kinds[k, 0]) + int(kinds[k, 1])) >> 2 & mask for code, k in words]
    assert [result & mask for result in results] == expected


@pytest.mark.parametrize("table", [False, True])
@pytest.mark.parametrize("order", ORDERS)
def test_pieces(order, table, simulate):
    splines = _splines(order, table=table)
    unit = spline_pieces.spline_pieces(splines, levels=order % 3)
    assert isinstance(unit, TablePieces if table else PolynomialPieces)
    results = simulate(unit, [unit.i], [(place,) for place in range(32)])
    width = unit.range.format.width
    values = [[r >> (width * k) & ((1 << width) - 1) for k in range(order + 1)] for r in results]
    np.testing.assert_array_equal(values, splines.pieces)
    assert 32 <= splines.pieces.max() < 64


def test_pieces_refuse_the_other_kind():
    with pytest.raises(InputError, match="have a table"):
        PolynomialPieces(_splines(3, table=True))
    with pytest.raises(InputError, match="have no table"):
        TablePieces(_splines(3))


@pytest.mark.parametrize("order", ORDERS)
def test_evaluator(order, simulate):
    """Every code, in front of the grid, inside and beyond."""
    splines = _splines(order, table=order % 2 == 0)
    unit = SplineEvaluator(splines, splines.kinds()[0], levels=order % 3)
    cells, pieces = splines(np.arange(256)[:, None])
    results = simulate(unit, [unit.i], [(code,) for code in range(256)])
    width = unit.range.format.width
    for k, piece in enumerate(pieces):
        found = [r >> (width * k) & ((1 << width) - 1) for r in results]
        np.testing.assert_array_equal(found, piece[:, 0])
    assert cells.min() < 0 < order + 5 < cells.max()
    assert (unit.first_range.lo, unit.first_range.hi) == (
        cells.min() - order,
        cells.max() - order,
    )


@pytest.mark.parametrize("between", [0, 3])
@pytest.mark.parametrize("kinds", [(0,), (1, 0)])
def test_interpolator(between, kinds, simulate):
    points = np.random.default_rng(between).integers(-90, 90, (2, (64 >> between) + 1))
    curves = Interpolation(points, np.array([0, 1]), 6, between, 2 if between else 0)
    unit = Interpolator(curves, kinds)
    ports = [unit.i] if len(kinds) == 1 else [unit.i, unit.kind]
    words = [(code, k)[: len(ports)] for k in range(len(kinds)) for code in range(64)]
    results = simulate(unit, ports, words)
    mask = (1 << len(unit.o)) - 1
    expected = curves.values[list(kinds)].ravel() & mask
    np.testing.assert_array_equal(np.array(results) & mask, expected)


# Layers.


def _layer(rng, n_in, n_out, targets, *, base_stream=0, table=None, name="splines"):
    """Of any order and variant; edges and whole functions may be missing.

    Every target is a format of codes, or None for sums.
    """
    order = int(rng.integers(1, 6))
    kinds = [(9, -70), (16, 20), (5, -300)][: int(rng.integers(1, 4))]
    table = rng.random() < 0.4 if table is None else table
    splines = _splines(order, table=table, kinds=kinds, inputs=n_in)
    count = order + int(rng.integers(1, 5))
    coefficients = rng.integers(-5, 6, (n_out, n_in, count))
    coefficients[rng.random((n_out, n_in)) < 0.2] = 0
    coefficients[:, :, rng.random(count) < 0.1] = 0
    between = int(rng.integers(0, 6))
    points = rng.integers(-60, 60, (2, (1 << (8 - between)) + 1))
    layer = SplineEvaluatorLayer(
        coefficients,
        splines,
        Interpolation(points, rng.integers(0, 2, n_in), 8, between, 2 if between else 0),
        rng.choice([-4, -3, -1, 0, 2, 3], (n_out, n_in, 1)),
        (Requantizer(np.ones((2, n_out), int), np.zeros(n_out, int)),),
        base_stream=base_stream,
        name=name,
    )
    seen = layer.accumulate(tuple(rng.integers(0, 256, (2, 64, n_in))))
    return replace(layer, requantizers=tuple(_fitted(rng, seen, target) for target in targets))


def _fitted(rng, accumulators, format):
    """A requantizer whose codes meet their range."""
    factors = rng.integers(1, 5, (2, accumulators[0].shape[1]))
    if rng.random() < 0.3:
        factors[1] = factors[0]  # one accumulator will do
    if format is None:
        return Requantizer(factors, rng.integers(-9, 9, factors.shape[1]))
    sums = sum(f * a for f, a in zip(factors, accumulators, strict=True))
    shift = max(int(np.ptp(sums, axis=0).max()).bit_length() - format.width, 0)
    middle = (format.lo + format.hi + 1) // 2 << shift
    return Requantizer(factors, middle - sums.mean(axis=0).astype(int), shift, format)


def _program(rng, sizes=(2, 3, 2), *, streams=1, table=None):
    """Two layers, the second of which may read a code for each branch."""
    n_in, hidden, n_out = sizes
    formats = [CodeFormat(8, bool(rng.integers(2))) for _ in range(1 + streams)]
    last = CodeFormat(7, True) if rng.random() < 0.5 else None
    layers = (
        _layer(rng, n_in, hidden, formats[1:], name="first", table=table),
        _layer(rng, hidden, n_out, [last], base_stream=streams - 1, name="second", table=table),
    )
    return Program(layers, InputEncoder(formats[0], n_in))


@pytest.mark.some(2)
@pytest.mark.parametrize("seed", range(5))
def test_layers(seed, run_core, stimulus):
    rng = np.random.default_rng(seed)
    program = _program(rng, streams=1 + seed % 2)
    codes = stimulus(program, rng, 40)
    schedule = Schedule(adder_levels=seed % 3)
    expected = program(codes)
    np.testing.assert_array_equal(run_core(program, schedule, codes), expected)
    assert len(np.unique(expected)) > 20


def test_behind_tables_whose_sums_saturate(run_core, stimulus):
    """Tables hand on raw sums where they may, but an evaluator computes with codes."""
    rng = np.random.default_rng(0)
    code = CodeFormat(8, True)
    tables = rng.integers(-90, 90, (2, 2, 16))
    first = EdgeTableLayer(tables, (Requantizer(np.ones((1, 2), int), np.zeros(2, int), 0, code),))
    program = Program((first, _layer(rng, 2, 2, [None])), InputEncoder(CodeFormat(4, False), 2))
    sums = np.add.outer(tables[0, 0], tables[0, 1])
    assert sums.min() < code.lo and sums.max() > code.hi
    codes = stimulus(program, rng)
    np.testing.assert_array_equal(run_core(program, Schedule(), codes), program(codes))


def test_convolution(check_images):
    """Taps beyond the border of an image add nothing."""
    rng = np.random.default_rng(0)
    code = CodeFormat(8, False)
    window = Window((1, 2, 3), (1, 2), (1, 1), (0, 1))
    taps = _layer(rng, 2, 1, [CodeFormat(6, True)])
    assert taps.base_values(0)[0] or taps.basis_values(0)[0].any()
    program = Program((ConvolutionLayer(taps, window),), InputEncoder(code, 6))
    assert len(np.unique(check_images(program, Schedule(), rng))) > 3


# The folded schedule.


def _folded(inputs, outputs, **fields):
    return Schedule(kind="folded", parallel_inputs=inputs, parallel_outputs=outputs, **fields)


def _check_folded(program, schedule, stream_run, *, count=6):
    top = StreamTop(program, schedule)
    inputs, outputs = ports_of(top, program)
    format = program.input.format
    codes = np.random.default_rng(1).integers(format.lo, format.hi + 1, (count, program.n_in))
    words, expected = payload_ints(pack_codes(codes, inputs)), program(codes)

    def results(run):
        return unpack_codes(ints_to_words(run.words, outputs), outputs)

    run = stream_run(top, words, count * outputs.beats)
    np.testing.assert_array_equal(results(run), expected)
    ends = run.taken[outputs.beats - 1 :: outputs.beats]
    assert ends[0] - run.accepted[inputs.beats - 1] == top.latency
    assert set(np.diff(ends[count // 2 :]).tolist()) == {top.initiation_interval}
    run = stream_run(top, words[: 3 * inputs.beats], 3 * outputs.beats, chances=(0.8, 0.3))
    np.testing.assert_array_equal(results(run), expected[:3])
    return top, expected


@pytest.mark.some(2)
@pytest.mark.parametrize("seed", range(3))
def test_folded_layers(seed, stream_run):
    rng = np.random.default_rng(seed + 10)
    parallel = [(1, 1), (2, 2), (3, 1)][seed]
    program = _program(rng, (3, 2, 2), streams=1 + seed % 2)
    schedule = _folded(*parallel, adder_levels=seed % 3)
    top, expected = _check_folded(program, schedule, stream_run)
    assert len(np.unique(expected)) > 4
    steps = [
        -(-layer.n_in // parallel[0]) * -(-layer.n_out // parallel[1]) for layer in program.layers
    ]
    assert top.initiation_interval == max(steps)


def test_folded_convolution(stream_run):
    """Taps beyond the border of an image add nothing here either."""
    rng = np.random.default_rng(1)
    taps = _layer(rng, 4, 2, [CodeFormat(6, True)])
    window = Window((2, 2, 2), (2, 1), (1, 1), (1, 0))
    program = Program((ConvolutionLayer(taps, window),), InputEncoder(CodeFormat(8, False), 8))
    _, expected = _check_folded(program, _folded(2, 2), stream_run, count=4)
    assert len(np.unique(expected)) > 8


def test_a_branch_without_weights_has_no_hardware(stream_run):
    rng = np.random.default_rng(5)
    layer = _layer(rng, 3, 2, [None])
    for empty in ("coefficients", "base_weights"):
        bare = replace(layer, **{empty: getattr(layer, empty) * 0})
        program = Program((bare,), InputEncoder(CodeFormat(8, False), 3))
        _check_folded(program, _folded(1, 1), stream_run)


def test_costs_are_counted():
    rng = np.random.default_rng(5)
    fold = Fold(4, 3, 2, 3, lanes=3)
    weights = rng.integers(-5, 6, (3, 4, 7))
    for table in (False, True):
        splines = _splines(3, table=table, inputs=4)
        costs = EvaluatedSums(fold, _folded(2, 3), splines, weights).costs
        # Powers of the place, in two lanes; weights are added up by their bits.
        assert costs.multipliers == 4 * (not table)
        assert costs.table_bits[5] > 2 * 3 * 4 * 6
        assert len(costs.memories) == 8 + 2 * table
    layer = _layer(rng, 3, 2, [None])
    bare = replace(layer, coefficients=layer.coefficients * 0)
    assert evaluator_costs(layer).adder_bits > 3 * evaluator_costs(bare).adder_bits > 0


# Designs.


@pytest.mark.wide
def test_generated_design_under_cocotb(tmp_path):
    """The Verilog itself: its latency, its pace, stalls, and a reset in mid-stream."""
    try:
        find_simulator()
    except ToolNotFound as error:
        pytest.skip(str(error))
    rng = np.random.default_rng(8)
    format = CodeFormat(8, True)
    program = Program((_layer(rng, 2, 2, [format], table=False),), InputEncoder(format, 2))
    codes = rng.integers(format.lo, format.hi + 1, (60, 2))
    assert len(np.unique(program(codes))) > 20
    design = kanhw.generate(program, tmp_path / "design", schedule=_folded(1, 2))
    report = check_design(design.path, codes, reset_midstream=True)
    assert report.passed, report.problems
    assert report.latency_cycles == design.latency_cycles
    assert report.cycles_per_inference == design.initiation_interval


def _rolled(order):
    first, *others = piece_polynomials(order)
    return (*others, first)


@pytest.mark.some(2)
@pytest.mark.parametrize("fault", ["piece", "cell", "base"])
def test_planted_faults_are_seen(fault, monkeypatch, run_core, stimulus):
    rng = np.random.default_rng(0)
    program = _program(rng, (2, 2, 2), table=False)
    codes = stimulus(program, rng, 20)
    if fault == "piece":
        monkeypatch.setattr(spline_pieces, "piece_polynomials", _rolled)
    elif fault == "cell":
        monkeypatch.setattr(spline_evaluator_core, "_kind", lambda layer, i: np.array([[9, -71]]))
    else:
        monkeypatch.setattr(
            Interpolator, "_columns", lambda self: [self._curves.values[0], self._curves.values[0]]
        )
    assert (run_core(program, Schedule(), codes) != program(codes)).any()


def test_it_is_part_of_a_chain():
    program = _program(np.random.default_rng(0))
    assert len(stages_of(program, Schedule())) == 1
    assert len(stages_of(program, _folded(1, 1))) == 2
    assert Value.cast(StreamTop(program, Schedule()).i.payload).shape().width == 16


# SB_LUT4 and flip-flops of functions of order 2 by themselves, with two adder levels (synth_ice40).
@pytest.mark.parametrize(
    ("width", "places", "scale", "lut", "ff"), [(6, 5, 1024, 58, 36), (7, 3, 64, 26, 18)]
)
def test_zeros_below_a_power_are_not_counted(width, places, scale, lut, ff):
    constants = {"multipliers": np.array([1]), "offsets": np.array([-34]), "scale": scale}
    splines = SplineArithmetic(
        width=width, order=2, shift=1, fraction_bits=places, guard_bits=6, **constants
    )
    found = resources_of(PolynomialPieces(splines, levels=2).costs, "ice40")
    assert (found.lut, found.ff) == pytest.approx((lut, ff), rel=0.3)
