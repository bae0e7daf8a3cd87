"""Bits and scales that nobody chose: what each layer is given by what it becomes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import kanhw
from kanhw.layers import KAN
from kanhw.model.network import KanModel
from kanhw.quant import QuantConfig, quantize_model


def network(shape=(3, 4, 2), seed=0):
    torch.manual_seed(seed)
    return KAN(list(shape)).to_model()


def measured(n_in=3, count=600):
    return np.random.default_rng(0).uniform(-1, 1, (count, n_in))


def bits_of(quantized, name):
    return quantized.config.for_layer(name).weight_bits


@pytest.mark.parametrize(("realisation", "bits"), [("edge_table", 12), ("basis_table", 8)])
def test_weights_have_more_bits_where_they_cost_nothing(realisation, bits):
    model, x = network(), measured()
    quantized = quantize_model(model, x, QuantConfig(realisation=realisation))
    assert bits_of(quantized, "layers.0") == bits_of(quantized, "layers.1") == (bits, bits)
    most = max(int(np.abs(layer.spline.codes).max()) for layer in quantized.layers)
    assert most.bit_length() + 1 == bits


def test_bits_that_are_given_stay():
    layers = {"layers.1": {"base_bits": 3}}
    config = QuantConfig(realisation="edge_table", spline_bits=8, layers=layers)
    quantized = quantize_model(network(), measured(), config)
    assert bits_of(quantized, "layers.0") == (8, 12)
    assert bits_of(quantized, "layers.1") == (8, 3)


def test_training_has_eight_bits():
    prepared = kanhw.prepare(network(), measured(), realisation="edge_table")
    own = prepared.plan.config
    assert own.for_layer("layers.0").weight_bits == (8, 8)
    assert prepared.plan.consumers[0].streams[0].format.width == 8


def width(model, x, **options):
    return kanhw.quantize(model, x, **options).input.format.width


def test_measured_features_of_a_small_layer_have_two_bits_more():
    model, x = network(), measured()
    assert width(model, x) == 10
    assert width(model, x, activation_bits=9) == 11
    assert width(model, x, realisation="basis_table") == 10
    # Few of 100 values repeat.
    assert width(model, x[:100]) == 10


def test_others_have_the_bits_of_activations():
    model, x = network(), measured()
    assert width(model, x, input_bits=8) == width(model, x, input_bits=None) == 8
    assert width(model, x, activation_bits=7) == 7
    assert width(model, x, layers={"layers.0": {"activation_bits": 8}}) == 8
    # Pixels; outputs that are compared; a layer that tables would make large.
    assert width(model, np.round(x * 8) / 8) == 8
    assert width(model, x, output_granularity="tensor") == 8
    assert width(network((10, 7, 1)), measured(10)) == 8
    assert width(model, x, realisation="codebook") == 8


def test_hidden_values_of_edge_tables_have_scales_of_their_own():
    model, x = network(), measured()
    (own,) = quantize_model(model, x).layers[0].joins
    assert len(set(own.scale.tolist())) == 4
    for options in ({"activation_granularity": "tensor"}, {"realisation": "basis_table"}):
        (one,) = quantize_model(model, x, QuantConfig(**options)).layers[0].joins
        assert len(set(one.scale.tolist())) == 1


def test_no_hidden_scale_is_finer_than_an_eighth_of_the_widest():
    first, last = network().layers
    shrunk = np.array([1, 1, 1e-4, 1])
    first = replace(
        first,
        coefficients=first.coefficients * shrunk[:, None, None],
        base_weights=first.base_weights * shrunk[:, None],
    )
    model = KanModel((first, last))
    (join,) = quantize_model(model, measured()).layers[0].joins
    assert join.scale.max() / 10 < join.scale[2] <= join.scale.max() / 7
