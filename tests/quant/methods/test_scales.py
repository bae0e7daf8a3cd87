"""AWQ and SmoothQuant: scales that move from weights into tables."""

from dataclasses import replace

import numpy as np
import pytest
from float_models import (
    MODELS,
    REALISATIONS,
    efficient_kan,
    task_of,
)

from kanhw.quant import QuantConfig, quantize_model
from kanhw.quant.integers.branches import branches_of
from kanhw.quant.integers.weights import nearest_weights
from kanhw.quant.methods import METHODS, awq, smoothquant
from kanhw.quant.methods.problem import layer_error, real_sums
from kanhw.quant.record.basis_table import QuantBasisTable


@pytest.mark.some(4)
@pytest.mark.parametrize("realisation", REALISATIONS)
@pytest.mark.parametrize("name", MODELS)
def test_without_scales_the_codes_are_those_of_uniform_rounding(monkeypatch, name, realisation):
    rng = np.random.default_rng(11)
    model = MODELS[name](rng)
    data = rng.uniform(-3, 3, size=(200, *model.input_shape))
    config = QuantConfig(spline_bits=3, base_bits=3, realisation=realisation)
    monkeypatch.setattr(awq, "_EXPONENTS", np.zeros(1))
    monkeypatch.setattr(awq, "_SHARES", np.empty(0))
    monkeypatch.setattr(smoothquant, "smooth_scales", lambda task: task.ones())
    task, _ = task_of(model, data, config)
    reached = task.problem.reached()[0][:, : task.problem.local]
    assert reached.all()
    expected = nearest_weights(task.problem.branches, config)
    for method in ("awq", "smoothquant"):
        weighted = METHODS[method](task)
        np.testing.assert_array_equal(weighted.weights.spline.codes, expected.spline.codes)
        np.testing.assert_array_equal(weighted.weights.base.codes, expected.base.codes)
        np.testing.assert_array_equal(weighted.branches.spline, task.problem.branches.spline)


@pytest.mark.parametrize("realisation", REALISATIONS)
@pytest.mark.parametrize("name", MODELS)
def test_scaled_functions_and_weights_are_the_same_layer(name, realisation):
    rng = np.random.default_rng(12)
    model = MODELS[name](rng)
    data = rng.normal(size=(40, *model.input_shape))
    config = QuantConfig(
        basis_bits=14,
        base_table_bits=14,
        activation_calibration="percentile",
        realisation=realisation,
    )
    task, _ = task_of(model, data, config)
    shape = task.ones().spline.shape
    spline, base = rng.uniform(0.5, 2, shape), rng.uniform(0.5, 2, shape[0])
    scaled = replace(
        task.problem,
        branches=branches_of(task.step.layer, task.inputs, config, spline, base),
    )
    right = task.right_sums()
    span = np.ptp(right)
    tolerance = 1e-12 if realisation == "edge_table" else 2e-3
    np.testing.assert_allclose(real_sums(scaled), right, atol=tolerance * span)
    expected = task.problem.branches.coefficients * spline
    np.testing.assert_allclose(scaled.branches.coefficients, expected)


@pytest.mark.parametrize("method", ["awq", "smoothquant"])
def test_shared_tables_stay_shared(method):
    rng = np.random.default_rng(13)
    model = efficient_kan(rng)
    data = rng.normal(size=(80, 3)) * [1, 0.3, 2]
    config = QuantConfig(
        spline_bits=3,
        base_bits=3,
        realisation="basis_table",
        method=method,
        activation_calibration="percentile",
        input_granularity="tensor",
    )
    task, _ = task_of(model, data, config)
    assert task.shared() == (True, True)
    branches = METHODS[method](task).branches
    assert np.ptp(branches.spline_scale, axis=0).max() == 0 < np.ptp(branches.spline_scale)
    assert (branches.base_scale == 1).all()
    quantized = quantize_model(model, data, config)
    for each in quantized.layers:
        assert isinstance(each, QuantBasisTable)
        assert (each.basis_tables == each.basis_tables[0]).all()
        assert (each.base_tables == each.base_tables[0]).all()
    own = replace(config, input_granularity="channel", activation_granularity="channel")
    task, _ = task_of(model, data, own)
    assert task.shared() == (False, False)
    edges, _ = task_of(model, data, replace(config, realisation="edge_table"))
    assert edges.shared() == (False, False)
    scales = smoothquant.smooth_scales(edges)
    assert np.ptp(scales.spline, axis=0).max() > 0 and np.ptp(scales.base) > 0


def test_smooth_scales():
    rng = np.random.default_rng(14)
    task, _ = task_of(
        efficient_kan(rng), rng.uniform(-2, 2, (300, 3)), QuantConfig(realisation="edge_table")
    )
    phi = np.abs(task.problem.spline_features(slice(None))).max(axis=0).reshape(3, 7)
    weights = np.abs(task.problem.branches.coefficients).max(axis=0)
    expected = np.sqrt(phi / weights)
    scales = smoothquant.smooth_scales(task).spline
    np.testing.assert_allclose(scales / scales[0, 0], expected / expected[0, 0])
    assert scales.max() * scales.min() == pytest.approx(1)


def test_awq_scales_are_powers_of_means_and_never_worse():
    rng = np.random.default_rng(15)
    for realisation in REALISATIONS:
        config = QuantConfig(
            spline_bits=3,
            base_bits=3,
            activation_calibration="percentile",
            realisation=realisation,
        )
        data = rng.normal(size=(200, 3)) * [0.3, 1, 2]
        task, _ = task_of(efficient_kan(rng), data, config)
        right = task.right_sums()
        scales = awq.awq_scales(task, right)
        means = task.means().spline
        reached = means > 0
        assert reached.sum() >= 12
        means, logs = np.log(means[reached]), np.log(scales.spline[reached])
        moved = np.abs(means - means[0]) > 1e-9
        exponents = ((logs - logs[0])[moved]) / (means - means[0])[moved]
        np.testing.assert_allclose(exponents, exponents[0])
        assert 0 < exponents[0] < 1
        assert exponents[0] * 20 == pytest.approx(round(exponents[0] * 20))
        uniform = nearest_weights(task.problem.branches, config)
        before = layer_error(task.problem, uniform, right).sum()
        scaled = task.scaled(scales)
        rounded = nearest_weights(scaled.branches, config)
        middle = layer_error(scaled, rounded, right).sum()
        after = layer_error(scaled, awq.clipped(scaled, task, right), right)
        assert after.sum() < middle < before
        assert (after <= layer_error(scaled, rounded, right)).all()


def test_features_that_are_always_zero_have_no_scale():
    rng = np.random.default_rng(16)
    data = rng.uniform(-2, 2, (100, 3))
    data[:, 1] = 0
    task, *_ = task_of(
        efficient_kan(rng),
        data,
        QuantConfig(realisation="edge_table", activation_granularity="channel"),
    )
    assert task.peaks().base[1] == 0
    assert smoothquant.smooth_scales(task).base[1] == 1
    assert (awq.awq_scales(task, task.right_sums()).base > 0).all()
