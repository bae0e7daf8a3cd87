"""Bits of every value: ranges within one stream, exact in Program, and what does not know them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from kanhw.cli.quantize import bits as cli_bits
from kanhw.errors import InputError
from kanhw.quant import QuantConfig, allocate, lower, prepare, quantize_model, sensitivity

BY_VALUE = {"input_bits": (6, 4, 6, 3), "layers": {"1": {"activation_bits": [4, 7, 5]}}}


@pytest.fixture(scope="module")
def model(make_layer):
    from kanhw.model.network import KanModel

    rng = np.random.default_rng(5)
    return KanModel((make_layer(rng, 4, 3, name="0"), make_layer(rng, 3, 2, name="1")))


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(6).normal(size=(120, 4)) * [1, 3, 0.5, 2]


def _spans(holder):
    lo, hi = holder.code_ends
    return (hi - lo + 1).tolist()


def _assert_equal(model, x):
    program = lower(model)
    wild = np.concatenate([x, 50 * x, np.full((1, 4), np.inf)])
    codes = program.input.encode(wild)
    history = model.activations(wild)
    np.testing.assert_array_equal(history[0][0], codes)
    for mine, theirs in zip(history[1:], program.activations(codes), strict=True):
        for quantized, integers in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(quantized, integers)
    tensors = torch.from_numpy(codes)
    np.testing.assert_array_equal(program(tensors).numpy(), program(codes))
    return program


@pytest.mark.parametrize("method", ["uniform", "gptq"])
@pytest.mark.parametrize("granularity", ["tensor", "channel"])
@pytest.mark.parametrize("realisation", ["edge_table", "basis_table"])
def test_every_value_has_its_bits(model, x, realisation, granularity, method):
    config = QuantConfig(
        realisation=realisation, activation_granularity=granularity, method=method, **BY_VALUE
    )
    program = _assert_equal(quantize_model(model, x, config), x)
    assert program.input.format.width == 6
    assert _spans(program.input) == [64, 16, 64, 8]
    for join in program.layers[0].requantizers:
        assert join.format.width == 7
        assert _spans(join) == [16, 128, 32]


@pytest.mark.parametrize("fields", [{"symmetric_activations": True}, {"realisation": "codebook"}])
def test_other_codes(model, x, fields):
    config = QuantConfig(**{"realisation": "edge_table", **fields}, **BY_VALUE)
    program = _assert_equal(quantize_model(model, x, config), x)
    assert _spans(program.input) == [64, 16, 64, 8]


def test_steps_follow_the_bits(model, x):
    plain = QuantConfig(activation_calibration="max_abs", input_granularity="tensor")
    mixed = quantize_model(model, x, replace(plain, **BY_VALUE)).input
    steps = [quantize_model(model, x, replace(plain, input_bits=b)).input for b in (6, 4, 3)]
    # Values of equal bits share a step; each group covers what its own values reach.
    assert mixed.scale[0] == mixed.scale[2]
    assert len(set(mixed.scale.tolist())) == 3
    assert steps[0].scale[0] < steps[1].scale[0] < steps[2].scale[0]
    np.testing.assert_array_equal(mixed.quantize(x), mixed.quantize(x).clip(mixed.lo, mixed.hi))
    assert (mixed.grid()[-1] == mixed.grid()[mixed.hi, np.arange(4)]).all()


def test_equal_bits_are_no_ranges(model, x):
    one = QuantConfig(input_bits=6, activation_bits=7)
    each = QuantConfig(
        input_bits=[6] * 4, activation_bits=7, layers={"1": {"activation_bits": [7] * 3}}
    )
    first, second = (lower(quantize_model(model, x, config)) for config in (one, each))
    assert not second.ranged
    codes = first.input.encode(x)
    np.testing.assert_array_equal(codes, second.input.encode(x))
    np.testing.assert_array_equal(first(codes), second(codes))


def test_wrong_bits():
    with pytest.raises(InputError, match=r"^input_bits\[1\] must be 1 to 16, not 17$"):
        QuantConfig(input_bits=[4, 17])
    with pytest.raises(InputError, match=r"^input_bits must hold the bits of every value, not no"):
        QuantConfig(input_bits=[])
    with pytest.raises(TypeError, match=r"^input_bits\[0\] must be an integer, not 4\.0$"):
        QuantConfig(input_bits=[4.0])
    with pytest.raises(InputError, match=r"^layers\['1'\]: activation_bits\[0\] must be 1 to 16"):
        QuantConfig(layers={"1": {"activation_bits": [0]}})
    with pytest.raises(TypeError, match=r"^spline_bits must be an integer, not \[4, 4\]$"):
        QuantConfig(spline_bits=[4, 4])
    assert QuantConfig(input_bits=[4, 5]).input_bits == (4, 5)
    assert hash(QuantConfig(input_bits=[4, 5])) == hash(QuantConfig(input_bits=(4, 5)))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"input_bits": [4, 4]}, r"^0 reads 4 values, so there must be 4 numbers of bits, not 2$"),
        ({"layers": {"1": {"activation_bits": [4, 5]}}}, r"^1 reads 3 values, so there must be 3"),
        ({"activation_bits": [4, 5, 4, 4]}, r"^activation_bits must be one integer, the same for"),
        ({"method": "awq", **BY_VALUE}, r"^input_bits must be one integer, .* for method='awq'$"),
        (
            {"method": "brecq", "layers": BY_VALUE["layers"]},
            r"^layers\['1'\]: activation_bits must be one integer, .* for method='brecq'$",
        ),
        (
            {"realisation": "spline_evaluator", "input_bits": [9, 9, 9, 8]},
            r"^0: spline evaluators take codes of equal bits: ",
        ),
    ],
)
def test_refused(model, x, fields, message):
    with pytest.raises(InputError, match=message):
        quantize_model(model, x, QuantConfig(**fields))


def test_norms_and_images_have_one_step(variant):
    model, x = variant
    kinds = {type(layer).__name__ for layer in model.layers}
    n_in = int(np.prod(model.input_shape))
    config = QuantConfig(input_bits=[6] * (n_in - 1) + [4])
    if kinds & {"ConvLayer"}:
        with pytest.raises(InputError, match=r"the codes in front of it share one step"):
            quantize_model(model, x, config)
    elif not getattr(model.layers[0], "spline_norm", None):
        assert lower(quantize_model(model, x, config)).ranged


def test_others_do_not_know_them(model, x):
    config = QuantConfig(**BY_VALUE)
    with pytest.raises(InputError, match=r"^input_bits must be one integer, .* for training$"):
        prepare(model, x, config)
    with pytest.raises(InputError, match=r" for a sweep of sensitivities$"):
        sensitivity(model, x, x, config=config)
    with pytest.raises(InputError, match=r" for an allocation of bits$"):
        allocate(model, x, x, None, config=config)


def test_command_line():
    assert cli_bits("6") == 6
    assert cli_bits("6,4,6") == (6, 4, 6)
