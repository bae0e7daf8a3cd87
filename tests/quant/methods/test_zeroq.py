"""ZeroQ: data that are made up."""

from dataclasses import replace

import numpy as np
import pytest
from float_models import (
    MODELS,
    conv,
    efficient_kan,
    fast_kan,
    layer,
    task_of,
)

import kanhw
from kanhw import cli
from kanhw.errors import InputError
from kanhw.model.activation import Activation
from kanhw.model.bases.basis import NoBasis
from kanhw.model.network import KanModel
from kanhw.quant import QuantConfig, lower, quantize_model
from kanhw.quant.methods import zeroq
from kanhw.quant.methods.problem import rounding_problem
from kanhw.quant.planning.freeze import freeze_norms
from kanhw.quant.planning.steps import steps_of


def known_of(model):
    steps = steps_of(model)
    return steps, [zeroq._known(step, steps[k - 1] if k else None) for k, step in enumerate(steps)]


def frozen_fast_kan(rng):
    return freeze_norms(fast_kan(rng), rng.normal(size=(30, 3))).model


ZEROQ_MODELS = {**MODELS, "frozen_fast_kan": frozen_fast_kan}


@pytest.mark.parametrize("name", ZEROQ_MODELS)
def test_gradients(name):
    rng = np.random.default_rng(17)
    model = ZEROQ_MODELS[name](rng)
    steps, known = known_of(model)
    assert any(known)
    x, direction = rng.normal(size=(2, 7, model.n_in))
    _, gradient = zeroq._loss(steps, known, x)
    reach = 1e-6
    ahead, behind = (zeroq._loss(steps, known, x + s * reach * direction)[0] for s in (1, -1))
    slope = (ahead - behind) / (2 * reach)
    assert slope != 0
    assert (gradient * direction).sum() == pytest.approx(slope, rel=1e-4)


@pytest.mark.some(3)
@pytest.mark.parametrize("name", ZEROQ_MODELS)
def test_synthesised_inputs_meet_the_statistics(name):
    model = ZEROQ_MODELS[name](np.random.default_rng(18))
    made = [zeroq.synthesize_inputs(model, 32, 3, iterations) for iterations in (1, 60)]
    assert made[0].shape == (32, model.n_in)
    losses = [zeroq._loss(*known_of(model), x)[0] for x in made]
    assert losses[1] < 0.8 * losses[0] or losses[1] < 1e-3
    np.testing.assert_array_equal(made[1], zeroq.synthesize_inputs(model, 32, 3, 60))
    assert (made[1] != zeroq.synthesize_inputs(model, 32, 4, 60)).any()


def test_what_is_matched():
    rng = np.random.default_rng(19)
    known = known_of(efficient_kan(rng))[1]
    np.testing.assert_allclose(known[0].mean, np.zeros(3), atol=1e-12)
    np.testing.assert_allclose(known[0].deviation, np.full(3, 4 / np.sqrt(12)))
    model = fast_kan(rng)
    norms = known_of(model)[1]
    assert [each is None for each in norms] == [False, True, False, True]
    np.testing.assert_array_equal(norms[0].mean, model.layers[0].spline_norm.beta)
    np.testing.assert_array_equal(norms[2].deviation, np.abs(model.layers[1].spline_norm.gamma))
    images = known_of(conv(rng))[1]
    assert [each is None for each in images] == [False, True, True]
    assert images[0].function.name == "tanh" and images[0].mean.shape == (1,)
    x = rng.normal(size=(5, 16))
    np.testing.assert_allclose(images[0](x), np.tanh(x), rtol=1e-14)


def test_networks_that_know_nothing_are_given_noise():
    rng = np.random.default_rng(20)
    head = layer(rng, NoBasis(3), 2, "head", activation=Activation("identity"))
    x = zeroq.synthesize_inputs(KanModel((head,)), 500, 0, 10)
    assert abs(x.mean()) < 0.1 and x.std() == pytest.approx(1, abs=0.1)


def test_zeroq_takes_no_data():
    rng = np.random.default_rng(21)
    model = efficient_kan(rng)
    config = QuantConfig(method="zeroq", iterations=5, seed=2)
    with pytest.raises(InputError, match=r"method='zeroq' makes its own .*: pass None"):
        quantize_model(model, np.zeros((3, 3)), config)
    with pytest.raises(InputError, match="at least 2 samples, not 1"):
        zeroq.synthesize_inputs(model, 1)
    with pytest.raises(InputError, match="iterations must be at least 1, not 0"):
        zeroq.synthesize_inputs(model, 8, 0, 0)
    for method in ("uniform", "gptq"):
        with pytest.raises(InputError, match=r"There are no calibration data: .*zeroq"):
            quantize_model(model, None, QuantConfig(method=method))
    program = kanhw.quantize(model, None, config)
    assert "128 synthesised samples (zeroq)" in program.source
    x = rng.uniform(-1, 1, (20, 3))
    again = lower(quantize_model(model, None, config))
    np.testing.assert_array_equal(again(again.input.encode(x)), program(program.input.encode(x)))
    other = kanhw.quantize(model, None, replace(config, seed=3))
    assert (other.input.scale != program.input.scale).any()


def test_codebooks_and_methods_do_not_mix():
    rng = np.random.default_rng(22)
    config = QuantConfig(method="gptq", realisation="codebook")
    with pytest.raises(InputError, match="edges of a codebook are clustered"):
        quantize_model(efficient_kan(rng), rng.normal(size=(20, 3)), config)


def test_the_command(tmp_path, monkeypatch, capsys):
    torch = pytest.importorskip("torch")
    from kanhw.layers import KAN

    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    torch.save(KAN([3, 2]).state_dict(), "model.pt")
    base = ["quantize", "model.pt", "--method", "zeroq", "--iterations", "3", "--out"]
    assert cli.main([*base, "kan.safetensors"]) == 0
    assert "synthesised" in kanhw.program.load_program("kan.safetensors").source
    np.savez("train.npz", x=np.zeros((4, 3)))
    assert cli.main([*base, "other", "--calibration", "train.npz"]) == 2
    assert "no --calibration" in capsys.readouterr().err
    assert cli.main(["quantize", "model.pt", "--method", "gptq", "--out", "other"]) == 2
    assert "pass --calibration DATA.npz" in capsys.readouterr().err


def test_problems_of_two_streams():
    rng = np.random.default_rng(23)
    task, _ = task_of(fast_kan(rng), rng.normal(size=(10, 3)), QuantConfig())
    codes = rng.integers(0, 9, (2, 4, 3)).astype(np.float64)
    made = rounding_problem(task.step, task.problem.branches, (codes[0] - 2, codes[1]), (-2, 0))
    np.testing.assert_array_equal(made.spline_address, codes[0])
    np.testing.assert_array_equal(made.base_address, codes[1])
