"""What data-driven rounding works on."""


import numpy as np
import pytest
from float_models import MODELS, conv, efficient_kan, task_of

from kanhw.quant import QuantConfig
from kanhw.quant.integers.weights import nearest_weights
from kanhw.quant.methods import problem
from kanhw.quant.methods.problem import layer_error, real_sums
from kanhw.quant.record.convolution import QuantConvolution


def test_problems_are_on_the_codes_of_the_quantized_layers():
    rng = np.random.default_rng(1)
    for name in ("efficient_kan", "fast_kan", "pykan"):
        model = MODELS[name](rng)
        data = rng.normal(size=(40, 3))
        config = QuantConfig(spline_bits=2, base_bits=2, activation_bits=4)
        task, quantized = task_of(model, data, config, -1)
        streams = quantized.activations(data)[-2]
        lowest = [q.format.lo for q in task.inputs.quantizers]
        np.testing.assert_array_equal(task.problem.spline_address, streams[0] - lowest[0])
        np.testing.assert_array_equal(task.problem.base_address, streams[-1] - lowest[-1])


@pytest.mark.parametrize("name", MODELS)
def test_layer_error_is_the_difference_of_the_quantized_sums(name, monkeypatch):
    rng = np.random.default_rng(2)
    model = MODELS[name](rng)
    data = rng.normal(size=(25, *model.input_shape))
    config = QuantConfig(spline_bits=3, base_bits=2, activation_bits=4, realisation="basis_table")
    task, quantized = task_of(model, data, config)
    weights = nearest_weights(task.problem.branches, config)
    place = next(k for k, each in enumerate(quantized.layers) if hasattr(each, "spline"))
    made = quantized.layers[place]
    streams = quantized.activations(model.flat(data))[place]
    lowest = tuple(q.format.lo for q in task.inputs.quantizers)
    sums = made.sums(streams, lowest)
    branches = task.problem.branches
    if isinstance(made, QuantConvolution):
        sums = [s.reshape(25, 2, -1).swapaxes(1, 2).reshape(-1, 2) for s in sums]
    real = sums[0] * weights.spline.scale * branches.spline_unit
    real = real + sums[1] * weights.base.scale * branches.base_unit
    # The right sums by loops: one row, one input, one function at a time.
    right = np.zeros_like(real)
    for m in range(len(right)):
        for i in range(branches.base.shape[0]):
            if task.problem.present is not None and not task.problem.present[m, i]:
                continue
            a, b = task.problem.spline_address[m, i], task.problem.base_address[m, i]
            right[m] += branches.coefficients[:, i] @ branches.spline[i, a]
            right[m] += branches.base_weights[:, i] * branches.base[i, b]
    expected = np.square(real - right).mean(axis=0)
    assert expected.max() > 0
    np.testing.assert_allclose(layer_error(task.problem, weights), expected, rtol=1e-9)
    np.testing.assert_allclose(real_sums(task.problem), right, rtol=1e-9, atol=1e-12)
    again = layer_error(task.problem, weights, right)
    np.testing.assert_allclose(again, expected, rtol=1e-9)
    monkeypatch.setattr(problem, "_CHUNK_VALUES", 64)
    np.testing.assert_allclose(layer_error(task.problem, weights), expected, rtol=1e-9)


def test_layer_error_of_edge_tables():
    rng = np.random.default_rng(3)
    model = efficient_kan(rng)
    data = rng.normal(size=(50, 3))
    config = QuantConfig(
        spline_bits=3, base_bits=3, activation_bits=6, table_bits=16, realisation="edge_table"
    )
    task, quantized = task_of(model, data, config)
    codes = quantized.activations(data)[0]
    made = quantized.layers[0]
    (sums,) = made.sums(codes, (0,))
    join = made.joins[0]
    # The units of a table: those of the next codes over a power of two.
    real = sums * join.target.scale / 2.0**join.shift
    first = model.layers[0]
    right = first.sums(quantized.input.dequantize(codes[0])) - first.bias
    expected = np.square(real - right).mean(axis=0)
    weights = nearest_weights(task.problem.branches, config)
    np.testing.assert_allclose(layer_error(task.problem, weights), expected, rtol=2e-3)


def test_windows_know_which_taps_are_inside():
    rng = np.random.default_rng(4)
    model = conv(rng)
    task, _ = task_of(model, rng.normal(size=(3, 1, 4, 4)), QuantConfig())
    assert task.problem.rows == 3 * 16
    inside = model.layers[0].window.index >= 0
    np.testing.assert_array_equal(task.problem.present, np.tile(inside, (3, 1)))
    features = task.problem.spline_features(slice(0, 16)).reshape(16, 9, -1)
    # The polynomial P_0 is never 0 inside.
    np.testing.assert_array_equal(features[:, :, 0] != 0, inside)
