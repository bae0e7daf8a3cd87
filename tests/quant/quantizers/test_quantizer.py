"""Quantizers of weights and activations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanhw.program import InputEncoder
from kanhw.quant import QuantConfig
from kanhw.quant.quantizers.calibration import weight_scale
from kanhw.quant.quantizers.quantizer import activation_quantizer, quantize_weights

METHODS = ("max_abs", "percentile", "mse")


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 12),
    st.sampled_from(METHODS),
    st.sampled_from(["tensor", "channel"]),
)
def test_weight_codes(seed, bits, method, granularity):
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(4, 3, 5)) * rng.lognormal(0, 2, (4, 1, 1))
    weights[rng.random((4, 3)) < 0.3] = 0
    config = QuantConfig(weight_calibration=method, weight_granularity=granularity)
    quantizer = quantize_weights(weights, bits, config)
    top = max(2 ** (bits - 1) - 1, 1)
    assert np.abs(quantizer.codes).max() <= top
    assert quantizer.scale.shape == (4,)
    assert (quantizer.scale > 0).all()
    assert (quantizer.codes[weights == 0] == 0).all()

    groups = [weights] * 4 if granularity == "tensor" else list(weights)
    expected = [weight_scale(group, bits, method, config.percentile) for group in groups]
    np.testing.assert_array_equal(quantizer.scale, expected)
    error = np.abs(quantizer.dequantize() - weights)
    scale = quantizer.scale[:, None, None]
    if bits > 1:
        # Within half a step of the weight, or of the end of the range where it saturates.
        reached = weights.clip(-top * scale, top * scale)
        assert (np.abs(quantizer.dequantize() - reached) <= scale / 2 * (1 + 1e-9)).all()
        if method == "max_abs":
            assert (error <= scale / 2 * (1 + 1e-9)).all()


@pytest.mark.parametrize("granularity", ["tensor", "channel"])
def test_one_bit_is_the_sign_and_pruned_edges_stay_absent(granularity):
    weights = np.array([[1.5, -0.001, 0.0], [0.0, 0.0, 0.0], [-2.0, -0.0, 7.0]])
    config = QuantConfig(weight_granularity=granularity)
    quantizer = quantize_weights(weights, 1, config)
    np.testing.assert_array_equal(quantizer.codes, [[1, -1, 0], [0, 0, 0], [-1, 0, 1]])


def test_per_tensor_scales_are_equal_and_per_channel_differ():
    weights = np.array([[0.1, -0.2], [30.0, 4.0]])
    tensor = quantize_weights(weights, 4, QuantConfig(weight_granularity="tensor"))
    channel = quantize_weights(weights, 4, QuantConfig(weight_granularity="channel"))
    assert tensor.scale[0] == tensor.scale[1]
    assert channel.scale[0] < channel.scale[1] / 50


DATA = np.stack(
    [
        np.linspace(-1.0, 3.0, 50),
        np.full(50, 2.5),
        np.linspace(0.0, 0.5, 50),
        np.linspace(-40.0, -20.0, 50),
    ],
    axis=1,
)


@pytest.mark.parametrize("granularity", ["tensor", "channel"])
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 5, 8, 12])
def test_max_abs_keeps_everything(granularity, symmetric, bits):
    config = QuantConfig(
        activation_calibration="max_abs",
        activation_granularity=granularity,
        symmetric_activations=symmetric,
    )
    quantizer = activation_quantizer(DATA, bits, config)
    assert quantizer.format.width == bits
    assert quantizer.format.signed == symmetric
    codes = quantizer.quantize(DATA)
    assert (codes == np.floor(codes)).all()
    assert codes.min() >= quantizer.format.lo
    assert codes.max() <= quantizer.format.hi
    error = np.abs(quantizer.dequantize(codes) - DATA)
    # Two's complement has no +1 in one bit: {-step, 0}.
    allowed = 1.0 if symmetric and bits == 1 else 0.5
    assert (error <= quantizer.scale * (allowed + 1e-9)).all()
    if granularity == "tensor":
        assert len(set(quantizer.scale)) == len(set(quantizer.zero_point)) == 1
    if symmetric:
        assert not quantizer.zero_point.any()


def test_never_negative_data_use_every_code_of_a_symmetric_range():
    config = QuantConfig(symmetric_activations=True, activation_calibration="max_abs")
    quantizer = activation_quantizer(np.linspace(0, 5, 30)[:, None], 4, config)
    assert not quantizer.format.signed
    assert quantizer.scale[0] == pytest.approx(5 / 15)


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_feature_keeps_its_value(method):
    config = QuantConfig(activation_granularity="channel", activation_calibration=method)
    quantizer = activation_quantizer(DATA, 8, config)
    assert quantizer.dequantize(quantizer.quantize(DATA))[0, 1] == pytest.approx(2.5)
    assert quantizer.scale[1] == pytest.approx(1 / 255, rel=0.01)


def test_float32_noise_on_a_constant_feature_is_no_range():
    noisy = (1e6 + np.random.default_rng(0).normal(0, 0.01, 100)).astype(np.float32)
    config = QuantConfig(activation_calibration="max_abs")
    quantizer = activation_quantizer(noisy.astype(np.float64)[:, None], 12, config)
    assert abs(int(quantizer.zero_point[0])) < 2**24


def test_out_of_range_features_saturate():
    quantizer = activation_quantizer(DATA, 6, QuantConfig(activation_granularity="channel"))
    format = quantizer.format
    for huge in (1e3, 1e300, np.inf):
        assert (quantizer.quantize(np.full((1, 4), huge)) == format.hi).all()
        assert (quantizer.quantize(np.full((1, 4), -huge)) == format.lo).all()


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.booleans())
def test_equals_the_input_encoder(seed, bits, symmetric):
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(30, 3)) * rng.lognormal(0, 3, 3) + rng.normal(size=3)
    config = QuantConfig(activation_granularity="channel", symmetric_activations=symmetric)
    quantizer = activation_quantizer(data, bits, config)
    encoder = InputEncoder(quantizer.format, 3, quantizer.scale, quantizer.zero_point)
    wide = np.concatenate([data * 3, quantizer.dequantize(quantizer.quantize(data))])
    np.testing.assert_array_equal(encoder.encode(wide), quantizer.quantize(wide))


def test_grid_is_the_value_of_every_code_in_order():
    quantizer = activation_quantizer(DATA, 3, QuantConfig(activation_granularity="channel"))
    grid = quantizer.grid()
    assert grid.shape == (8, 4)
    np.testing.assert_array_equal(quantizer.quantize(grid), np.arange(8)[:, None].repeat(4, axis=1))


LIMITS = np.array([[-2.2, 1.8], [-2.2, 1.8]])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("granularity", ["tensor", "channel"])
def test_limits_are_kept_and_covered(method, symmetric, granularity):
    config = QuantConfig(
        activation_calibration=method,
        symmetric_activations=symmetric,
        activation_granularity=granularity,
        percentile=100,
    )
    wide = np.random.default_rng(3).uniform(-9, 9, (300, 2))
    quantizer = activation_quantizer(wide, 8, config, LIMITS)
    ends = quantizer.dequantize(np.array([[quantizer.format.lo], [quantizer.format.hi]]))
    # What saturates is told apart from nothing but what lies beyond the support.
    assert (ends[0] <= -2.2 + quantizer.scale * 0.51).all()
    assert (ends[1] >= 1.8 - quantizer.scale * 0.51).all()
    assert np.ptp(ends, axis=0).max() <= 4.5
    narrow = wide / 18
    kept = activation_quantizer(narrow, 8, config, LIMITS)
    np.testing.assert_array_equal(kept.scale, activation_quantizer(narrow, 8, config).scale)


def test_values_beyond_the_support_still_give_its_codes():
    config = QuantConfig(activation_calibration="max_abs")
    for values in (np.full((5, 2), 7.0), np.linspace(4, 9, 10).reshape(5, 2)):
        quantizer = activation_quantizer(values, 6, config, LIMITS)
        assert quantizer.grid().min() == pytest.approx(-2.2, abs=0.05)
        assert quantizer.grid().max() == pytest.approx(1.8, abs=0.05)
