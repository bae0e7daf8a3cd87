"""Every part of a folded layer equals its reference, also under pauses and after a reset."""

import numpy as np
import pytest
from amaranth.hdl import ClockDomain, Module, Value
from amaranth.sim import Simulator

from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.gateware.folded.basis_banks import basis_banks
from kanhw.gateware.folded.basis_table import WeightedSums
from kanhw.gateware.folded.code_buffer import CodeBuffer
from kanhw.gateware.folded.codebook import CodebookSums
from kanhw.gateware.folded.edge_table import RowSums
from kanhw.gateware.folded.output_serializer import OutputSerializer
from kanhw.gateware.folded.requantize_lane import RequantizeLane
from kanhw.gateware.parts.address import Address
from kanhw.gateware.parts.parameter_memory import packed_words
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.stream.serial_argmax import SerialArgmax
from kanhw.gateware.stream.stage import Payload
from kanhw.gateware.stream.width_converter import CollectStage, SplitStage
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer
from kanhw.program.functions.tables import argmax, basis_table_sums, codebook_sums, edge_table_sums
from kanhw.schedule.fold import Fold, fold_of
from kanhw.schedule.schedule import Schedule

PAUSES = [(1.0, 1.0), (0.5, 1.0), (1.0, 0.4), (0.6, 0.6)]
CODE = CodeFormat(3, True)


def _words(rows, width):
    return packed_words(np.asarray(rows), width)


# The fold.


@pytest.mark.parametrize("n_in", [1, 2, 5, 8])
@pytest.mark.parametrize("n_out", [1, 3, 7, 8])
@pytest.mark.parametrize("parallel", [(1, 1), (2, 3), (3, 2), (4, 16), (16, 5)])
def test_fold(n_in, n_out, parallel):
    for consumer_codes in (None, 1, 2, 6):
        fold = fold_of(n_in, n_out, parallel, consumer_codes=consumer_codes)
        clocks = -(-n_in // parallel[0]) * -(-n_out // parallel[1])
        assert fold.steps == clocks
        assert fold.rows <= fold.beats
        # One lane is enough where there is time, and one always fits the next layer.
        assert fold.lanes == 1 or fold.parallel_outputs > fold.beats
        for table, count in ((fold.inputs, n_in), (fold.outputs, n_out), (fold.handed, n_out)):
            assert [v for v in table.ravel().tolist() if v >= 0] == list(range(count))
        assert fold.handed.shape == (fold.out_beats, fold.lanes)


@pytest.mark.parametrize(
    ("count", "places"),
    [
        (3, [[0, 4, 8], [1, 5, 9], [2, 6, 10], [3, 7, 11]]),
        (2, [[0, 4], [8, -1], [1, 5], [9, -1], [2, 6], [10, -1], [3, 7], [11, -1]]),
        (9, [[0, 4, 8, 1, 5, 9, 2, 6, 10], [3, 7, 11, *[-1] * 6]]),
    ],
)
def test_places_of_an_image(count, places):
    channels = 3 if count != 3 else None
    payload = Payload(((Address(3, 0, 7, 3),) * count,), 4, channels=channels)
    assert payload.places(12).tolist() == places
    fold = fold_of(12, 4, (1, 2), order=payload.places(12))
    assert (fold.inputs.tolist(), fold.beats) == (places, len(places))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((4, 4, 5, 1), "parallel_inputs must be 1 to 4, not 5"),
        ((4, 4, 1, 0), "parallel_outputs must be 1 to 4, not 0"),
        ((4, 4, 1, 4, 3), "lanes must divide the 4 outputs of a group, not be 3"),
        ((2, 4, 1, 4, 1), "1 lanes hand on 4 outputs in 4 clocks, but there are 2 until the next"),
        (
            (3, 4, 2, 1, 1, np.array([[0, 1], [1, 2]])),
            "The order must have 2 inputs a beat and each of the 3 once",
        ),
    ],
)
def test_fold_refuses(arguments, message):
    with pytest.raises(InputError, match=rf"\A{message}"):
        Fold(*arguments)


# Basis tables by bank.


def _splines(rng, kinds, codes, functions, live):
    """Tables of which ``live`` neighbouring functions are not zero at a code, some of them less."""
    tables = np.zeros((kinds, codes, functions), int)
    for table in tables:
        for a, row in enumerate(table):
            start = a * (functions - live) // max(codes - 1, 1)
            row[start : start + live] = rng.integers(0, 8, live)
    return tables


@pytest.mark.parametrize("seed", range(20))
def test_banks_hold_all_of_the_basis(seed):
    rng = np.random.default_rng(seed)
    functions = int(rng.integers(1, 9))
    live = int(rng.integers(1, functions + 1))
    tables = _splines(rng, 2, 8, functions, live)
    weights = rng.integers(-9, 10, (3, functions))
    banks = basis_banks(tables)
    assert banks.count <= live
    by_bank = banks.weights(weights)
    assert by_bank.shape == (3, banks.count, banks.depth)
    chosen = by_bank[:, np.arange(banks.count), banks.rows]
    expected = np.moveaxis(tables @ weights.T, -1, 0)
    np.testing.assert_array_equal((chosen * banks.values).sum(axis=3), expected)


def test_banks_of_dense_and_of_empty_tables():
    assert basis_banks(np.ones((1, 4, 5), int)).count == 5
    empty = basis_banks(np.zeros((1, 4, 5), int))
    assert (empty.count, empty.depth) == (1, 5)


# The buffer.


def _steps(vectors, groups, beats, width):
    """What a buffer gives, as words."""
    bits = max((beats * groups - 1).bit_length(), 1)
    return [
        word
        | (g * beats + b) << width
        | (b == 0) << (width + bits)
        | (b == beats - 1) << (width + bits + 1)
        for vector in vectors
        for g in range(groups)
        for b, word in enumerate(vector)
    ]


@pytest.mark.parametrize("chances", PAUSES)
@pytest.mark.parametrize(("beats", "groups"), [(1, 1), (1, 3), (4, 1), (3, 2), (5, 4)])
def test_buffer(beats, groups, chances, stream_run):
    vectors = np.random.default_rng(0).integers(0, 64, (7, beats)).tolist()
    unit = CodeBuffer(6, beats, groups)
    expected = _steps(vectors, groups, beats, 6)
    words = [word for vector in vectors for word in vector]
    run = stream_run(unit, words, len(expected), chances=chances)
    assert run.words == expected
    if chances == (1.0, 1.0):
        assert run.taken[0] - run.accepted[beats - 1] == unit.latency
        assert np.diff(run.taken).tolist() == [1] * (len(expected) - 1)


@pytest.mark.parametrize("reset_at", [3, 9, 14])
def test_buffer_forgets_at_a_reset(reset_at):
    unit, beats, seen = CodeBuffer(6, 3, 2), 3, []
    m = Module()
    m.domains.sync = domain = ClockDomain()
    m.submodules.unit = unit
    vectors = np.random.default_rng(0).integers(0, 64, (3, beats)).tolist()

    async def bench(ctx):
        ctx.set(unit.o.ready, 1)
        ctx.set(unit.i.valid, 1)
        for _ in range(reset_at):
            await ctx.tick()
        ctx.set(domain.rst, 1)
        await ctx.tick()
        ctx.set(domain.rst, 0)
        pending = [word for vector in vectors for word in vector]
        for _ in range(40):
            ctx.set(unit.i.valid, bool(pending))
            ctx.set(unit.i.payload, pending[0] if pending else 0)
            if ctx.get(unit.o.valid):
                seen.append(ctx.get(Value.cast(unit.o.payload)))
            if pending and ctx.get(unit.i.ready):
                del pending[0]
            await ctx.tick()

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen == _steps(vectors, 2, beats, 6)


# What a step adds.


def _partial(unit, fold, codes, width, simulate):
    """Sums over the steps of every group, ``[vectors, groups * parallel_outputs]``."""
    filled = np.pad(codes, [(0, 0), (0, 1)], constant_values=(1 << width) - 1)
    words = []
    for vector in filled:
        for group in range(fold.groups):
            packed = _words(vector[fold.inputs], width)
            words += [(word, group * fold.beats + b) for b, word in enumerate(packed)]
    port = Value.cast(unit.codes)
    outputs = np.array(
        [
            _fields(word, fold.parallel_outputs, unit.range)
            for word in simulate(unit, [port, unit.step], words)
        ]
    )
    sums = outputs.reshape(len(codes), fold.groups, fold.beats, -1).sum(axis=2)
    return sums.reshape(len(codes), -1)


def _fields(word, count, reach):
    width, signed = reach.format.width, reach.format.signed
    values = [(word >> (k * width)) & ((1 << width) - 1) for k in range(count)]
    return [v - (1 << width) if signed and v >> (width - 1) else v for v in values]


FOLDS = [(5, 4, 2, 3), (4, 3, 4, 3, 3), (3, 5, 1, 2), (1, 1, 1, 1), (6, 4, 6, 1)]


# Every fold meets every shape of basis, but not at both numbers of kinds.
@pytest.mark.some(7)
@pytest.mark.parametrize(
    ("sizes", "functions", "live", "kinds"),
    [
        (sizes, functions, live, 1 + (n + k) % 2)
        for n, sizes in enumerate(FOLDS)
        for k, (functions, live) in enumerate([(8, 4), (7, 3), (3, 3), (1, 1)])
    ],
)
def test_weighted_sums(sizes, functions, live, kinds, simulate):
    rng = np.random.default_rng(functions)
    fold = Fold(*sizes)
    tables = _splines(rng, kinds, 16, functions, live) - (live == functions)
    index = rng.integers(0, kinds, fold.n_in)
    weights = rng.integers(-8, 8, (fold.n_out, fold.n_in, functions))
    unit = WeightedSums(fold, Schedule(adder_levels=functions % 3), tables, index, weights)
    codes = rng.integers(0, 16, (12, fold.n_in))
    found = _partial(unit, fold, codes, 4, simulate)
    expected = basis_table_sums(tables, index, weights, codes)
    np.testing.assert_array_equal(found[:, : fold.n_out], expected)
    assert not found[:, fold.n_out :].any()


# Every two of the axes meet, not all three: here and at the codebooks below.
@pytest.mark.some(7)
@pytest.mark.parametrize(
    ("sizes", "reach", "lowest"),
    [
        (sizes, reach, [-8, 0, -1][(n + k) % 3])
        for n, sizes in enumerate(FOLDS)
        for k, reach in enumerate([(-128, 128), (0, 256), (-3, 4), (-5000, 5000)])
    ],
)
def test_base_weights(sizes, reach, lowest, simulate):
    """One value an input; large products come two from a multiplier, unless they are too wide."""
    rng = np.random.default_rng(1)
    fold = Fold(*sizes)
    tables = rng.integers(*reach, (1, 8, 1))
    tables[0, :2, 0] = reach[0], reach[1] - 1
    weights = rng.integers(lowest, 8, (fold.n_out, fold.n_in, 1))
    weights[:, 0], weights[0] = lowest, rng.choice([lowest, 7], (fold.n_in, 1))
    index = np.zeros(fold.n_in, int)
    unit = WeightedSums(fold, Schedule(), tables, index, weights)
    codes = rng.integers(0, 8, (24, fold.n_in))
    found = _partial(unit, fold, codes, 3, simulate)
    expected = basis_table_sums(tables, index, weights, codes)
    np.testing.assert_array_equal(found[:, : fold.n_out], expected)


@pytest.mark.some(5)
@pytest.mark.parametrize(
    ("sizes", "count", "gains"),
    [
        (sizes, count, [(-4, 5), (1, 2), (0, 40)][(n + k) % 3])
        for n, sizes in enumerate(FOLDS)
        for k, count in enumerate([1, 3, 8])
    ],
)
def test_codebook_sums(sizes, count, gains, simulate):
    rng = np.random.default_rng(count)
    fold = Fold(*sizes)
    shapes = rng.integers(-100, 100, (count, 8)) + 100 * (count == 3)
    index = rng.integers(0, count, (fold.n_out, fold.n_in))
    gain = rng.integers(*gains, index.shape)
    unit = CodebookSums(fold, Schedule(adder_levels=count % 3), shapes, index, gain)
    codes = rng.integers(0, 8, (12, fold.n_in))
    found = _partial(unit, fold, codes, 3, simulate)
    np.testing.assert_array_equal(found[:, : fold.n_out], codebook_sums(shapes, index, gain, codes))


@pytest.mark.parametrize("sizes", FOLDS)
@pytest.mark.parametrize("levels", [0, 1])
def test_row_sums(sizes, levels, simulate):
    rng = np.random.default_rng(0)
    fold = Fold(*sizes)
    tables = rng.integers(-20, 21, (fold.n_out, fold.n_in, 8)) + 30 * levels
    unit = RowSums(fold, Schedule(adder_levels=levels), tables)
    codes = rng.integers(0, 8, (12, fold.n_in))
    found = _partial(unit, fold, codes, 3, simulate)
    np.testing.assert_array_equal(found[:, : fold.n_out], edge_table_sums(tables, codes))


def test_planted_fault_in_a_weight_is_seen(simulate):
    fold, rng = Fold(4, 2, 2, 2), np.random.default_rng(0)
    tables = rng.integers(1, 8, (1, 8, 2))
    weights = rng.integers(-8, 8, (2, 4, 2))
    wrong = weights.copy()
    wrong[1, 3, 1] ^= 1
    unit = WeightedSums(fold, Schedule(), tables, np.zeros(4, int), wrong)
    codes = rng.integers(0, 8, (12, 4))
    found = _partial(unit, fold, codes, 3, simulate)
    assert (found != basis_table_sums(tables, np.zeros(4, int), weights, codes)).any()


# From accumulators to codes.


def _layer(requantizers, n_out, reach):
    """A layer of a Program whose accumulators reach as far as given, and its declared widths."""
    tables = np.zeros((n_out, 1, 8), int)
    tables[:, :, 0], tables[:, :, 1] = -reach, reach
    layer = EdgeTableLayer(tables, requantizers, "layer")
    layers = [layer]
    if requantizers[0].format is not None:
        after = np.ones((1, n_out, requantizers[0].format.count), int)
        layers.append(EdgeTableLayer(after, (Requantizer(np.ones((1, 1), int), [0]),)))
    return Program(tuple(layers), InputEncoder(CodeFormat(3, False), 1)).layers[0]


def _requantizer(rng, n_out, kind):
    factors = {
        "one": np.ones((1, n_out), int),
        "common": np.full((1, n_out), -6),
        "large": np.full((1, n_out), 23456),
        "many": rng.integers(-30000, 30000, (1, n_out)),
    }[kind]
    return factors, rng.integers(-500, 500, n_out)


@pytest.mark.parametrize("kind", ["one", "common", "large", "many"])
@pytest.mark.parametrize("format", [None, CODE, CodeFormat(5, False)])
def test_join_lane(kind, format, simulate):
    rng = np.random.default_rng(1)
    factors, bias = _requantizer(rng, 3, kind)
    shift = int(abs(factors).max() * 2).bit_length() if format else 0
    requantizer = _layer((Requantizer(factors, bias, shift, format),), 3, 90).requantizers[0]
    unit = RequantizeLane(requantizer, (Range(-91, 90),), np.array([2, 0, 1, -1]))
    words, expected = [], []
    for turn, j in enumerate([2, 0, 1]):
        for value in [-90, 90, *rng.integers(-90, 91, 20).tolist()]:
            words.append((turn, value))
            sums = requantizer.sums((np.full((1, 3), value),))
            expected.append(int(requantizer.codes(sums)[0, j]) - (format.lo if format else 0))
    found = simulate(unit, [unit.turn, unit.a0], words)
    width = len(unit.o)
    mask = (1 << width) - 1
    assert [word & mask for word in found] == [value & mask for value in expected]


@pytest.mark.some(6)
@pytest.mark.parametrize("chances", PAUSES)
@pytest.mark.parametrize("sizes", [(4, 5, 1, 3, 1), (4, 6, 1, 6, 2), (1, 4, 1, 4, 4), (1, 1, 1, 1)])
def test_output_serializer(sizes, chances, stream_run):
    rng = np.random.default_rng(0)
    fold = Fold(*sizes)
    n = fold.n_out
    several = tuple(
        Requantizer(*_requantizer(rng, n, kind), shift, format)
        for kind, shift, format in (("many", 16, CODE), ("one", 3, CodeFormat(4, False)))
    )
    layer = _layer(several, n, 60)
    unit = OutputSerializer(layer, fold, (Range(-61, 60),))
    vectors = rng.integers(-60, 61, (4, n))
    filled = np.pad(vectors, [(0, 0), (0, fold.groups * fold.parallel_outputs - n)])
    groups = filled.reshape(-1, fold.parallel_outputs)
    words = _words(groups, Range(-61, 60).format.width)
    run = stream_run(unit, words, 4 * fold.out_beats, chances=chances)
    streams = [r.codes(r.sums((vectors,))) - r.format.lo for r in layer.requantizers]
    lanes, found = fold.lanes, np.array(run.words)
    for k, (codes, start) in enumerate(zip(streams, (0, 3 * lanes), strict=True)):
        width = 3 + k
        fields = [(found >> (start + width * lane)) & ((1 << width) - 1) for lane in range(lanes)]
        got = np.stack(fields, axis=1).reshape(4, -1)[:, :n]
        np.testing.assert_array_equal(got, codes)
    if chances == (1.0, 1.0):
        assert run.taken[0] - run.accepted[0] == unit.latency


# Vectors in beats of other sizes.


def _in_beats(vectors, count, width):
    """Words of the vectors, some codes a beat, and which of their bits mean something."""
    rows, beats = len(vectors), -(-vectors.shape[1] // count)
    pad = [(0, 0), (0, beats * count - vectors.shape[1])]
    mask = np.pad(np.full(vectors.shape, (1 << width) - 1), pad)
    filled = np.pad(vectors, pad)
    return tuple(_words(v.reshape(rows * beats, count), width) for v in (filled, mask))


def _vector(n, width, count):
    beats = -(-n // count)
    addresses = (Address(width, 0, (1 << width) - 1, width),) * count
    return Payload((addresses,), beats, length=n if beats > 1 else None)


@pytest.mark.parametrize("chances", PAUSES)
@pytest.mark.parametrize(("n", "count"), [(2, 1), (5, 2), (6, 3), (7, 6)])
def test_split(n, count, chances, stream_run):
    vectors = np.random.default_rng(0).integers(0, 16, (6, n))
    unit = SplitStage(_vector(n, 4, n), count)
    expected, mask = _in_beats(vectors, count, 4)
    run = stream_run(unit, _in_beats(vectors, n, 4)[0], len(expected), chances=chances)
    assert [w & k for w, k in zip(run.words, mask, strict=True)] == expected
    assert unit.outputs == _vector(n, 4, count)
    if chances == (1.0, 1.0):
        beats = unit.outputs.beats
        assert run.taken[beats - 1] - run.accepted[0] == unit.latency
        assert np.diff(run.taken).tolist() == [1] * (len(expected) - 1)


@pytest.mark.parametrize("chances", PAUSES)
@pytest.mark.parametrize(
    ("n", "given", "count"), [(4, 1, 2), (5, 1, 2), (7, 2, 4), (5, 2, 5), (3, 1, 3), (9, 2, 6)]
)
def test_collect(n, given, count, chances, stream_run):
    vectors = np.random.default_rng(0).integers(0, 16, (6, n))
    unit = CollectStage(_vector(n, 4, given), count)
    expected, mask = _in_beats(vectors, count, 4)
    words = _in_beats(vectors, given, 4)[0]
    run = stream_run(unit, words, len(expected), chances=chances)
    assert [w & k for w, k in zip(run.words, mask, strict=True)] == expected
    assert unit.outputs == _vector(n, 4, count)
    if chances == (1.0, 1.0):
        assert run.taken[-1] - run.accepted[-1] == unit.latency
        assert np.diff(run.accepted).tolist() == [1] * (len(words) - 1)


@pytest.mark.parametrize(("n", "given", "count"), [(6, 2, 3), (6, 2, 2), (6, 3, 8)])
def test_collect_refuses(n, given, count):
    with pytest.raises(InputError, match=rf"\A{given} of {n} codes a beat cannot be collected to"):
        CollectStage(_vector(n, 4, given), count)


@pytest.mark.parametrize("count", [0, 4, 5])
def test_split_refuses(count):
    with pytest.raises(InputError, match=r"\ATo split a vector of 4 in 1 beats, it must come"):
        SplitStage(_vector(4, 3, 4), count)


@pytest.mark.some(8)
@pytest.mark.parametrize("chances", PAUSES)
@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("sums", [True, False])
def test_argmax(n, sums, chances, stream_run):
    values = np.random.default_rng(n).integers(-3, 4, (30, n))  # ties are frequent
    format = CodeFormat(3, True)
    payload = _vector(n, 3, 1)
    if sums:
        payload = Payload(((),), n, (format,), n)
    unit = SerialArgmax(payload)
    words = _words((values if sums else values - format.lo).reshape(-1, 1), 3)
    run = stream_run(unit, words, 30, chances=chances)
    assert run.words == argmax(values)[:, 0].tolist()
    if chances == (1.0, 1.0):
        assert run.taken[0] - run.accepted[n - 1] == unit.latency
        assert set(np.diff(run.taken).tolist()) == {n}


def test_packed_words():
    assert packed_words(np.array([[1, -1], [2, 3]]), 3) == [0b111001, 0b011010]
