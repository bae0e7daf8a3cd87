"""What is wrong is named, and the cure that is offered is one."""

import numpy as np
import pytest
import torch
from checkpoints import loaded
from torch import nn

from kanhw.errors import InputError
from kanhw.importers.load import load_model
from kanhw.layers import KANLinear
from kanhw.model.sampling import from_callable


def test_bsrbf_kan_is_no_old_fast_kan() -> None:
    """Its layers add B-splines and bumps; their tensors have the names of both libraries."""
    state = {
        "layers.0.base_weight": np.zeros((2, 3)),
        "layers.0.spline_weight": np.zeros((2, 24)),
        "layers.0.grid": np.zeros((3, 12)),
        "layers.0.layernorm.weight": np.ones(3),
        "layers.0.layernorm.bias": np.zeros(3),
        "layers.0.rbf.grid": np.zeros(8),
    }
    with pytest.raises(InputError, match=r"'layers\.0\.base_weight' .* is BSRBF_KAN") as caught:
        load_model(state)
    assert "2024" not in str(caught.value)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_a_layer_of_few_bits_is_no_norm(kind: torch.dtype) -> None:
    layer = nn.Linear(3, 2).to(kind)
    with pytest.raises(InputError, match=rf"computes in {str(kind)[6:]}, .*\.float\(\)") as caught:
        from_callable(layer, 3, 2, ranges=(-1, 1), tolerance=1e-6)
    assert "normalisation across features" not in str(caught.value)


def test_a_linear_layer_between_is_offered_with_its_place() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(KANLinear(4, 3), nn.Linear(3, 3), KANLinear(3, 2)).double()
    with pytest.raises(InputError, match=r"'1' stands .*layers='0,1,2'"):
        load_model(module.state_dict())
    x = np.random.default_rng(0).normal(size=(20, 4))
    with torch.no_grad():
        expected = module(torch.tensor(x)).numpy()
    model = loaded(module.state_dict(), layers="0,1,2")
    np.testing.assert_allclose(model(x), expected, atol=1e-9)


def test_a_gap_may_be_an_activation() -> None:
    """The cure for an activation is a list of all modules, not the layers alone."""
    torch.manual_seed(0)
    module = nn.Sequential(KANLinear(4, 3), nn.ReLU(), KANLinear(3, 2)).double()
    with pytest.raises(InputError, match=r"'1' stands .*modules=\[\.\.\.\].*layers='0,2'"):
        load_model(module.state_dict())
