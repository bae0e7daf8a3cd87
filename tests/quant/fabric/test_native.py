"""The kernel's steps are those of PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fabric_networks import data_of, rings, scattered

from kanhw.quant.fabric.fitting import FittedState
from kanhw.quant.fabric.learned.freezing import freeze
from kanhw.quant.fabric.native.library import kernel_library
from kanhw.quant.fabric.settings import FabricSettings
from kanhw.quant.fabric.training import FabricTraining

pytestmark = pytest.mark.skipif(kernel_library() is None, reason="no C++ compiler")

TARGETS = {
    "classification": ((2, 3, 2), lambda x, labels: labels),
    "binary": ((2, 3, 1), lambda x, labels: labels),
    "regression": ((2, 3, 2), lambda x, labels: np.sin(x / np.abs(x).max(axis=0))),
}


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize("encoder", [False, True])
def test_an_epoch_is_the_same(task, encoder):
    sizes, targets = TARGETS[task]
    x, labels = rings()
    settings = FabricSettings(batch_size=16, encoder=encoder)
    training = FabricTraining(sizes, data_of(x, targets(x, labels)), settings)
    assert training.task.name == task
    fitter = training.stages.fitter
    native = fitter.native
    assert native is not None
    rows = scattered(training)
    order = [torch.randperm(len(fitter.samples)) for _ in rows]
    rates, betas = 0.01 * training.stages.rates, [1e-3, 2e-3, 3e-3, 4e-3]
    states = []
    for kernel in (native, None):
        fitter.native = kernel
        state = FittedState.of(rows)
        # One step more would tell apart what rounds to either side.
        fitter.epoch(state, order, rates, betas)
        states.append(state)
    one, other = states
    assert one.steps == other.steps == fitter.steps
    assert torch.allclose(one.mean, other.mean, atol=2e-5)
    assert torch.allclose(one.rows, other.rows, atol=2e-3)


@pytest.mark.parametrize("task", TARGETS)
def test_a_frozen_epoch_is_the_same(task):
    sizes, targets = TARGETS[task]
    x, labels = rings()
    training = FabricTraining(sizes, data_of(x, targets(x, labels)), FabricSettings(batch_size=16))
    rows = scattered(training)
    layers = training.layout.layers(rows)
    layers[0].address_bits[0, :, 1] = 0.2  # an input that nobody reads
    layers[0].address_bits[1, 1, 0] = 0.2
    layers[1].address_bits[1, :, 2] = 0.2
    frozen = freeze(training.networks, rows)
    fitter = training.stages.fitter
    order = [torch.randperm(len(fitter.samples)) for _ in rows]
    rates = 0.01 * training.stages.rates * frozen.learned
    states = []
    for kernel in (fitter.native, None):
        fitter.native = kernel
        state = FittedState.of(frozen.rows)
        fitter.epoch(state, order, rates, [1e-3, 1e-3, 1e-3, 1e-3])
        states.append(state)
    moved = (states[0].rows - frozen.rows).abs() > 0
    assert moved.any() and not moved[frozen.learned == 0].any()
    assert torch.allclose(states[0].rows, states[1].rows, atol=2e-3)
