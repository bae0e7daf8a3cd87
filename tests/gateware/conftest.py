"""Random Programs, and a simulator that gives a component one word at every clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from amaranth.hdl import Module, Signal, Value
from amaranth.lib.wiring import Component
from amaranth.sim import Simulator

from kanhw.formats import CodeFormat, IntArray
from kanhw.gateware.core import ProgramCore
from kanhw.program import (
    BasisTableLayer,
    EdgeTableLayer,
    InputEncoder,
    Program,
    ProgramLayer,
    Requantizer,
)
from kanhw.schedule import Schedule

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


def _stimulus(program: Program, rng: np.random.Generator, count: int = 300) -> IntArray:
    """Every input vector where they are few, else corners and random ones."""
    format, n_in = program.input.format, program.n_in
    if format.width * n_in <= 12:
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
def pack() -> Callable[[IntArray, CodeFormat], list[int]]:
    return _pack


@pytest.fixture(scope="session")
def unpack() -> Callable[[list[int], int, CodeFormat], IntArray]:
    return _unpack
