"""Bumps of a basis that no calibration sample reaches."""

from dataclasses import replace

import numpy as np
import pytest
from float_models import (
    b_splines,
    efficient_kan,
    fast_kan,
    layer,
    pykan,
    task_of,
)

from kanhw.model.network import KanModel
from kanhw.quant import QuantConfig, quantize_model
from kanhw.quant.integers.weights import nearest_weights
from kanhw.quant.methods import METHODS
from kanhw.quant.methods.unreached import copy_neighbours, nearest_reached


def narrow_task(method="gptq", local=True):
    """Data on the left half of input 0, all of input 1 and outside the support of input 2."""
    rng = np.random.default_rng(8)
    model = efficient_kan(rng)
    data = rng.uniform(-2, 2, (200, 3))
    data[:, 0] = rng.uniform(-1.9, -1.1, 200)
    data[:, 2] = 9.0
    config = QuantConfig(
        spline_bits=4, base_bits=4, method=method, activation_granularity="channel"
    )
    return task_of(model, data, config)[0], model, data, config


@pytest.mark.some(2)
@pytest.mark.parametrize("method", METHODS)
def test_bumps_that_nothing_reaches_copy_their_neighbour(method):
    task, model, data, config = narrow_task(method)
    nearest_k = nearest_reached(task.problem)
    np.testing.assert_array_equal(nearest_k[1:], np.tile(np.arange(7), (2, 1)))
    reached = task.problem.reached()[0]
    assert reached[0, 0] and not reached[0, -1] and reached[1].all() and not reached[2].any()
    highest = np.flatnonzero(reached[0]).max()
    np.testing.assert_array_equal(nearest_k[0], np.minimum(np.arange(7), highest))
    weighted = METHODS[method](task)
    codes = weighted.weights.spline.codes
    assert (codes[:, 0, highest:] == codes[:, 0, highest : highest + 1]).all()
    assert codes[:, 0, : highest + 1].any()
    made = quantize_model(model, data, config).layers[0].spline.codes
    np.testing.assert_array_equal(made, codes)


def test_inputs_without_any_bump_in_reach_keep_the_nearest_codes():
    task, *_, config = narrow_task()
    weights = nearest_weights(task.problem.branches, config)
    copied = copy_neighbours(task.problem, weights, config)
    np.testing.assert_array_equal(copied.spline.codes[:, 1:], weights.spline.codes[:, 1:])
    assert (copied.spline.codes[:, 0] != weights.spline.codes[:, 0]).any()
    np.testing.assert_array_equal(copied.base.codes, weights.base.codes)


def test_of_two_neighbours_the_nearest_and_no_zero_weight_is_given_a_code():
    rng = np.random.default_rng(9)
    made = layer(rng, b_splines(1, cells=8), 2, "0")
    coefficients = made.coefficients.copy()
    coefficients[0, 0, 5] = 0
    model = KanModel((replace(made, coefficients=coefficients),))
    # The outermost cells: bumps 0 to 3 and 7 to 10.
    data = np.concatenate([rng.uniform(-2, -1.6, (50, 1)), rng.uniform(1.6, 1.99, (50, 1))])
    config = QuantConfig(spline_bits=6)
    task, _ = task_of(model, data, config)
    expected = [0, 1, 2, 3, 3, 3, 7, 7, 8, 9, 10]
    np.testing.assert_array_equal(nearest_reached(task.problem), [expected])
    weights = nearest_weights(task.problem.branches, config)
    codes = copy_neighbours(task.problem, weights, config).spline.codes
    np.testing.assert_array_equal(codes[1, 0], weights.spline.codes[1, 0, expected])
    assert codes[0, 0, 5] == 0 and codes[0, 0, 4] == weights.spline.codes[0, 0, 3]


def test_radial_functions_and_symbolic_edges_have_no_neighbours():
    rng = np.random.default_rng(10)
    data = rng.normal(size=(20, 3))
    task, _ = task_of(fast_kan(rng), data, QuantConfig())
    assert task.problem.local == 0
    np.testing.assert_array_equal(nearest_reached(task.problem), np.tile(np.arange(4), (3, 1)))
    task, _ = task_of(pykan(rng), data, QuantConfig(realisation="basis_table"))
    assert task.problem.local == 7 < task.problem.branches.spline.shape[2]
