"""What is trained is what is deployed: a Program equals its network, code by code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fabric_networks import data_of, rings, scattered
from hypothesis import given, settings
from hypothesis import strategies as st

from kanhw.quant.fabric.learned.freezing import freeze
from kanhw.quant.fabric.learned.lowering import lowered, unequal_values
from kanhw.quant.fabric.settings import FabricSettings
from kanhw.quant.fabric.training import Data, FabricTraining


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_a_program_is_its_network_on_all_data(seed):
    x, labels = rings()
    training = FabricTraining((2, 3, 4, 2), data_of(x, labels), FabricSettings())
    rows = freeze(training.networks, scattered(training, 1, seed)).rows
    program = lowered(training.networks, rows[0], training.task)
    assert unequal_values(training.networks, rows[0], training.task, program, x) == 0


def test_sums_that_are_coarser_than_codes_keep_the_bias(training, data):
    rows = scattered(training)
    for layer in training.layout.layers(rows):
        layer.fraction_bits[:] = -2
        layer.address_bits[:] = 5
        layer.coefficients[:] *= 20
    training.layout.layers(rows)[0].code_bits[:] = 5
    rows = freeze(training.networks, rows).rows
    program = lowered(training.networks, rows[0], training.task)
    assert program.layers[0].requantizers[0].shift == 0
    assert unequal_values(training.networks, rows[0], training.task, program, data.x) == 0


def test_a_wrong_table_is_seen(training, data):
    rows = freeze(training.networks, scattered(training)).rows
    program = lowered(training.networks, rows[0], training.task)
    moved = rows[0].clone()
    moved[training.layout.parameters[0].size] += 0.5  # the first bias
    assert unequal_values(training.networks, moved, training.task, program, data.x) > 0


def test_freezing_changes_no_class(training):
    rows = scattered(training)
    fitter = training.stages.fitter
    x = fitter.samples.x.expand(2, -1, -1)
    before = fitter.networks.outputs(fitter.networks.evaluate(rows), x)
    frozen = freeze(training.networks, rows).rows
    after = fitter.networks.outputs(fitter.networks.evaluate(frozen), x)
    finest = 2.0**-6
    assert float((before - after).abs().max()) <= finest
    again = freeze(training.networks, frozen).rows
    assert torch.equal(frozen, again)


def test_what_nobody_reads_is_gone(training):
    rows = scattered(training)
    layers = training.layout.layers(rows)
    layers[0].address_bits[:, :, 1] = 0.4  # rounds to none: nobody reads input 1
    layers[1].address_bits[:, :, 0] = 0.2  # nor hidden neuron 0
    frozen = freeze(training.networks, rows).rows
    program = lowered(training.networks, frozen[0], training.task)
    assert program.input.code_ends[1][1] == 0
    assert not program.layers[0].active[0].any()
    assert not program.layers[0].active[:, 1].any()
    assert not program.layers[1].active[:, 0].any()
    read = training.layout.layers(frozen)
    assert float(read[0].coefficients[0, 0].abs().max()) == 0


def test_outputs_of_unequal_units_have_units_of_their_own():
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, (60, 2))
    y = np.stack([1e6 * x[:, 0] + 3e7, 1e-3 * x[:, 1] ** 2], axis=1)
    training = FabricTraining((2, 2, 2), Data(x[:40], y[:40], x[40:], y[40:]), FabricSettings())
    rows = freeze(training.networks, scattered(training)).rows
    program = lowered(training.networks, rows[0], training.task)
    assert unequal_values(training.networks, rows[0], training.task, program, x) == 0
    scale = program.output_scale
    assert scale[0] > 1e3
    assert scale[1] < 1e-2
    outputs = program.decode_output(program(program.input.encode(x)))
    assert outputs[:, 0].mean() == pytest.approx(3e7, rel=0.2)
