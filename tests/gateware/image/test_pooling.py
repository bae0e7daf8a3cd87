"""Pooling and gathering equal the Program to the bit, at the declared edges."""

from dataclasses import replace

import numpy as np
import pytest

from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.gateware.image.pooling import GlobalPoolingStage, PoolingStage
from kanhw.gateware.parts.address import input_addresses
from kanhw.gateware.stream.flatten import GatherStage
from kanhw.gateware.stream.stage import Payload
from kanhw.gateware.top.chain import stages_of
from kanhw.program import InputEncoder, PoolingLayer, Program, Requantizer
from kanhw.schedule.schedule import Schedule
from kanhw.windows import Window

CODE = CodeFormat(4, True)


@pytest.mark.some(4)
@pytest.mark.parametrize("seed", range(12))
def test_one_pooling(seed, image_program, check_images):
    rng = np.random.default_rng(seed)
    program = image_program(rng, ["pooling"], dense=seed % 4 == 0)
    schedule = Schedule(adder_levels=seed % 3, table_registers=seed % 2 == 0)
    check_images(program, schedule, rng)


def _pooling(window, mode, bias=0, table=None):
    n_out = window.shape[0] * window.positions
    requantizer = Requantizer(np.full((1, n_out), 3), np.zeros(n_out, int) + bias, 2, CODE)
    table = CODE.codes() if table is None else table
    layer = PoolingLayer(table, mode, window, (requantizer,))
    return Program((layer,), InputEncoder(CODE, window.n_in))


@pytest.mark.some(2)
@pytest.mark.parametrize(
    ("mode", "size", "kind", "timing"),
    [
        ("sum", (4, 6), GlobalPoolingStage, 24),
        ("max", (4, 6), GlobalPoolingStage, 24),
        ("sum", (2, 2), PoolingStage, 24),
        ("max", (4, 5), PoolingStage, 24),
    ],
)
def test_stage_is_chosen_by_the_window(mode, size, kind, timing, check_images):
    rng = np.random.default_rng(1)
    relu = np.maximum(CODE.codes(), 0)
    # A bias that brings sums of many positive values back into the range of the codes.
    area = size[0] * size[1] if mode == "sum" else 3
    program = _pooling(Window((2, 4, 6), size, (1, 2)), mode, bias=-6 * area, table=relu)
    codes = rng.integers(CODE.lo, CODE.hi + 1, (50, program.n_in))
    assert len(np.unique(program(codes))) > 1
    (stage,) = stages_of(program, Schedule())
    assert type(stage) is kind
    assert stage.initiation_interval == timing
    check_images(program, Schedule(), rng)


def test_values_above_an_offset_are_pooled():
    program = _pooling(Window((2, 4, 4), (2, 2), (2, 2)), "max")
    (layer,) = program.layers
    (join,) = layer.requantizers
    reals = replace(join, scale=np.repeat([2.0, 3.0], 4), offset=np.repeat([0.5, -4.0], 4))
    above = replace(program, layers=(replace(layer, requantizers=(reals,)),))
    (stage,) = stages_of(above, Schedule())
    assert type(stage) is PoolingStage


def test_positions_must_be_alike():
    program = _pooling(Window((1, 2, 4), (2, 2), (2, 2)), "sum", bias=np.array([0, 1]))
    with pytest.raises(InputError, match=r"must be the same at all positions of the image"):
        stages_of(program, Schedule())


@pytest.mark.parametrize("chances", [(1, 1), (0.5, 0.5), (1, 0.2)])
def test_gather(chances, stream_run):
    inputs = Payload((input_addresses(CODE, 2), input_addresses(CodeFormat(2, False), 2)), 3)
    stage = GatherStage(inputs)
    rng = np.random.default_rng(2)
    images = [rng.integers(0, (16, 16, 4, 4), (3, 4)) for _ in range(7)]
    rows = [row for pixels in images for row in pixels.tolist()]
    words = [a + (b << 4) + (c << 8) + (d << 10) for a, b, c, d in rows]
    expected = [
        sum(int(v) << 4 * k for k, v in enumerate(pixels[:, :2].T.ravel()))
        + sum(int(v) << 24 + 2 * k for k, v in enumerate(pixels[:, 2:].T.ravel()))
        for pixels in images
    ]
    run = stream_run(stage, words, 7, chances=chances)
    assert run.words == expected
    assert [len(stream) for stream in stage.outputs.streams] == [6, 6]
    if chances == (1, 1):
        assert run.taken[0] - run.accepted[2] == stage.latency == 1
        assert set(np.diff(run.taken)) == {stage.initiation_interval} == {3}
