"""Folded convolutions equal the Program to the bit, at the declared pace, under stalls."""

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
from kanhw.gateware.folded import folded_sums
from kanhw.gateware.folded.folded_stage import FoldedStage
from kanhw.gateware.image import window_pace
from kanhw.gateware.image.folded_convolution import FoldedConvolutionStage
from kanhw.gateware.image.folded_pooling import FoldedPoolingStage
from kanhw.gateware.image.pooling import PoolingStage
from kanhw.gateware.stream.flatten import GatherStage
from kanhw.gateware.stream.width_converter import CollectStage, SplitStage
from kanhw.gateware.top.chain import stages_of
from kanhw.gateware.top.generator import ports_of
from kanhw.gateware.top.stream_top import StreamTop
from kanhw.program import (
    BasisTableLayer,
    CodebookLayer,
    ConvolutionLayer,
    EdgeTableLayer,
    InputEncoder,
    PoolingLayer,
    Program,
    Requantizer,
)
from kanhw.schedule.schedule import Schedule
from kanhw.sim import check_design, find_simulator
from kanhw.windows import Window

CODE = CodeFormat(3, True)


def _folded(inputs, outputs, **fields):
    return Schedule(kind="folded", parallel_inputs=inputs, parallel_outputs=outputs, **fields)


def _check(program, schedule, stream_run, rng, *, count=6):
    """Compare with the Program, without pauses and with; check the declared timing."""
    top = StreamTop(program, schedule)
    inputs, outputs = ports_of(top, program)
    codes = rng.integers(inputs.format.lo, inputs.format.hi + 1, (count, program.n_in))
    words, expected = payload_ints(pack_codes(codes, inputs)), program(codes)

    def results(run):
        return unpack_codes(ints_to_words(run.words, outputs), outputs)

    run = stream_run(top, words, count * outputs.beats)
    np.testing.assert_array_equal(results(run), expected)
    ends = run.taken[outputs.beats - 1 :: outputs.beats]
    assert ends[0] - run.accepted[inputs.beats - 1] == top.latency
    pace = np.diff(ends[count // 2 :]).mean()
    assert top.initiation_interval - 1 < pace <= top.initiation_interval
    for chances, pause in (((0.5, 0.6), 0), ((1, 1), 40)):
        run = stream_run(
            *(top, words[: 2 * inputs.beats], 2 * outputs.beats),
            chances=chances,
            pause=pause,
            every=inputs.beats,
        )
        np.testing.assert_array_equal(results(run), expected[:2])
    return top, expected


def _random_network(seed, image_program):
    rng = np.random.default_rng(seed)
    kinds = rng.choice(["convolution", "convolution", "pooling"], int(rng.integers(1, 4))).tolist()
    program = image_program(rng, kinds, dense=seed % 2 == 0)
    return program, _folded(*rng.integers(1, 6, 2).tolist(), adder_levels=seed % 3), rng


@pytest.mark.some(2)
@pytest.mark.parametrize("seed", range(3))
def test_random_networks(seed, image_program, stream_run):
    program, schedule, rng = _random_network(seed, image_program)
    _check(program, schedule, stream_run, rng)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3, 103))
def test_many_random_networks(seed, image_program, stream_run):
    program, schedule, rng = _random_network(seed, image_program)
    _check(program, schedule, stream_run, rng)


# Layers of every kind, padded.


def _requantizer(rng, branches, n_out, *, last=False, reach=60):
    factors, bias = rng.integers(1, 90, (branches, n_out)), rng.integers(-90, 90, n_out)
    shift = int(reach * 45 * branches).bit_length() - 2
    return Requantizer(factors, bias, *((0, None) if last else (shift, CODE)))


def _edges(rng, n_in, n_out, *, last=False, name="edges"):
    # No entry is 0, so that padding which adds something is seen.
    tables = rng.integers(1, 20, (n_out, n_in, CODE.count)) * rng.choice([-1, 1], (n_out, 1, 1))
    return EdgeTableLayer(tables, (_requantizer(rng, 1, n_out, last=last),), name)


def _splines(rng, n_in, n_out, *, last=False, name="splines"):
    basis = np.array([[[4, 0, 0], [3, 2, 0], [0, 5, 1], [0, 1, 6]] * 2])
    return BasisTableLayer(
        basis=basis,
        basis_index=np.zeros(n_in, int),
        coefficients=rng.integers(-8, 8, (n_out, n_in, 3)),
        base=rng.integers(3, 8, (2, CODE.count, 1)),
        base_index=rng.integers(0, 2, n_in),
        base_weights=rng.integers(1, 8, (n_out, n_in, 1)),
        requantizers=(_requantizer(rng, 2, n_out, last=last),),
        name=name,
    )


def _codebook(rng, n_in, n_out, *, last=False, gains=(-4, 5), offsets=True, name="codebook"):
    given = {
        "biases": rng.integers(-3, 4, (n_out, n_in)),
        "offsets": rng.integers(6, 8, (2, CODE.count)),
        "offsets_index": rng.integers(0, 2, n_in),
    }
    return CodebookLayer(
        shapes=rng.integers(1, 8, (3, CODE.count)),
        index=rng.integers(0, 3, (n_out, n_in)),
        gains=rng.integers(*gains, (n_out, n_in)),
        base=rng.integers(3, 8, (1, CODE.count, 1)),
        base_index=np.zeros(n_in, int),
        base_weights=rng.integers(-4, 5, (n_out, n_in, 1)),
        requantizers=(_requantizer(rng, 2, n_out, last=last),),
        **(given if offsets else {}),
        name=name,
    )


def _equal_gains(rng, n_in, n_out, **fields):
    """Every edge is one of the shapes as it is: gains are not stored."""
    return _codebook(rng, n_in, n_out, gains=(1, 2), offsets=False, **fields)


def _convolution(rng, kind, n_out, shape, size, *geometry, last=False, **fields):
    window = Window(shape, size, *geometry)
    return ConvolutionLayer(kind(rng, window.taps, n_out, last=last, **fields), window)


def _network(*layers):
    return Program(layers, InputEncoder(CODE, layers[0].n_in))


PADDED = ((3, 3, 5), (3, 2), (1, 2), (1, 1), (1, 2))


@pytest.mark.some(2)
@pytest.mark.parametrize(
    ("kind", "parallel"),
    [
        (_edges, (7, 3)),
        (_splines, (1, 2)),
        (_codebook, (2, 4)),
        (_equal_gains, (7, 3)),
    ],
)
def test_padded_taps_add_nothing(kind, parallel, stream_run):
    """A part of a pixel at a time, and two pixels."""
    rng = np.random.default_rng(1)
    program = _network(_convolution(rng, kind, 4, *PADDED, last=parallel[0] == 2))
    top, outputs = _check(program, _folded(*parallel), stream_run, rng, count=4)
    assert len(np.unique(outputs)) > 4
    stage = next(stage for stage in top.stages if isinstance(stage, FoldedConvolutionStage))
    beats = {1: 18, 2: 12, 7: 3}[parallel[0]]
    assert stage.fold.beats == beats
    clocks = program.layers[0].window.positions * beats * -(-4 // parallel[1])
    assert top.initiation_interval == clocks


@pytest.mark.parametrize("shape", [(2, 2, 4), (1, 2, 2)])
def test_windows_of_padding_alone_wait_for_their_image(shape, stream_run):
    """The first windows read no pixel, but nothing may leave for an image that has not begun."""
    rng = np.random.default_rng(3)
    window = Window(shape, (1, 1), (1, 1), (1, 1))
    tables = rng.integers(-9, 10, (1, window.taps, CODE.count))
    join = Requantizer(np.ones((1, 1), int), np.array([5]))
    layer = ConvolutionLayer(EdgeTableLayer(tables, (join,)), window)
    program = Program((layer,), InputEncoder(CODE, window.n_in))
    top, _ = _check(program, _folded(1, 1), stream_run, rng)
    found = []

    async def nothing_comes(ctx):
        ctx.set(top.o.ready, 1)
        for _ in range(60):
            found.append(ctx.get(top.o.valid))
            await ctx.tick()

    simulator = Simulator(top)
    simulator.add_clock(1e-6)
    simulator.add_testbench(nothing_comes)
    simulator.run()
    assert not any(found)


def test_padding_forgotten_is_seen(monkeypatch, stream_run):
    rng = np.random.default_rng(1)
    program = _network(_convolution(rng, _edges, 2, *PADDED))
    monkeypatch.setattr(
        folded_sums.FoldedSums, "present", lambda self, m, lane, value, cycles: value
    )
    with pytest.raises(AssertionError, match="not equal"):
        _check(program, _folded(3, 2), stream_run, rng)


@pytest.mark.parametrize("change", [{"_lacks": 1}, {"_steps": 1}])
def test_wrong_timing_is_seen(change, monkeypatch, stream_run):
    rng = np.random.default_rng(1)
    program = _network(_convolution(rng, _edges, 2, (1, 3, 3), (3, 3)))
    build = window_pace.FoldedPace.__init__

    def wrong(self, *arguments):
        build(self, *arguments)
        for name, difference in change.items():
            setattr(self, name, getattr(self, name) + difference)

    monkeypatch.setattr(window_pace.FoldedPace, "__init__", wrong)
    with pytest.raises((AssertionError, IndexError)):
        _check(program, _folded(1, 2), stream_run, rng)


# Beside other stages.


def _kinds(program, schedule):
    return [type(stage) for stage in stages_of(program, schedule)]


def _pooling(shape, size):
    window = Window(shape, size, size)
    outputs = shape[0] * window.positions
    requantizer = Requantizer(np.ones((1, outputs), int), np.zeros(outputs, int), 1, CODE)
    return PoolingLayer(np.arange(8) - 4, "max", window, (requantizer,))


@pytest.mark.some(2)
@pytest.mark.parametrize(
    ("inputs", "between", "beats"),
    [
        (1, [], 24),
        (3, [CollectStage], 12),
        (11, [CollectStage, CollectStage], 3),
    ],
)
def test_layers_of_vectors_behind_images(inputs, between, beats, stream_run):
    """Beats are parts of pixels of four channels, all alike, or whole pixels."""
    rng = np.random.default_rng(7)
    first = _convolution(rng, _edges, 4, (1, 4, 3), (2, 2), (1, 1), name="first")
    program = _network(first, _splines(rng, 24, 3, last=True))
    schedule = _folded({"first": 2, "splines": inputs}, {"first": 2, "splines": 3})
    top, _ = _check(program, schedule, stream_run, rng, count=4)
    assert [type(stage) for stage in top.stages[1:]] == [*between, FoldedStage]
    assert top.stages[-1].fold.beats == beats


def test_pooling_between_convolutions(stream_run):
    rng = np.random.default_rng(8)
    program = _network(
        _convolution(rng, _splines, 4, (1, 5, 5), (2, 2), name="first"),
        _pooling((4, 4, 4), (2, 2)),
        _convolution(rng, _codebook, 3, (4, 2, 2), (1, 1), name="second"),
        _pooling((3, 2, 2), (2, 2)),
        _edges(rng, 3, 2, last=True),
    )
    schedule = _folded(2, 2)
    _check(program, schedule, stream_run, rng, count=4)
    assert _kinds(program, schedule) == [
        *(FoldedConvolutionStage, CollectStage, PoolingStage, SplitStage),
        *(FoldedConvolutionStage, FoldedPoolingStage, CollectStage, FoldedStage),
    ]


def test_windows_as_large_as_the_image(stream_run):
    """One window makes a vector, which may be an image of one pixel as well."""
    rng = np.random.default_rng(9)
    program = _network(
        _convolution(rng, _edges, 4, (2, 3, 2), (3, 2), name="first"),
        _convolution(rng, _splines, 3, (4, 1, 1), (3, 3), (1, 1), (1, 1), name="second"),
        _edges(rng, 3, 4, last=True),
    )
    program = replace(program, argmax=True)
    for inputs in (1, 4):
        _check(program, _folded(inputs, 2), stream_run, rng, count=3)


def test_unrolled_layers_still_gather(stream_run):
    """An index of the largest value wants the whole image at once."""
    rng = np.random.default_rng(9)
    program = replace(_network(_convolution(rng, _edges, 2, (1, 3, 3), (2, 2))), argmax=True)
    top, _ = _check(program, _folded(1, 2), stream_run, rng, count=4)
    assert GatherStage in [type(stage) for stage in top.stages]


def test_names_of_convolutions_are_known():
    rng = np.random.default_rng(0)
    program = _network(_convolution(rng, _edges, 2, (1, 3, 3), (2, 2)))
    message = r"\AThe schedule names layer 'other', but the layers that can be folded are 'edges'"
    with pytest.raises(InputError, match=message):
        generate_verilog(program, _folded({"other": 2}, 1))


@pytest.mark.some(2)
@pytest.mark.parametrize("reset_at", [9, 40, 75])
def test_reset_forgets_what_was_under_way(reset_at):
    rng = np.random.default_rng(2)
    program = _network(_convolution(rng, _splines, 2, (2, 3, 3), (2, 2), (1, 1), (1, 0)))
    top = StreamTop(program, _folded(1, 2))
    inputs, outputs = ports_of(top, program)
    codes = rng.integers(CODE.lo, CODE.hi + 1, (2, program.n_in))
    words = payload_ints(pack_codes(codes, inputs))
    m = Module()
    m.domains.sync = domain = ClockDomain()
    m.submodules.top = top
    seen: list[int] = []

    async def bench(ctx):
        for reset, ready, clocks in ((0, 0, reset_at), (1, 0, 1), (0, 1, 220)):
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


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["cocotb", "fast"])
def test_engines(engine, tmp_path):
    """The Verilog itself, in both engines."""
    rng = np.random.default_rng(8)
    program = _network(
        _convolution(rng, _splines, 4, (1, 8, 8), (3, 3), (2, 2), (1, 1), name="first"),
        _convolution(rng, _codebook, 4, (4, 4, 4), (3, 3), (1, 1), (1, 1), name="second"),
        _pooling((4, 4, 4), (4, 4)),
        _edges(rng, 4, 3, last=True),
    )
    design = kanhw.generate(program, tmp_path / "design", schedule=_folded(2, 2))
    try:
        find_simulator()
    except ToolNotFound as error:
        pytest.skip(str(error))
    codes = rng.integers(CODE.lo, CODE.hi + 1, (20, 64))
    both = engine == "cocotb"
    report = check_design(design.path, codes, engine=engine, stalls=both, reset_midstream=both)
    assert report.passed, report.problems
    assert report.latency_cycles == design.latency_cycles
    assert report.cycles_per_inference == design.initiation_interval
