"""Hessian traces: against closed forms, and the criterion against measured losses."""

import numpy as np
import pytest

from kanhw.errors import InputError
from kanhw.model.activation import Activation
from kanhw.model.bases.basis import NoBasis
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel
from kanhw.quant import QuantConfig, sensitivity
from kanhw.quant.analysis.units import Unit
from kanhw.quant.planning.plan import make_plan

pytest.importorskip("torch")
from kanhw.quant.analysis.traces import hessian_losses, hessian_traces


def linear(rng, n_in, n_out):
    return KanLayer(
        NoBasis(n_in),
        np.empty((n_out, n_in, 0)),
        rng.normal(size=(n_out, n_in)),
        Activation("identity"),
        np.zeros(n_out),
        "linear",
    )


def test_a_linear_layer_has_a_closed_form():
    rng = np.random.default_rng(0)
    model = KanModel((linear(rng, 6, 3),))
    x = rng.normal(size=(60, 6))
    config = QuantConfig(realisation="basis_table")
    traces = hessian_traces(model, x, x, config, draws=400, tolerance=0)
    assert traces.draws == 400
    quantizer = make_plan(model, x, config).consumers[0].streams[0]
    codes = quantizer.dequantize(quantizer.quantize(x))
    outputs = model(x)
    # Loss = sum (y - y0)^2 / (N n_out variance), and y is linear in everything.
    scale = 1 / (outputs.size * outputs.var(axis=0).mean())
    weights = model.layers[0].base_weights
    # Of the weights: every output has the inputs' squares; 18 weights.
    expected = scale * 3 * np.square(codes).sum() / 18
    assert traces.mean[Unit("linear", "base")] == pytest.approx(expected, rel=0.05)
    # Of what is looked up for inputs: the weights' squares; 6 values a sample.
    expected = scale * 60 * np.square(weights).sum() / 6
    assert traces.mean[Unit("linear", "basis")] == pytest.approx(expected, rel=0.02)
    # Of the inputs the same, but the slopes of tables of 8 bits are those of their steps.
    assert traces.mean[Unit("linear", "activation")] == pytest.approx(expected, rel=0.1)


def test_one_output_needs_no_luck():
    # With one output and one sample every random vector gives the same.
    rng = np.random.default_rng(1)
    model = KanModel((linear(rng, 4, 1),))
    x = rng.normal(size=(30, 4))
    config = QuantConfig(realisation="edge_table")
    traces = hessian_traces(model, x, x, config, seed=4)
    assert traces.draws < 100
    outputs = model(x)
    scale = 1 / (outputs.size * outputs.var(axis=0).mean())
    # Every edge adds what it looks up.
    assert traces.mean[Unit("linear", "table")] == pytest.approx(scale * 30)
    expected = scale * 30 * np.square(model.layers[0].base_weights).sum() / 4
    assert traces.mean[Unit("linear", "activation")] == pytest.approx(expected, rel=0.02)


def test_seeds(make_layer):
    rng = np.random.default_rng(2)
    model = KanModel((make_layer(rng, 3, 3, name="a"), make_layer(rng, 3, 2, name="b")))
    x = rng.normal(size=(50, 3))
    first, again = (hessian_traces(model, x, x, seed=1, draws=12) for _ in range(2))
    assert first == again
    other = hessian_traces(model, x, x, seed=2, draws=12)
    assert other.mean != first.mean
    from_config = hessian_traces(model, x, x, QuantConfig(seed=1), draws=12)
    assert from_config == first


@pytest.mark.some(4)
@pytest.mark.parametrize("realisation", ["edge_table", "basis_table"])
def test_the_criterion_estimates_measured_losses(variant, realisation):
    model, x = variant
    calibration, held_out = x[:60], x[60:]
    config = QuantConfig(
        realisation=realisation, activation_calibration="max_abs", weight_calibration="max_abs"
    )
    branches = ("base", "spline", "basis", "table", "activation")
    measured = sensitivity(
        model, calibration, held_out, config=config, bits=(4, 5), branches=branches
    )
    traces = hessian_traces(model, calibration, held_out, config, draws=30)
    assert 10 <= traces.draws <= 30
    assert set(traces.mean) == set(measured.units)
    bits = dict.fromkeys(branches, (4, 5))
    estimated = hessian_losses(model, calibration, held_out, bits, config, traces)
    assert len(estimated) == len(measured.rows)
    pairs = np.array(
        [
            (row.increase, estimated[Unit(row.layer, row.branch), row.bits])
            for row in measured.rows
            if row.increase > 1e-5
        ]
    )
    ratio = pairs[:, 1] / pairs[:, 0]
    # A mean over parameters is no more than an estimate, single units may be far off.
    assert 0.25 < np.median(ratio) < 4
    assert np.corrcoef(np.log(np.maximum(pairs, 1e-9)).T)[0, 1] > 0.5


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"draws": 0}, InputError, "draws must be at least 1, not 0"),
        ({"draws": 1.5}, TypeError, r"draws must be an integer, not 1\.5"),
        ({"tolerance": -1}, InputError, "tolerance must be at least 0, not -1"),
    ],
)
def test_refusals(make_layer, changes, error, message):
    rng = np.random.default_rng(2)
    model = KanModel((make_layer(rng, 3, 3),))
    x = rng.normal(size=(50, 3))
    with pytest.raises(error, match=message):
        hessian_traces(model, x, x, **changes)
