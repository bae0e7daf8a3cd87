"""GPTQ: codes, the objective, and both branches together."""

from dataclasses import replace

import numpy as np
import pytest
from float_models import (
    MODELS,
    efficient_kan,
    layer,
    task_of,
)

from kanhw.model.activation import Activation
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.network import KanModel
from kanhw.quant import QuantConfig, quantize_model
from kanhw.quant.integers.weights import nearest_weights
from kanhw.quant.methods.gptq import Columns, gptq_joint_weights, gptq_weights, round_columns
from kanhw.quant.methods.problem import layer_error


def columns_of(rng, n_out, n, bits):
    weights = rng.normal(size=(n_out, n))
    top = (1 << (bits - 1)) - 1
    scale = np.abs(weights).max(axis=1) / max(top, 1) * rng.uniform(0.6, 1)
    return Columns(weights, np.repeat(scale[:, None], n, axis=1), np.full(n, top))


def nearest(columns):
    relative = np.floor(columns.weights / columns.steps + 0.5)
    codes = relative.clip(-columns.tops, columns.tops)
    return np.where(columns.tops == 0, np.sign(columns.weights), codes)


def objective(columns, codes, hessian):
    errors = codes * columns.steps - columns.weights
    return np.einsum("ji,ik,jk->j", errors, hessian, errors)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_without_correlation_gptq_is_nearest_rounding(bits):
    rng = np.random.default_rng(bits)
    columns = columns_of(rng, 5, 300, bits)
    weights = columns.weights.copy()
    weights[1:3, ::7] = 0
    columns = replace(columns, weights=weights)
    codes = round_columns(columns, np.diag(rng.uniform(0.1, 4, 300)))
    np.testing.assert_array_equal(codes, nearest(columns))


@pytest.mark.parametrize("n", [3, 40, 300])
def test_codes_are_those_of_the_inverse(n):
    rng = np.random.default_rng(n)
    columns = columns_of(rng, 4, n, 4)
    features = rng.normal(size=(2 * n, n)) @ rng.normal(size=(n, n))
    hessian = features.T @ features
    hessian += 0.01 * np.diag(hessian).mean() * np.eye(n)
    # As the paper has it: the rows of the Cholesky factor of the inverse, in the order of columns.
    backwards = hessian[::-1, ::-1]
    upper = np.linalg.cholesky(np.linalg.inv(backwards)).T
    rest = columns.weights[:, ::-1].copy()
    steps, expected = columns.steps[:, ::-1], np.empty((4, n), np.int64)
    for i in range(n):
        expected[:, i] = np.floor(rest[:, i] / steps[:, i] + 0.5).clip(-7, 7)
        error = (rest[:, i] - expected[:, i] * steps[:, i]) / upper[i, i]
        rest[:, i:] -= error[:, None] * upper[i, i:]
    np.testing.assert_array_equal(round_columns(columns, hessian), expected[:, ::-1])


@pytest.mark.some(2)
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_gptq_lowers_the_objective(bits):
    rng = np.random.default_rng(bits)
    ratios = []
    for _ in range(30):
        columns = columns_of(rng, 4, 40, bits)
        columns.weights[rng.random((4, 40)) < 0.2] = 0
        features = rng.normal(size=(80, 40)) + rng.normal(size=(80, 1))
        hessian = features.T @ features
        codes = round_columns(columns, hessian)
        assert not codes[columns.weights == 0].any()
        ratio = objective(columns, codes, hessian) / objective(columns, nearest(columns), hessian)
        ratios.append(ratio)
    # One row in ten is unlucky; the others gain, and much.
    assert np.mean(np.array(ratios) < 1) > 0.8
    assert np.median(ratios) < 0.7


@pytest.mark.some(6)
@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("name", MODELS)
def test_no_output_is_worse_than_with_nearest_codes(name, bits):
    rng = np.random.default_rng(bits)
    gains = []
    for _ in range(4):
        model = MODELS[name](rng)
        config = QuantConfig(spline_bits=bits, base_bits=bits, activation_calibration="percentile")
        data = rng.normal(size=(60, *model.input_shape))
        task, _ = task_of(model, data, config)
        uniform = layer_error(task.problem, nearest_weights(task.problem.branches, config))
        apart = layer_error(task.problem, gptq_weights(task.problem, config))
        joint = layer_error(task.problem, gptq_joint_weights(task.problem, config))
        assert (apart <= uniform * (1 + 1e-9)).all()
        assert (joint <= apart * (1 + 1e-9)).all()
        gains.append([apart.sum() / uniform.sum(), joint.sum() / uniform.sum()])
    apart, joint = np.mean(gains, axis=0)
    assert apart < (0.9 if bits > 1 else 1)
    assert joint < (0.7 if bits > 1 else 1)


def test_a_base_weight_makes_good_what_a_coefficient_loses():
    # psi is phi: two steps of 1 and 1/4 add up to one of 1/4, if the branches know each other.
    rng = np.random.default_rng(0)
    basis = BSplineBasis(np.array([[-2.0, -1.0, 2.0, 3.0]]), 1)
    model = KanModel(
        (layer(rng, basis, 1, "0", activation=Activation("identity"), bias=np.zeros(1)),)
    )
    task, _ = task_of(model, rng.uniform(-1, 2, (50, 1)), QuantConfig(spline_bits=2, base_bits=2))
    apart = layer_error(task.problem, gptq_weights(task.problem, task.config)).sum()
    joint = layer_error(task.problem, gptq_joint_weights(task.problem, task.config)).sum()
    assert joint <= apart


def test_damping_tends_to_nearest_rounding():
    rng = np.random.default_rng(6)
    model = efficient_kan(rng)
    data = rng.normal(size=(60, 3))
    changed = []
    for damping in (1e-3, 1.0):
        config = QuantConfig(spline_bits=3, base_bits=3, damping=damping, method="gptq")
        codes = quantize_model(model, data, config).layers[0].spline.codes
        uniform = quantize_model(model, data, replace(config, method="uniform"))
        changed.append(int((codes != uniform.layers[0].spline.codes).sum()))
    assert changed[0] > changed[1] > 0
