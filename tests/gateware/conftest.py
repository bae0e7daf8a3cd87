"""Random Programs, and a simulator that gives a component one word at every clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from amaranth.hdl import Module, Signal, Value
from amaranth.lib.wiring import Component
from amaranth.sim import Simulator

from kanhw.design.design import Port
from kanhw.design.packing import ints_to_words, pack_codes, payload_ints, unpack_codes
from kanhw.errors import InputError
from kanhw.formats import CodeFormat, IntArray
from kanhw.gateware.top.stream_top import StreamTop
from kanhw.gateware.unrolled.unrolled_layers import ProgramCore
from kanhw.program import (
    BasisTableLayer,
    ConvolutionLayer,
    EdgeTableLayer,
    InputEncoder,
    PoolingLayer,
    Program,
    ProgramLayer,
    Requantizer,
    with_code_ranges,
)
from kanhw.schedule.schedule import Schedule
from kanhw.windows import Window

Simulate = Callable[..., list[int]]


def _simulate(
    unit: Component, inputs: Sequence[Value], words: Sequence[Sequence[int]]
) -> list[int]:
    """Outputs for one vector of ``words`` at every clock, taken after exactly ``unit.latency``."""
    m = Module()
    m.submodules.unit = unit
    heartbeat = Signal()
    m.d.sync += heartbeat.eq(~heartbeat)  # a purely combinational unit needs a clock too
    output = Value.cast(unit.o)
    results: list[int] = []

    async def bench(ctx) -> None:
        for k in range(len(words) + unit.latency):
            if k < len(words):
                for port, word in zip(inputs, words[k], strict=True):
                    ctx.set(port, word)
            if unit.latency == 0 and k < len(words):
                results.append(ctx.get(output))
            await ctx.tick()
            if unit.latency and unit.latency - 1 <= k < len(words) + unit.latency - 1:
                results.append(ctx.get(output))

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert len(results) == len(words) > 0
    return results


def _pack(rows: IntArray, format: CodeFormat) -> list[int]:
    mask = (1 << format.width) - 1
    return [sum((int(v) & mask) << (k * format.width) for k, v in enumerate(row)) for row in rows]


def _unpack(words: list[int], count: int, format: CodeFormat) -> IntArray:
    mask = (1 << format.width) - 1
    raw = [[(word >> (k * format.width)) & mask for k in range(count)] for word in words]
    values = np.array(raw, np.int64)
    return np.where(values > format.hi, values - (1 << format.width), values)


def _run_core(program: Program, schedule: Schedule, codes: IntArray) -> IntArray:
    """What the hardware of a Program makes of codes, one vector a clock."""
    core = ProgramCore(program, schedule)
    port = Value.cast(core.i)
    words = [(word,) for word in _pack(codes, program.input.format)]
    return _unpack(_simulate(core, [port], words), program.n_out, program.output_format)


def _stimulus(program: Program, rng: np.random.Generator, count: int = 120) -> IntArray:
    """Every input vector where they are few, else corners and random ones."""
    format, n_in = program.input.format, program.n_in
    if format.width * n_in <= 9:
        grid = np.meshgrid(*[format.codes()] * n_in, indexing="ij")
        return np.stack([axis.ravel() for axis in grid], axis=1)
    corners = rng.choice([format.lo, format.hi], (32, n_in))
    return np.concatenate([corners, rng.integers(format.lo, format.hi + 1, (count, n_in))])


def _format(rng: np.random.Generator) -> CodeFormat:
    return CodeFormat(int(rng.integers(1, 6)), bool(rng.integers(2)))


def _requantizer(
    rng: np.random.Generator, accumulators: Sequence[IntArray], format: CodeFormat | None
) -> Requantizer:
    """Random, but with a sum that meets the code's range more often than not."""
    shape = (len(accumulators), accumulators[0].shape[1])
    small = rng.choice([0, 1, 1, 1, -1, 2, -8, 64], shape)
    multipliers = np.where(rng.random(shape) < 0.7, small, rng.integers(-90, 90, shape))
    if rng.random() < 0.3:
        multipliers = np.ones(shape, np.int64)
    sums = sum(m * a for m, a in zip(multipliers, accumulators, strict=True))
    bias = rng.integers(-9, 10, shape[1])
    shift = 0
    if format is not None:
        shift = int(rng.integers(0, 7))
        if rng.random() < 0.7:
            spread = int(np.ptp(sums, axis=0).max())
            shift = min(max((spread >> format.width).bit_length() - 1, 0), 20)
            middle = (format.lo + format.hi) // 2 << shift
            bias = bias + middle - (sums.min(axis=0) + sums.max(axis=0)) // 2
    return Requantizer(multipliers, bias, shift, format)


def _edge_tables(rng: np.random.Generator, n_out: int, n_in: int, depth: int) -> IntArray:
    scale = rng.choice([1, 3, 20])
    tables = rng.integers(-scale, scale + 1, (n_out, n_in, depth)) * rng.choice([1, 1, 4])
    tables[rng.random((n_out, n_in)) < 0.25] = 0
    tables[rng.random((n_out, n_in)) < 0.1] = 5  # a constant edge
    tables[rng.random(n_out) < 0.1] = 0  # an output without edges
    tables[:, rng.random(n_in) < 0.15] = 0  # an input that nobody reads
    if n_out > 1 and rng.random() < 0.3:
        tables[1] = tables[0]  # shared tables
    return tables


def _weights(rng: np.random.Generator, n_out: int, n_in: int, count: int) -> IntArray:
    weights = rng.integers(-9, 10, (n_out, n_in, count))
    weights[rng.random(weights.shape) < 0.3] = 0
    weights[rng.random(n_out) < 0.1] = 0
    return weights


def _layer(
    rng: np.random.Generator,
    formats: Sequence[CodeFormat],
    n_in: int,
    n_out: int,
    targets: Sequence[CodeFormat | None],
) -> ProgramLayer:
    streams = [int(rng.integers(len(formats))) for _ in range(2)]
    depths = [formats[s].count for s in streams]
    if rng.random() < 0.5:
        tables = _edge_tables(rng, n_out, n_in, depths[0])
        samples = tables.sum(axis=1).T  # the same address everywhere is sample enough
        requantizers = tuple(_requantizer(rng, [samples], target) for target in targets)
        return EdgeTableLayer(tables, requantizers, "edges", streams[0])
    kinds, count = int(rng.integers(1, n_in + 1)), int(rng.integers(1, 5))
    basis = rng.integers(0, 16, (kinds, depths[0], count)) * (rng.random(count) < 0.8)
    base = rng.integers(-8, 8, (kinds, depths[1], 1)) * int(rng.choice([1, 1, 2]))
    coefficients = _weights(rng, n_out, n_in, count)
    base_weights = _weights(rng, n_out, n_in, 1) * int(rng.random() < 0.8)
    index = [rng.integers(0, kinds, n_in) for _ in range(2)]
    samples = [
        np.einsum("jik,idk->dj", coefficients, basis[index[0]]),
        np.einsum("jik,idk->dj", base_weights, base[index[1]]),
    ]
    rows = rng.integers(0, depths[0], 64), rng.integers(0, depths[1], 64)
    samples = [values[r] for values, r in zip(samples, rows, strict=True)]
    return BasisTableLayer(
        basis=basis,
        basis_index=index[0],
        coefficients=coefficients,
        base=base,
        base_index=index[1],
        base_weights=base_weights,
        requantizers=tuple(_requantizer(rng, samples, target) for target in targets),
        name="basis",
        spline_stream=streams[0],
        base_stream=streams[1],
    )


def _random_program(rng: np.random.Generator, *, argmax: bool = False) -> Program:
    """A network of 1 to 3 layers that mixes everything a Program may hold."""
    sizes = rng.choice([1, 2, 3, 4, 5], int(rng.integers(2, 5))).tolist()
    input_format = _format(rng)
    formats: list[CodeFormat] = [input_format]
    layers = []
    for index, (n_in, n_out) in enumerate(pairwise(sizes)):
        last = index == len(sizes) - 2
        targets: list[CodeFormat | None] = [
            _format(rng) for _ in range(1 if last else int(rng.integers(1, 4)))
        ]
        if last and rng.random() < 0.5:
            targets = [None]
        layers.append(_layer(rng, formats, n_in, n_out, targets))
        formats = [target for target in targets if target is not None]
    return Program(tuple(layers), InputEncoder(input_format, sizes[0]), argmax)


def _random_ranges(program: Program, rng: np.random.Generator) -> Program:
    """The Program with fewer codes for some features, and for some values between layers."""

    def ends(format: CodeFormat, count: int, times: int = 1) -> tuple[IntArray, IntArray]:
        pair = np.sort(rng.integers(format.lo, format.hi + 1, (2, count)), axis=0)
        whole = rng.random(count) < 0.3
        lo, hi = np.where(whole, format.lo, pair[0]), np.where(whole, format.hi, pair[1])
        return lo.repeat(times), hi.repeat(times)

    layers = {}
    for number, layer in enumerate(program.layers):
        images = isinstance(layer, ConvolutionLayer | PoolingLayer)
        channels = layer.n_out // layer.window.positions if images else layer.n_out
        times = layer.window.positions if isinstance(layer, PoolingLayer) else 1
        layers[number] = [
            None if join.format is None else ends(join.format, channels, times)
            for join in layer.requantizers
        ]
    first = program.layers[0]
    channels = (first.window or Window((program.n_in, 1, 1), (1, 1))).shape[0]
    inputs = ends(program.input.format, channels, program.n_in // channels)
    return with_code_ranges(program, inputs=inputs, layers=layers)


def _simulator_of(unit: Component, bench: Callable[..., Awaitable[None]]) -> Simulator:
    """A unit at its start, with a testbench; it is compiled once, which takes most of the time."""
    kept = vars(unit).setdefault("simulator_of_tests", {})
    kept["bench"] = bench
    if "simulator" not in kept:

        async def current(ctx) -> None:
            await kept["bench"](ctx)

        kept["simulator"] = Simulator(unit)
        kept["simulator"].add_clock(1e-6)
        kept["simulator"].add_testbench(current)
    else:
        kept["simulator"].reset()
    return kept["simulator"]


class StreamRun:
    """Words through a unit with stream ports, at which edges, under random pauses of both ends."""

    def __init__(self, unit, words, count, *, chances=(1.0, 1.0), seed=0, pause=0, every=1) -> None:
        self.accepted: list[int] = []
        self.taken: list[int] = []
        self.words: list[int] = []
        self._unit, self._pending, self._count = unit, list(words), count
        self._chances, self._rng = chances, np.random.default_rng(seed)
        self._pause, self._every = pause, every
        _simulator_of(unit, self._bench).run()
        assert len(self.words) == count, f"{len(self.words)} of {count} outputs came"
        assert not self._pending

    async def _bench(self, ctx) -> None:
        unit, payload = self._unit, Value.cast(self._unit.o.payload)
        offering, stalled, quiet, edge, resting = False, None, 0, 0, 0
        ports, driven = (unit.i.valid, Value.cast(unit.i.payload), unit.o.ready), [None] * 3
        while quiet < 1000 and (self._pending or len(self.words) < self._count):
            resting -= 1
            wants = bool(self._pending) and resting < 0
            offering = offering or (wants and self._rng.random() < self._chances[0])
            ready = self._rng.random() < self._chances[1]
            # The simulator settles the whole design behind every value that is set.
            wanted = [offering, self._pending[0] if offering else 0, ready]
            for port, value, before in zip(ports, wanted, driven, strict=True):
                if value != before:
                    ctx.set(port, value)
            driven = wanted
            valid, word = ctx.get(unit.o.valid), ctx.get(payload)
            assert stalled is None or (valid and word == stalled), "a stalled output changed"
            quiet += 1
            if offering and ctx.get(unit.i.ready):
                del self._pending[0]
                self.accepted.append(edge)
                offering, quiet = False, 0
                if len(self.accepted) % self._every == 0:
                    resting = self._pause
            if valid and ready:
                self.words.append(word)
                self.taken.append(edge)
                quiet = 0
            stalled = word if valid and not ready else None
            edge += 1
            await ctx.tick()


def _check_images(program: Program, schedule: Schedule, rng: np.random.Generator) -> IntArray:
    """Compare hardware and Program on images, with pauses and without; check the timing."""
    top = StreamTop(program, schedule)
    inputs, outputs = Port.input_of(program), Port.output_of(program)
    codes = rng.integers(inputs.format.lo, inputs.format.hi + 1, (8, program.n_in))
    words = payload_ints(pack_codes(codes, inputs))
    expected = payload_ints(pack_codes(program(codes), outputs))
    run = StreamRun(top, words, len(expected))
    assert run.words == expected
    ends = run.taken[outputs.beats - 1 :: outputs.beats]
    assert ends[0] - run.accepted[inputs.beats - 1] == top.latency
    # The declared interval is the average of those that a chain takes turns between, rounded up.
    assert top.initiation_interval - 1 < np.diff(ends[4:]).mean() <= top.initiation_interval
    some, their = 2 * inputs.beats, 2 * outputs.beats
    for chances, pause in (((0.6, 0.6), 0), ((1, 0.3), 0), ((0.4, 1), 0), ((1, 1), 40)):
        run = StreamRun(top, words[:some], their, chances=chances, pause=pause, every=inputs.beats)
        assert run.words == expected[:their]
    return unpack_codes(ints_to_words(run.words, outputs), outputs)


def _random_window(
    rng: np.random.Generator, shape: tuple[int, ...], *, padded: bool = True
) -> Window:
    """Small, and larger than the image only where padding makes room."""
    while True:
        size, stride, dilation = rng.integers(1, 4, 2), rng.integers(1, 3, 2), rng.integers(1, 3, 2)
        padding = rng.integers(0, 3, 2) if padded else (0, 0)
        try:
            return Window(shape, size, stride, padding, dilation)
        except InputError:
            continue


def _convolution(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    formats: Sequence[CodeFormat],
    targets: Sequence[CodeFormat | None],
) -> ConvolutionLayer:
    window = _random_window(rng, shape)
    taps = _layer(rng, formats, window.taps, int(rng.integers(1, 4)), targets)
    return ConvolutionLayer(taps, window)


def _pooling(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    formats: Sequence[CodeFormat],
    targets: Sequence[CodeFormat | None],
) -> PoolingLayer:
    whole = Window(shape, shape[1:])
    window = whole if rng.random() < 0.4 else _random_window(rng, shape, padded=False)
    stream = int(rng.integers(len(formats)))
    mode = str(rng.choice(["sum", "max"]))
    table = rng.integers(-20, 20, formats[stream].count) * int(rng.choice([1, 1, 4]))
    if rng.random() < 0.1:
        table[:] = 3
    times = window.size[0] * window.size[1] if mode == "sum" else 1
    samples = np.sort(table)[:, None].repeat(shape[0], axis=1) * times
    requantizers = []
    for target in targets:
        one = _requantizer(rng, [samples], target)
        factors, bias = (v.repeat(window.positions, axis=-1) for v in (one.multipliers, one.bias))
        requantizers.append(Requantizer(factors, bias, one.shift, one.format))
    return PoolingLayer(table, mode, window, tuple(requantizers), stream=stream)


_IMAGE_LAYERS = {"convolution": _convolution, "pooling": _pooling}


def _image_program(rng: np.random.Generator, kinds: Sequence[str], *, dense: bool) -> Program:
    """A network over a small image: layers of these kinds, then perhaps a layer over vectors."""
    shape = tuple(rng.integers((1, 1, 1), (4, 7, 7)).tolist())
    encoder = InputEncoder(_format(rng), int(np.prod(shape)))
    formats: list[CodeFormat] = [encoder.format]
    layers: list[ProgramLayer] = []
    for index, kind in enumerate(kinds):
        last = index == len(kinds) - 1 and not dense
        targets: list[CodeFormat | None] = [
            _format(rng) for _ in range(1 if last else int(rng.integers(1, 3)))
        ]
        if last and rng.random() < 0.4:
            targets = [None]
        layer = _IMAGE_LAYERS[kind](rng, shape, formats, targets)
        shape = (layer.n_out // layer.window.positions, *layer.window.out_size)
        layers.append(layer)
        formats = [target for target in targets if target is not None]
    if dense:
        layers.append(_layer(rng, formats, int(np.prod(shape)), 2, [_format(rng)]))
    return Program(tuple(layers), encoder, argmax=bool(rng.random() < 0.2))


@pytest.fixture(scope="session")
def stream_run() -> type[StreamRun]:
    return StreamRun


@pytest.fixture(scope="session")
def check_images() -> Callable[[Program, Schedule, np.random.Generator], IntArray]:
    return _check_images


@pytest.fixture(scope="session")
def random_window() -> Callable[..., Window]:
    return _random_window


@pytest.fixture(scope="session")
def image_program() -> Callable[..., Program]:
    return _image_program


@pytest.fixture(scope="session")
def simulate() -> Simulate:
    return _simulate


@pytest.fixture(scope="session")
def run_core() -> Callable[[Program, Schedule, IntArray], IntArray]:
    return _run_core


@pytest.fixture(scope="session")
def stimulus() -> Callable[..., IntArray]:
    return _stimulus


@pytest.fixture(scope="session")
def random_program() -> Callable[..., Program]:
    return _random_program


@pytest.fixture(scope="session")
def random_ranges() -> Callable[[Program, np.random.Generator], Program]:
    return _random_ranges


@pytest.fixture(scope="session")
def pack() -> Callable[[IntArray, CodeFormat], list[int]]:
    return _pack


@pytest.fixture(scope="session")
def unpack() -> Callable[[list[int], int, CodeFormat], IntArray]:
    return _unpack
