"""Accuracy of the quantized fixtures, in points of what their float models reach."""

import pytest

from kanhw.quant import QuantConfig, lower, quantize_model


def points_lost(trained, config):
    program = lower(quantize_model(trained.model, trained.calibration, config))
    outputs = program(program.input.encode(trained.x))
    return trained.accuracy(trained.model(trained.x)) - trained.accuracy(outputs)


@pytest.mark.some(2)
@pytest.mark.parametrize("realisation", ["auto", "edge_table", "basis_table"])
def test_eight_bits_lose_half_a_point_at_most(trained, realisation):
    assert points_lost(trained, QuantConfig(realisation=realisation)) <= 0.5


def test_four_bit_weights_and_six_bit_codes_lose_one_and_a_half_at_most(trained):
    config = QuantConfig(base_bits=4, spline_bits=4, activation_bits=6, realisation="edge_table")
    assert points_lost(trained, config) <= 1.5


# Every pair of choices comes together.
WAYS = [
    (method, granularity, bool((i + k) % 2))
    for i, method in enumerate(("max_abs", "percentile", "mse"))
    for k, granularity in enumerate(("tensor", "channel"))
]


@pytest.mark.some(4)
@pytest.mark.parametrize(("method", "granularity", "symmetric"), WAYS)
def test_every_way_to_choose_ranges_works(trained, method, granularity, symmetric):
    config = QuantConfig(
        weight_calibration=method,
        activation_calibration=method,
        weight_granularity=granularity,
        activation_granularity=granularity,
        symmetric_activations=symmetric,
    )
    assert points_lost(trained, config) <= 1.5
