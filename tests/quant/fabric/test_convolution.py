"""Edges that windows share: their Programs are exact, and what is read decides about channels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fabric_networks import data_of, scattered
from hypothesis import given, settings
from hypothesis import strategies as st

from kanhw.errors import InputError
from kanhw.quant.fabric.fitting import FittedState
from kanhw.quant.fabric.learned.freezing import freeze
from kanhw.quant.fabric.learned.lowering import lowered, unequal_values
from kanhw.quant.fabric.learned.pooling import Pool
from kanhw.quant.fabric.learned.shape import shape_of
from kanhw.quant.fabric.native.library import kernel_library
from kanhw.quant.fabric.settings import FabricSettings
from kanhw.quant.fabric.training import FabricTraining
from kanhw.windows import Window

SHAPES = (
    "2x5x6-3@2x3-3",
    "2x5x6-3@3x2-max2x2-4-3",
    "2x5x6-2@2x3-avg4x3-3",
    "2x5x6-2@3x3p1-max2x3-3@2x2-3",
    "2x5x6-2@3x3s2p1-avg3x2-4-3",
    "2x5x6-2@3x3p2-avg2x2s1-2@2x2s2-max2x2s1-3",
    "60-4-3",
)


def images(count=40, seed=0):
    """Of two channels in unlike units, and of three classes."""
    random = np.random.default_rng(seed)
    x = random.normal(0, 1, (count, 2, 30)) * [[1e-3], [5e4]] + [[0.2], [-7e5]]
    return x.reshape(count, 60), random.integers(0, 3, count)


def training_of(shape, **settings):
    own = FabricSettings(batch_size=16, **settings)
    return FabricTraining(shape, data_of(*images(), held_out=10), own)


@settings(max_examples=12, deadline=None)
@given(shape=st.sampled_from(SHAPES), seed=st.integers(0, 2**16))
def test_a_program_is_its_network_on_all_data(shape, seed):
    training = training_of(shape)
    networks, task = training.networks, training.task
    row = freeze(networks, scattered(training, 1, seed)).rows[0]
    program = lowered(networks, row, task)
    x, _ = images()
    assert unequal_values(networks, row, task, program, x) == 0
    widths = networks.layout.layers(row[None])[0].low.shape[1]
    assert widths == (60 if shape.startswith("60") else 2)


@pytest.mark.parametrize("shape", SHAPES[:-1])
def test_freezing_changes_no_sums(shape):
    training = training_of(shape)
    networks, x = training.networks, training.stages.fitter.samples.x.expand(2, -1, -1)
    rows = scattered(training)
    frozen = freeze(networks, rows).rows
    before, after = (networks.outputs(networks.evaluate(own), x) for own in (rows, frozen))
    # Outputs have biases that are rounded to what the edges left are multiples of.
    assert float((before - after).abs().max()) <= 2.0**-4
    assert float(before.std()) > 2.0**-2


def test_a_constant_that_padding_takes_away_is_no_bias():
    training = training_of("2x5x6-2@3x3p1-3")
    networks = training.networks
    rows = scattered(training, 1)
    first, _ = networks.layout.layers(rows)
    first.address_bits[:] = 0
    first.coefficients[:], first.fraction_bits[:] = 1, 2
    frozen = networks.layout.layers(freeze(networks, rows).rows)[0]
    # Only the middle tap is never padding.
    there = frozen.coefficients.abs().amax(-1) > 0
    expected = torch.ones(9, dtype=torch.bool)
    expected[4] = False
    assert torch.equal(there, expected.repeat(2).expand(1, 2, 18))
    program = lowered(networks, freeze(networks, rows).rows[0], training.task)
    codes = program.input.encode(images()[0])
    assert len(np.unique(program.activations(codes)[0][0][0])) > 1


def test_a_channel_that_nobody_reads_is_gone():
    training = training_of("2x5x6-3@2x2-max2x2-3")
    rows = scattered(training, 1)
    first, last = training.layout.layers(rows)
    first.address_bits[:, :, :4] = 0.3  # input channel 0
    last.address_bits[:, :, 4:8] = 0.2  # hidden channel 1, of 4 pooled values
    frozen = freeze(training.networks, rows).rows
    program = lowered(training.networks, frozen[0], training.task)
    convolution, pooling, _ = program.layers
    assert not convolution.active[1].any()
    assert not convolution.active[:, :4].any()
    assert (program.input.code_ends[1].reshape(2, 30)[0] == 0).all()
    assert (pooling.requantizers[0].code_ends[1].reshape(3, 4)[1] == 0).all()
    assert (pooling.requantizers[0].code_ends[1].reshape(3, 4)[[0, 2]] > 0).all()


@pytest.mark.parametrize("area", [(1, 1), (2, 2), (3, 1), (3, 3), (5, 7), (13, 1)])
def test_averages_are_rounded_as_the_program_rounds_them(area):
    window = Window((2, *area), area)
    pool = Pool("average", window, "pool")
    bits, read = np.array([6, 3]), np.array([4, 3])
    multipliers, bias, shift = pool.factors(bits, read)
    for k in range(2):
        sums = np.arange(pool.area * ((1 << bits[k]) - 1) + 1)
        upper = (multipliers[k] * sums + bias[k] + (1 << shift >> 1)) >> shift
        whole = (sums + pool.area // 2) // pool.area
        assert (upper == whole >> (bits[k] - read[k])).all()
    random = np.random.default_rng(0)
    codes = random.integers(0, 8, (50, 2 * pool.area))
    u = torch.tensor((codes + random.uniform(0.01, 0.99, codes.shape)) / 8)[None]
    pooled = pool(u, torch.full((1, 2), 3.0, dtype=u.dtype))[0].numpy()
    mean = (codes.reshape(50, 2, -1).sum(-1) + pool.area // 2) // pool.area
    assert (pooled == (mean + 0.5) / 8).all()


def test_averages_have_gradients_of_what_was_rounded():
    pool = Pool("average", Window((1, 1, 2), (1, 2)), "pool")
    u = torch.tensor([[[0.3, 1.2]]], requires_grad=True)
    bits = torch.tensor([[2.0]], requires_grad=True)
    pooled = pool(u, bits)
    pooled.sum().backward()
    assert float(pooled.detach()) == (2 + 0.5) / 4  # of the codes 1 and 3
    assert u.grad.tolist() == [[[0.5, 0.0]]]
    assert float(bits.grad) == pytest.approx(np.log(2) * (0.65 - 0.625))


def test_shapes_are_read():
    shape = shape_of("2x9x8-4@3x2s2p1-max2x2-10")
    convolution, last = shape.layers
    assert convolution.window == Window((2, 9, 8), (3, 2), (2, 2), (1, 1))
    assert convolution.pool.kind == "max"
    assert convolution.pool.window == Window((4, 5, 5), (2, 2), (2, 2))
    assert (shape.inputs, last.n_out, last.window) == ((2, 9, 8), 10, None)
    assert shape_of((2, 3, 4)) == shape_of("2-3-4")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("64-4@3x3-10", "'4@3x3' of the shape '64-4@3x3-10' takes an image, but 64 values"),
        ("1x8x8-4@9x9-10", "'4@9x9' of the shape .* fit an image of .8, 8.: at most .8, 8. do"),
        ("1x8x8-max2x2-10", "'max2x2' of the shape .* must follow a convolution"),
        ("1x8x8-2@2x2-max2x2-avg2x2-10", "'avg2x2' of the shape .* must follow a convolution"),
        ("1x8x8-2@2x2", "must end with a number of outputs"),
        ("1x8x8-0@2x2-4", "Sizes must be 2 to 17 integers of at least 1"),
        ("1x8x8-4x3x3-4", "Sizes must be 2 to 17 integers of at least 1"),
        ("60x1x1-2@3x3p1-3", "Windows of \\(3, 3\\) .* have taps that are always padding"),
        ("1x8x8-2@2x2-3", "The sizes begin with 1x8x8 inputs of 64 values, but the data have 60"),
    ],
)
def test_shapes_that_fit_nothing_are_refused(shape, message):
    with pytest.raises(InputError, match=message):
        training_of(shape)


@pytest.mark.skipif(kernel_library() is None, reason="no C++ compiler")
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("shape", SHAPES[:-1])
def test_an_epoch_of_the_kernel_is_that_of_pytorch(shape, frozen):
    cost = "bit-operations" if "avg" in shape else "lut"
    training = training_of(shape, encoder=not frozen, fabric_cost=cost)
    rows = scattered(training)
    learned = torch.ones_like(rows)
    if frozen:
        training.layout.layers(rows)[0].address_bits[0, :, 1] = 0.2
        found = freeze(training.networks, rows)
        rows, learned = found.rows, found.learned
    fitter = training.stages.fitter
    order = [torch.randperm(len(fitter.samples)) for _ in rows]
    weight = 1e-3 if cost == "lut" else 1e-5
    rates, betas = 0.01 * training.stages.rates * learned, [weight] * fitter.steps
    native, states = fitter.native, []
    assert native is not None
    for kernel in (native, None):
        fitter.native = kernel
        states.append(FittedState.of(rows))
        fitter.epoch(states[-1], order, rates, betas)
    assert float(states[0].mean.abs().max()) > 1e-2
    # Of what is not learned the kernel leaves some out.
    assert torch.allclose(*(own.mean * learned for own in states), atol=5e-5)
    assert torch.allclose(states[0].rows, states[1].rows, atol=2e-3)


def test_some_samples_at_a_time_are_all(monkeypatch):
    training = training_of("2x5x6-2@2x2-max2x2-3")
    networks, x = training.networks, training.stages.fitter.samples.x.expand(2, -1, -1)
    with torch.no_grad():
        layers = networks.evaluate(scattered(training))
        whole = networks.outputs(layers, x)
        monkeypatch.setattr("kanhw.quant.fabric.learned.network._AT_ONCE", 2 * 160 * 7)
        assert torch.equal(networks.outputs(layers, x), whole)
