"""Steps on another device: every tensor that meets another is there, followed without one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fabric_networks import data_of, rings, scattered
from torch._subclasses.fake_tensor import FakeTensorMode

from kanhw.errors import InputError
from kanhw.quant.fabric.fitting import FittedState, Fitter
from kanhw.quant.fabric.settings import FabricSettings
from kanhw.quant.fabric.training import FabricTraining

TARGETS = {
    "classification": ((2, 3, 2), lambda x, labels: labels),
    "binary": ((2, 3, 1), lambda x, labels: labels),
    "regression": ((2, 3, 2), lambda x, labels: np.sin(x / np.abs(x).max(axis=0))),
}


def image_data():
    x = np.random.default_rng(0).normal(size=(80, 16))
    return data_of(x, np.arange(80) % 2)


def followed(network, data, device):
    """An epoch and a look at validation on a device without memory, followed by PyTorch."""
    settings = FabricSettings(batch_size=16, encoder=True)
    training = FabricTraining(network, data, settings)
    samples, rows = training.stages.fitter.samples, scattered(training)[:1]
    with FakeTensorMode(allow_non_fake_inputs=True):
        fitter = Fitter(
            training.networks,
            training.task,
            samples,
            len(samples),
            settings.smoothness,
            device=device,
        )
        state = FittedState.of(rows)
        order = [torch.arange(len(samples)) for _ in rows]
        fitter.epoch(state, order, training.stages.rates, [1e-3] * fitter.steps)
        merit = fitter.merit(state.rows, torch.arange(20))
    assert fitter.native is None
    return fitter, state, merit


@pytest.mark.parametrize("task", TARGETS)
def test_what_meets_on_a_device_is_there(task):
    sizes, targets = TARGETS[task]
    x, labels = rings()
    fitter, state, merit = followed(sizes, data_of(x, targets(x, labels)), "meta")
    assert {fitter.samples.x.device.type, fitter.lower.device.type} == {"meta"}
    assert {own.device.type for own in (state.rows, state.mean, merit)} == {"cpu"}
    assert state.steps == fitter.steps


@pytest.mark.parametrize("shape", ["1x4x4-2@2x2-max2x2-2", "1x4x4-2@3x3p1-avg2x2-2"])
def test_images_are_followed_too(shape):
    fitter, state, _ = followed(shape, image_data(), "meta")
    assert fitter.samples.x.device.type == "meta" and state.steps == fitter.steps


def test_a_tensor_that_stayed_behind_is_seen(monkeypatch):
    from kanhw.quant.fabric.learned.network import Networks

    monkeypatch.setattr(Networks, "functions", lambda self, _: self._functions)
    x, labels = rings()
    with pytest.raises(RuntimeError, match="device"):
        followed((2, 3, 2), data_of(x, labels), "meta")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="sees no CUDA GPU here: leave device"):
        FabricTraining((2, 2, 2), data_of(*rings()), FabricSettings(device="cuda"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_step_on_a_gpu_is_that_of_the_processor():
    x, labels = rings()
    data = data_of(x, labels)
    states = []
    for device in ("cpu", "cuda"):
        training = FabricTraining((2, 3, 2), data, FabricSettings(batch_size=16, device=device))
        state = FittedState.of(scattered(training))
        fitter = training.stages.fitter
        order = [torch.arange(len(fitter.samples)) for _ in state.rows]
        fitter.epoch(state, order, 0.01 * training.stages.rates, [1e-3] * fitter.steps)
        states.append(state)
    assert torch.allclose(states[0].rows, states[1].rows, atol=2e-3)
