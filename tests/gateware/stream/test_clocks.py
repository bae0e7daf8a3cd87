"""The formulas of clocks give what stages declare, which simulation measures."""

import numpy as np
import pytest

from kanhw.estimation.clocks import design_clocks
from kanhw.gateware.top.stream_top import StreamTop
from kanhw.schedule.formula import Formula
from kanhw.schedule.schedule import Schedule


def _folded(rng):
    inputs, outputs = (int(rng.integers(1, 5)) for _ in range(2))
    return Schedule(kind="folded", parallel_inputs=inputs, parallel_outputs=outputs)


def _check(program, schedule):
    clocks = design_clocks(program, schedule)
    top = StreamTop(program, schedule)
    assert len(clocks.stages) == len(top.stages)
    for own, stage in zip(clocks.stages, top.stages, strict=True):
        assert own.interval.value == stage.initiation_interval, own
        assert own.latency.value == stage.latency, own
    assert (clocks.latency, clocks.initiation_interval) == (top.latency, top.initiation_interval)
    assert clocks.lines()[-1] == (
        f"all stages together: every {top.initiation_interval} clocks, latency {top.latency}"
    )


@pytest.mark.some(4)
@pytest.mark.parametrize("seed", range(12))
def test_formulas_of_dense_networks(seed, random_program):
    rng = np.random.default_rng(seed)
    program = random_program(rng, argmax=seed % 3 == 0)
    _check(program, _folded(rng) if seed % 4 else Schedule())


@pytest.mark.parametrize("kinds", [["convolution"], ["convolution", "pooling"], ["pooling"]])
@pytest.mark.parametrize("seed", range(2))
def test_formulas_of_images(seed, kinds, image_program):
    rng = np.random.default_rng(seed)
    program = image_program(rng, kinds, dense=bool(seed))
    _check(program, Schedule())
    _check(program, _folded(rng))


def test_formulas_say_their_numbers():
    steps = Formula.ceil(784, 8) * Formula.ceil(64, 4)
    assert str(steps) == "ceil(784 / 8) * ceil(64 / 4) = 1568"
    assert str(Formula.of(2) + 3 + steps + -2) == "2 + 3 + ceil(784 / 8) * ceil(64 / 4) - 2 = 1571"
    assert str(Formula.of(7)) == "7"
