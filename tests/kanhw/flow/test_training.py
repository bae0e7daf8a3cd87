"""The verbs of training: prepare, train, convert."""

import numpy as np
import pytest
import torch

import kanhw
from kanhw.layers import KAN
from kanhw.quant import QuantConfig, lower, quantize_model
from kanhw.quant import convert as to_quant_model
from kanhw.quant import prepare as prepare_with_config


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(0)
    return KAN([3, 2, 2])


X = np.random.default_rng(0).uniform(-1, 1, (60, 3))


def test_convert_gives_a_program(module):
    network = kanhw.prepare(module, X, QuantConfig(spline_bits=5), activation_bits=4)
    assert (network.plan.config.activation_bits, network.plan.config.spline_bits) == (4, 5)
    kanhw.train(network, X, np.arange(60) % 2, epochs=1)
    program = kanhw.convert(network)
    assert isinstance(program, kanhw.Program)
    codes = program.input.encode(X)
    np.testing.assert_array_equal(
        program.decode_output(program(codes)), to_quant_model(network)(X), strict=True
    )


def test_they_are_public():
    assert {"prepare", "train", "convert"} <= set(kanhw.__all__)


def test_what_is_given_by_mistake_is_named(module):
    model, network = module.to_model(), kanhw.prepare(module, X)
    quantized = quantize_model(model, X)
    program = lower(quantized)
    for call, wrong, message in (
        (kanhw.convert, model, r"prepare\(model, x, config\) gives, not a KanModel: prepare it"),
        (kanhw.convert, program, "not a Program: it is converted already"),
        (kanhw.convert, quantized, r"not a QuantModel: .*kanhw\.quant\.lower makes a Program"),
        (kanhw.convert, module, "not a KAN$"),
        (lower, network, r"not a QuantizedNetwork: convert it first"),
        (lower, model, r"not a KanModel: quantize it first, lower\(quantize_model\(model, x\)\)"),
        (lower, program, "not a Program: it is lowered already"),
        (lower, X, "from quantize_model or convert, not a ndarray$"),
    ):
        with pytest.raises(TypeError, match=message):
            call(wrong)
    for wrong, message in (
        (program, "not a Program: it is quantized already"),
        (network, "not a QuantizedNetwork: it is prepared already, so train it"),
        ("model.pt", r"not a str: load it first, kanhw\.load\(path\)"),
        (module.state_dict(), r"kanhw\.load\) or a network of kanhw\.layers, not a OrderedDict"),
    ):
        with pytest.raises(TypeError, match=message):
            kanhw.prepare(wrong, X)
    with pytest.raises(TypeError, match="prepare takes no option 'bits': there are base_bits"):
        kanhw.prepare(module, X, bits=4)
    with pytest.raises(TypeError, match=r"config must be a kanhw\.QuantConfig, not int"):
        kanhw.prepare(module, X, 4)
    with pytest.raises(TypeError, match="it is prepared already"):
        prepare_with_config(network, X)


def test_records_print_no_arrays(module):
    model, network = module.to_model(), kanhw.prepare(module, X)
    quantized = to_quant_model(network)
    for record in (model, model.layers[0], quantized, quantized.input, network.plan, network):
        assert "array(" not in repr(record) and "tensor(" not in repr(record)
    program = lower(quantized)
    assert repr(program).startswith("Program(layers=(EdgeTableLayer('layers.0'), EdgeTable")
    assert len(repr(program)) < 300
    assert repr(model) == "KanModel(3 -> 2 -> 2, source='kanhw.layers.KAN')"
