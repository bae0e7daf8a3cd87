"""RMSNorm: as a LayerNorm of every value and its negative, which is the same function."""

import numpy as np
import pytest
import torch
from checkpoints import loaded
from torch import nn

import kanhw
from kanhw.errors import InputError
from kanhw.importers.load import load_model
from kanhw.layers import KANLinear

X = np.random.default_rng(3).uniform(-2, 2, (80, 4))


def network(*parts: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    module = nn.Sequential(*parts).double().eval()
    for each in module:
        if isinstance(each, nn.RMSNorm):
            nn.init.uniform_(each.weight, -2, 2)
    return module


def outputs(module: nn.Module) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(module(torch.tensor(X)).numpy())


def sandwich(eps: float | None = 0.01) -> nn.Module:
    return network(nn.RMSNorm(4, eps), KANLinear(4, 3), nn.RMSNorm(3, eps), KANLinear(3, 2))


def test_in_front_and_between() -> None:
    module = sandwich()
    kinds = ("rms_norm", "efficient_kan", "rms_norm", "efficient_kan")
    modules = [{"type": kind} | ({"eps": 0.01} if kind == "rms_norm" else {}) for kind in kinds]
    model = loaded(module.state_dict(), modules=modules)
    np.testing.assert_allclose(model(X), outputs(module), atol=1e-9)
    np.testing.assert_allclose(loaded(module)(X), outputs(module), atol=1e-9)
    program = kanhw.quantize(model, X, activation_bits=8)
    found = program.decode_output(program(program.input.encode(X)))
    assert np.abs(found - outputs(module)).max() < 0.1 * np.ptp(outputs(module))


def test_the_default_epsilon_is_that_of_float32() -> None:
    module = sandwich(None).float()
    with torch.no_grad():
        expected = module(torch.tensor(X, dtype=torch.float32)).numpy()
    np.testing.assert_allclose(loaded(module)(X), expected, atol=1e-4)


def test_a_norm_without_bias_is_asked_about() -> None:
    """LayerNorm(bias=False) and RMSNorm have the same tensor, and are other functions."""
    with pytest.raises(InputError, match=r"'0' .*RMSNorm or a LayerNorm without bias.*modules="):
        load_model(sandwich().state_dict(), layers="0,1,2,3")
