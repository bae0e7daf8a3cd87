"""Norms in hardware equal the integer reference for every input, at their declared timing."""

import math
from dataclasses import replace

import numpy as np
import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.gateware.norm import norm_scaler, serial_layer_norm
from kanhw.gateware.norm.norm_stage import NormStage
from kanhw.gateware.norm.norm_sums import NormSums
from kanhw.gateware.norm.reciprocal_root import ReciprocalRoot
from kanhw.gateware.norm.serial_layer_norm import SerialLayerNorm
from kanhw.gateware.parts.address import Address, input_addresses
from kanhw.gateware.parts.multiplier import Multiplier
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.stream.stage import Payload
from kanhw.program import NormLayer, Requantizer
from kanhw.program.functions.tables import layer_norm


def _signed(words, shape):
    top = 1 << shape.width
    return [word - top if shape.signed and word >= top >> 1 else word for word in words]


def _ranges(bits):
    ends = st.integers(-(1 << bits), 1 << bits)
    return st.tuples(ends, ends).map(lambda pair: Range(min(pair), max(pair)))


@given(
    st.sampled_from([3, 17, 18, 26, 27, 30]).flatmap(_ranges),
    st.sampled_from([2, 16, 17, 18, 28]).flatmap(_ranges),
    st.sampled_from([0, 8, 50]).flatmap(_ranges),
    st.integers(0, 2**32),
)
def test_multiplier(simulate, a, b, c, seed):
    rng = np.random.default_rng(seed)
    unit = Multiplier(a, b, c)
    words = [tuple(int(rng.integers(r.lo, r.hi + 1)) for r in (a, b, c)) for _ in range(12)]
    words += [(x, y, z) for x in (a.lo, a.hi) for y in (b.lo, b.hi) for z in (c.lo, c.hi)]
    results = _signed(simulate(unit, [unit.a, unit.b, unit.c], words), unit.range.shape)
    assert results == [x * y + z for x, y, z in words]


def test_multiplier_costs_a_cycle_for_every_block():
    narrow = Range(-(1 << 17), (1 << 17) - 1)
    assert Multiplier(Range(-(1 << 26), 0), narrow).latency == 1
    assert Multiplier(Range(-(1 << 26), 0), Range(0, 1 << 17)).latency == 2
    assert Multiplier(Range(0, 1 << 26), narrow).latency == 2


def _roots(unit, variances):
    """Roots of one variance after the other, and the cycles that each took."""
    found = []

    async def bench(ctx):
        for variance in variances:
            ctx.set(unit.variance, variance)
            ctx.set(unit.start, 1)
            await ctx.tick()
            ctx.set(unit.start, 0)
            cycles = 1
            while not ctx.get(unit.done):
                await ctx.tick()
                cycles += 1
            found.append((ctx.get(unit.root), cycles))

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found


@pytest.mark.some(2)
@pytest.mark.parametrize("fraction_bits", [1, 2, 5, 8])
def test_reciprocal_root_exhaustively(fraction_bits):
    unit = ReciprocalRoot(fraction_bits, 1, 300)
    expected = [math.isqrt((1 << (2 * fraction_bits)) // v) for v in range(1, 301)]
    assert _roots(unit, range(1, 301)) == [(root, unit.latency) for root in expected]


@settings(max_examples=30)
@given(st.integers(1, 30), st.integers(0, 61), st.integers(0, 61), st.integers(0, 2**32))
def test_reciprocal_root(fraction_bits, one, other, seed):
    rng = np.random.default_rng(seed)
    lowest, highest = sorted([1 << one, 1 << other])
    unit = ReciprocalRoot(fraction_bits, lowest, highest)
    variances = [lowest, highest, *(int(rng.integers(lowest, highest + 1)) for _ in range(4))]
    # Perfect squares are where a digit is decided by a remainder of 0.
    side = math.isqrt(highest)
    variances += [v for v in (side * side, 1 << (2 * (one // 2))) if lowest <= v <= highest]
    expected = [math.isqrt((1 << (2 * fraction_bits)) // v) for v in variances]
    assert [root for root, _ in _roots(unit, variances)] == expected


@pytest.mark.parametrize("ends", [(0, 0, 1), (4, 0, 1), (4, 2, 1)])
def test_reciprocal_root_refuses(ends):
    with pytest.raises(InputError, match=r"\AA reciprocal root needs fraction_bits >= 1 and"):
        ReciprocalRoot(*ends)


def test_sums():
    rng = np.random.default_rng(0)
    codes = Range(-8, 7)
    rows = np.concatenate([[[-8] * 5, [7] * 5], rng.integers(-8, 8, (8, 5))])
    unit, seen = NormSums(5, codes), []

    async def bench(ctx):
        for row in rows.tolist():
            for k, code in enumerate(row):
                ctx.set(unit.valid, 1)
                ctx.set(unit.i, code)
                ctx.set(unit.first, k == 0)
                ctx.set(unit.last, k == 4)
                await ctx.tick()
        ctx.set(unit.valid, 0)
        await ctx.tick().repeat(6)

    async def watch(ctx):
        async for _, _, done, total, squares in ctx.tick().sample(
            unit.done, unit.sum, unit.squares
        ):
            if done:
                seen.append((total, squares))

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.add_testbench(watch, background=True)
    simulator.run()
    assert seen == [(int(r.sum()), int((r * r).sum())) for r in rows]


def _requantizer(rng, layer_reach, n, multipliers):
    """Random, with a sum that meets the code's range more often than not."""
    width = int(rng.integers(1, 9))
    factors = rng.integers(-multipliers, multipliers + 1, (1, n)) if multipliers else None
    factors = np.ones((1, n), np.int64) if factors is None else factors
    reach = min(layer_reach * max(int(np.abs(factors).max()), 1) + 1, 1 << 60)
    shift = max(min(reach.bit_length() - width - int(rng.integers(-1, 5)), 45), 0)
    bias = rng.integers(-(reach // 4) - 1, reach // 4 + 2, n)
    return Requantizer(factors, bias, shift, CodeFormat(width, bool(rng.integers(2))))


def _random_norm(rng):
    n = int(rng.choice([1, 2, 3, 4, 5, 8, 13, 16, 31, 64]))
    fraction = int(rng.integers(1, 31))
    epsilon = int(rng.choice([0, 0, 1, 7, 1000, 10**6, 2**40]))
    top = int(rng.choice([1, 300, 1 << 15]))
    gamma = rng.integers(-top, top + 1, n)
    if rng.random() < 0.2:
        gamma[:] = top
    placeholder = Requantizer(np.ones((1, n), int), np.zeros(n, int))
    layer = NormLayer(gamma, epsilon, fraction, int(rng.integers(2, 13)), (placeholder,))
    reach = int(np.abs(gamma).max()) * layer.normalised_bound
    # The last is wider than a multiplier block.
    multipliers = [0, 0, 99, 1 << 13][: 3 if reach.bit_length() > 46 else 4]
    return replace(
        layer,
        requantizers=tuple(
            _requantizer(rng, reach, n, int(rng.choice(multipliers)))
            for _ in range(int(rng.integers(1, 4)))
        ),
    )


def _codes(rng, n, width, count=5):
    """Corner vectors, then random ones."""
    top = (1 << width) - 1
    rows = [
        np.zeros(n),
        np.full(n, top),
        np.full(n, rng.integers(0, top + 1)),
        rng.choice([0, top], n),
        np.arange(n) == n - 1,
        top * (np.arange(n) > 0),
        np.where(np.arange(n) % 2, top, 0),
        *rng.integers(0, top + 1, (count, n)),
    ]
    return np.array(rows, np.int64)


def _expected(layer, rows):
    """The addresses ``[requantizers, N * n]`` that the norm must hand out."""
    normalised = layer.gamma * layer_norm(rows, layer.epsilon, layer.fraction_bits)
    return np.array(
        [(r.codes(r.sums((normalised,))) - r.format.lo).ravel() for r in layer.requantizers]
    )


def _addresses(unit, words):
    layout, found = unit.o.payload.shape(), []
    for k in range(len(layout.members)):
        field = layout[str(k)] if str(k) in layout.members else None
        if field is not None:
            mask = (1 << field.width) - 1
            found.append([(word >> field.offset) & mask for word in words])
    return np.array(found)


CHANCES = [(1.0, 1.0), (0.6, 1.0), (1.0, 0.5), (0.4, 0.4)]


# Every number of elements, every rhythm, the widest multipliers; most of the long vectors are slow.
QUICK = {0, 1, 5, 6, 7, 8, 9, 10, 12, 14, 16, 19, 23, 31, 36, 38}


@pytest.mark.some(6)
@pytest.mark.parametrize(
    "seed",
    [pytest.param(k, marks=[] if k in QUICK else [pytest.mark.slow]) for k in range(40)],
)
def test_serial_norm_equals_the_reference(seed, stream_run):
    rng = np.random.default_rng(seed)
    layer = _random_norm(rng)
    rows = _codes(rng, layer.n_in, layer.width)
    unit = SerialLayerNorm(layer)
    words = rows.ravel().tolist()
    run = stream_run(unit, words, len(words), chances=CHANCES[seed % 4], seed=seed)
    np.testing.assert_array_equal(_addresses(unit, run.words), _expected(layer, rows))
    code = unit.o.payload.shape()["code"].offset
    assert [(word >> code) & ((1 << layer.width) - 1) for word in run.words] == words


def test_random_norms_are_worth_running():
    varied, wide, sizes = 0, 0, set()
    for seed in sorted(QUICK):
        rng = np.random.default_rng(seed)
        layer = _random_norm(rng)
        rows = _codes(rng, layer.n_in, layer.width)
        sizes.add((layer.n_in, seed % 4))
        varied += len(np.unique(_expected(layer, rows)[0])) > 2
        wide += max(int(np.abs(layer.gamma * r.multipliers).max()) for r in layer.requantizers) > (
            1 << 26
        )
    assert varied > 10
    assert wide > 1
    assert {n for n, _ in sizes} == {1, 2, 3, 4, 5, 8, 13, 16, 31, 64}
    assert {rhythm for _, rhythm in sizes} == set(range(len(CHANCES)))


@pytest.mark.some(2)
@pytest.mark.parametrize(("n", "fraction"), [(1, 9), (2, 20), (7, 12), (40, 24)])
def test_timing_is_as_declared(n, fraction, stream_run):
    rng = np.random.default_rng(n)
    requantizer = Requantizer(np.ones((1, n), int), np.zeros(n, int), fraction, CodeFormat(6, True))
    layer = NormLayer(rng.integers(1, 9, n), 5, fraction, 6, (requantizer,))
    unit = SerialLayerNorm(layer)
    words = rng.integers(0, 64, 8 * n).tolist()
    run = stream_run(unit, words, len(words))
    assert run.taken[0] - run.accepted[n - 1] == unit.latency
    assert set(np.diff(run.taken[4 * n :: n]).tolist()) == {unit.initiation_interval}
    stage = NormStage(layer, Payload((input_addresses(CodeFormat(6, False), n),)))
    vectors = [sum(c << (6 * k) for k, c in enumerate(words[n * v : n * v + n])) for v in range(8)]
    run = stream_run(stage, vectors, len(vectors))
    assert run.taken[0] - run.accepted[0] == stage.latency
    assert set(np.diff(run.taken[4:]).tolist()) == {stage.initiation_interval}
    assert stage.initiation_interval == max(n, unit.initiation_interval)


def _norm(n, passes=(), stream=0):
    rng = np.random.default_rng(9)
    gamma = rng.integers(40, 90, n)
    requantizer = Requantizer(
        np.ones((1, n), int), rng.integers(-(1 << 18), 1 << 18, n), 16, CodeFormat(5, True)
    )
    return NormLayer(gamma, 11, 14, 6, (requantizer,), stream=stream, passes=passes)


def test_passed_streams_stay_in_step(stream_run):
    """The normalised stream itself and one of raw sums, in addresses of several widths."""
    n = 5
    own = input_addresses(CodeFormat(6, True), n)
    raw = tuple(Address(width, 0, (1 << width) - 1, 2, -3) for width in (4, 3, 6, 5, 1))
    unread = input_addresses(CodeFormat(2, True), n)
    layer = _norm(n, passes=(2, 0, 2), stream=0)
    stage = NormStage(layer, Payload((own, unread, raw)))
    assert stage.outputs.streams[1:] == (raw, own, raw)
    rng = np.random.default_rng(0)
    vectors = [
        [[int(rng.integers(1 << a.width)) for a in stream] for stream in (own, unread, raw)]
        for _ in range(20)
    ]
    words = [_pack_payload(stage.inputs.layout, vector) for vector in vectors]
    codes = _expected(layer, np.array([vector[0] for vector in vectors]))[0].reshape(-1, n)
    for chances in CHANCES:
        run = stream_run(stage, words, len(words), chances=chances)
        expected = [
            _pack_payload(stage.outputs.layout, [code.tolist(), vector[2], vector[0], vector[2]])
            for code, vector in zip(codes, vectors, strict=True)
        ]
        assert run.words == expected


def _pack_payload(layout, streams):
    word = 0
    for k, values in enumerate(streams):
        inner = layout[str(k)]
        for i, value in enumerate(values):
            word |= value << (inner.offset + inner.shape[str(i)].offset)
    return word


def test_codes_that_reach_only_a_part_of_their_format(stream_run):
    """Narrower sums, and still exact at the ends of what can occur."""
    layer = _norm(8)
    addresses = tuple(Address(6, 20 + k % 3, 40 + k, 6) for k in range(8))
    rng = np.random.default_rng(0)
    rows = rng.integers(20, 41, (30, 8))
    rows[0], rows[1] = [a.lo for a in addresses], [a.hi for a in addresses]
    rows = rows.clip([a.lo for a in addresses], [a.hi for a in addresses])
    unit = SerialLayerNorm(layer, addresses)
    run = stream_run(unit, rows.ravel().tolist(), rows.size)
    np.testing.assert_array_equal(_addresses(unit, run.words), _expected(layer, rows))


class _FaultyRoot(ReciprocalRoot):
    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += self.root[0].eq(0)
        return m


class _FaultySums(NormSums):
    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += self.squares[1].eq(0)
        return m


class _FaultyMultiplier(Multiplier):
    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += self.o[15].eq(0)
        return m


@pytest.mark.some(2)
@pytest.mark.parametrize(
    ("module", "name", "fault"),
    [
        (serial_layer_norm, "ReciprocalRoot", _FaultyRoot),
        (serial_layer_norm, "NormSums", _FaultySums),
        (norm_scaler, "Multiplier", _FaultyMultiplier),
    ],
)
def test_planted_faults_are_seen(module, name, fault, monkeypatch, stream_run):
    layer = _norm(6)
    rows = _codes(np.random.default_rng(0), 6, 6, 20)
    monkeypatch.setattr(module, name, fault)
    unit = SerialLayerNorm(layer)
    run = stream_run(unit, rows.ravel().tolist(), rows.size)
    assert (_addresses(unit, run.words) != _expected(layer, rows)).any()
