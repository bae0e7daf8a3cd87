"""What method='auto' chooses."""

from dataclasses import replace

import numpy as np
import pytest
from float_models import efficient_kan

import kanhw
from kanhw.model.network import KanModel
from kanhw.quant import QuantConfig, quantize_model
from kanhw.quant.methods import choice
from kanhw.quant.methods.choice import chosen_method, rounding_work
from kanhw.quant.planning.plan import make_plan
from kanhw.quant.planning.steps import steps_of


@pytest.fixture
def network():
    rng = np.random.default_rng(0)
    return efficient_kan(rng), rng.normal(size=(150, 3))


def chosen(network, **fields):
    return chosen_method(make_plan(*network, QuantConfig(**fields)))


def test_it_is_the_default():
    assert QuantConfig().method == "auto"


def test_few_bits_of_weights_are_rounded_by_data(network):
    assert chosen(network)[0] == "uniform"
    assert chosen(network, activation_bits=4)[0] == "uniform"
    for fields in (
        {"spline_bits": 7},
        {"base_bits": 4},
        {"layers": {"layers.1": {"spline_bits": 3}}},
        {"spline_bits": 4, "realisation": "spline_evaluator"},
    ):
        assert chosen(network, **fields)[0] == "gptq_joint", fields
    assert chosen(network, spline_bits=3, base_bits=5) == ("gptq_joint", "weights of 3 bits")


def test_codebooks_are_clustered(network):
    method, reason = chosen(network, realisation="codebook", spline_bits=4)
    assert method == "uniform" and "codebooks" in reason


def test_a_branch_without_weights_has_no_bits(network):
    model, x = network
    bare = KanModel(
        tuple(replace(layer, base_weights=0 * layer.base_weights) for layer in model.layers)
    )
    assert chosen((bare, x), base_bits=2)[0] == "uniform"


def test_large_networks_take_the_quicker_method(network, monkeypatch):
    model, x = network
    (first, *_) = steps_of(model)
    work = rounding_work(first, len(x))
    # 3 inputs of 8 features each, dense: the Hessian's rows and one factor.
    features = first.layer.basis.count * 3 + 3
    assert work == pytest.approx(150 * features**2 + features**3 / 3)
    monkeypatch.setattr(choice, "LARGEST_JOINT", work / 2)
    method, reason = chosen(network, spline_bits=4)
    assert method == "gptq" and reason.endswith("too many inputs and samples for gptq_joint")
    monkeypatch.setattr(choice, "LARGEST_APART", work / 2)
    method, reason = chosen(network, spline_bits=4)
    assert method == "uniform" and "(fewer samples would do)" in reason


def test_outputs_with_other_zeros_need_another_factor(network):
    (first, *_) = steps_of(network[0])
    coefficients = first.layer.coefficients.copy()
    coefficients[0, 0] = 0
    pruned = replace(first, layer=replace(first.layer, coefficients=coefficients))
    features, fewer = first.layer.basis.count * 3 + 3, first.layer.basis.count * 2 + 3
    assert rounding_work(pruned, 0) == pytest.approx((features**3 + fewer**3) / 3)


@pytest.mark.parametrize("bits", [4, 8])
def test_what_it_chose_is_what_it_does_and_says(network, bits):
    method = "gptq_joint" if bits < 8 else "uniform"
    fields = {"spline_bits": bits, "base_bits": bits}
    program = kanhw.quantize(*network, **fields)
    named = kanhw.quantize(*network, **fields, method=method)
    for ours, theirs in zip(program.layers, named.layers, strict=True):
        np.testing.assert_array_equal(ours.tables, theirs.tables)
    assert f"; weights rounded by {method}: " in program.source
    assert "weights rounded" not in named.source
    assert quantize_model(*network, QuantConfig(**fields)).config.method == method


def test_fewer_bits_are_worth_it(network):
    model, x = network
    other = np.random.default_rng(1).normal(size=(300, 3))

    def error(**fields):
        made = quantize_model(model, x, QuantConfig(spline_bits=4, base_bits=4, **fields))
        return np.square(made(other) - model(other)).mean()

    assert error() < 0.7 * error(method="uniform")


def test_what_takes_long_is_shown(network, capsys):
    from kanhw.progress import Progress

    kanhw.quantize(*network, spline_bits=4, progress=Progress())
    shown = capsys.readouterr().err.splitlines()
    assert [line.partition(" ... ")[0] for line in shown] == [
        "round the weights of layers.0 by gptq_joint",
        "round the weights of layers.1 by gptq_joint",
    ]


def test_no_data():
    with pytest.raises(kanhw.InputError, match=r"^There are no calibration data: .*zeroq"):
        quantize_model(efficient_kan(np.random.default_rng(0)), None)
