"""Float models of every kind of edge, with widths so large that nothing is lost."""

from __future__ import annotations

from dataclasses import replace

import float_models
import numpy as np
import pytest
import torch

from kanhw.errors import InputError
from kanhw.model.activation import Activation
from kanhw.model.network import KanModel
from kanhw.quant.fabric.learned.freezing import freeze
from kanhw.quant.fabric.settings import FabricSettings
from kanhw.quant.fabric.training import Data, FabricTraining
from kanhw.quant.planning.freeze import freeze_norms
from kanhw.windows import Window


def training_of(model, x, y):
    settings = FabricSettings(most_bits=8)
    return FabricTraining(model, Data(x[20:], y[20:], x[:20], y[:20]), settings)


def fine(training):
    """The start with tables as fine as they can be."""
    rows = training.layout.start(0, 0)[None]
    for layer, structure in zip(
        training.layout.layers(rows), training.layout.structure.layers, strict=True
    ):
        layer.fraction_bits[:] = 10
        # Without the noise of a start.
        layer.coefficients[:] = torch.tensor(structure.coefficients)
    return rows


@pytest.mark.parametrize("kind", ["efficient_kan", "no_base_weights", "fast_kan"])
def test_a_network_starts_as_the_float_model(kind):
    rng = np.random.default_rng(1)
    model = float_models.MODELS[kind](rng)
    x = rng.uniform(-1.5, 1.5, (300, 3))
    y = model(x)
    training = training_of(model, x, y)
    networks, task = training.networks, training.task
    with torch.no_grad():
        sums = networks.outputs(networks.evaluate(fine(training)), training._features(x)[None])[0]
    expected = freeze_norms(model, x[20:]).model(x)
    reached = sums.numpy() * task.scale + task.offset
    # The tails of inputs and sums are clipped: a percent of each.
    error = np.median(np.abs(reached - expected), axis=0) / expected.std(axis=0)
    assert (error < 0.03).all()


def test_activations_behind_sums_are_in_the_next_curves():
    rng = np.random.default_rng(1)
    model = float_models.kagn(rng)
    x = rng.uniform(-1.5, 1.5, (300, 3))
    labels = model(x).argmax(axis=1)
    training = training_of(model, x, labels)
    networks = training.networks
    with torch.no_grad():
        sums = networks.outputs(networks.evaluate(fine(training)), training._features(x)[None])
    frozen = freeze_norms(model, x[20:]).model
    hidden = frozen.layers[0](x)
    expected = frozen.layers[1].sums(hidden)
    reached = training.task.whole(sums)[0].numpy()
    assert (reached.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.95
    with pytest.raises(InputError, match="an activation behind the last sums has no place"):
        training_of(model, x, model(x))


def test_symbolic_edges_are_functions_of_their_own():
    rng = np.random.default_rng(1)
    model = float_models.pykan(rng)
    first = model.layers[0]
    x = rng.uniform(-1.5, 1.5, (100, 3))
    with pytest.raises(InputError, match="its sums are changed by Products"):
        training_of(model, x, model(x))
    plain = type(model)((type(first)(**{**vars(first), "post": ()}),))
    y = plain(x)
    training = training_of(plain, x, y)
    networks, task = training.networks, training.task
    with torch.no_grad():
        sums = networks.outputs(networks.evaluate(fine(training)), training._features(x)[None])[0]
    reached = sums.numpy() * task.scale + task.offset
    assert (np.median(np.abs(reached - y), axis=0) < 0.02 * y.std(axis=0)).all()


@pytest.mark.parametrize(
    ("pooling", "names"), [("max", ()), ("average", ()), ("max", ("tanh",)), ("average", ("silu",))]
)
def test_windows_start_as_the_float_model(pooling, names):
    rng = np.random.default_rng(1)
    model = float_models.conv(rng)
    convolution, pool, head = model.layers
    taps = replace(convolution.taps, post=tuple(map(Activation, names)))
    layers = (replace(convolution, taps=taps), replace(pool, kind=pooling), head)
    model = KanModel(layers, shape=model.shape)
    x = rng.uniform(-1, 1, (300, 16))
    y = model(x)
    training = training_of(model, x, y)
    networks, task = training.networks, training.task
    with torch.no_grad():
        sums = networks.outputs(networks.evaluate(fine(training)), training._features(x)[None])[0]
    reached = sums.numpy() * task.scale + task.offset
    assert (np.median(np.abs(reached - y), axis=0) < 0.03 * y.std(axis=0)).all()
    # Averages are of an activation's values, which have codes of their own; what rises goes behind
    # the largest.
    assert len(networks.layout.structure.layers) == (3 if pooling == "average" and names else 2)


def test_windows_that_have_no_place_are_refused():
    rng = np.random.default_rng(1)
    convolution, pool, head = float_models.conv(rng).layers
    x = rng.uniform(-1, 1, (40, 16))
    labels = np.arange(40) % 3
    once = replace(pool, window=Window((2, 2, 2), (1, 1)))
    first = replace(pool, window=Window((1, 4, 4), (1, 1)))
    for layers, message in (
        ((convolution, pool, once, head), "pool: only the sums of a layer are pooled, and once"),
        ((first, convolution, pool, head), "pool: only the sums .* pool the data"),
        ((convolution,), "0: the last layer must read all values"),
    ):
        with pytest.raises(InputError, match=message):
            training_of(KanModel(layers, shape=(1, 4, 4)), x, labels)


def test_sums_of_starts_stay_in_reach_however_many_inputs_are_alike():
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (200, 1)) ** 4 + rng.uniform(0, 0.1, (200, 500))
    y = rng.integers(0, 2, 200)
    data = Data(x[20:], y[20:], x[:20], y[:20])
    training = FabricTraining((500, 8, 2), data, FabricSettings(most_bits=4))
    networks = training.networks
    rows = torch.stack([training.layout.start(0, k) for k in range(2)])
    with torch.no_grad():
        layer = networks.evaluate(rows)[0]
        sums = networks.sums(layer, training._features(x).expand(2, -1, -1))
    assert 0.05 < sums.square().mean().sqrt() < 2


@pytest.mark.parametrize("task", ["classes", "reals"])
def test_the_cost_of_many_edges_weighs_little_at_first(task):
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (60, 400))
    y = rng.integers(0, 2, 60) if task == "classes" else x[:, :2] + x[:, 2:4]
    data = Data(x[20:], y[20:], x[:20], y[:20])
    own = FabricTraining((400, 16, 2), data, FabricSettings(fabric="ultrascale+"))
    fitter = own.stages.fitter
    low, high = own.stages.pressure
    with torch.no_grad():
        start = own.networks.costs(own.networks.evaluate(own.layout.start(0, 0)[None]))
    assert low * float(start) == pytest.approx(0.1)
    assert high in (2e-3, 2e-2)
    given = FabricTraining((400, 16, 2), data, FabricSettings(pressure=(1e-4, 1e-3)))
    assert given.stages.pressure[0] > 5e-5
    assert fitter.count == 40


def test_many_networks_in_parts_are_those_at_once(monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1, 1, (120, 3)), rng.integers(0, 2, 120)
    data = Data(x[20:], y[20:], x[:20], y[:20])
    training = FabricTraining((3, 2, 2), data, FabricSettings(most_bits=4))
    rows = torch.stack([training.layout.start(0, k) for k in range(5)])
    training.layout.layers(rows)[0].address_bits[2, :, 1] = 0.2
    networks, fitter = training.networks, training.stages.fitter
    features = training._features(x)
    with torch.no_grad():
        layers = networks.evaluate(rows)
        whole = networks.outputs(layers, features.expand(5, -1, -1))
    costs, frozen = fitter.costs(rows), freeze(networks, rows)
    monkeypatch.setattr("kanhw.quant.fabric.learned.network._AT_ONCE", 600)
    assert len(networks.groups(rows)) == 3
    assert torch.equal(networks.outputs_of(rows, features), whole)
    assert torch.equal(fitter.costs(rows), costs)
    parts = freeze(networks, rows)
    assert torch.equal(parts.rows, frozen.rows)
    assert torch.equal(parts.learned, frozen.learned)
