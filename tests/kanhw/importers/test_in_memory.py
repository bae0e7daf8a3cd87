"""State_dicts and modules in memory."""

from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import Scaled, loaded
from torch import Tensor, nn
from torch.nn import functional

from kanhw.errors import InputError
from kanhw.importers.load import load_model
from kanhw.layers import KAGN, KAN, FastKAN, KANLinear

X = np.random.default_rng(3).uniform(-2, 2, (50, 4))


class Own(nn.Module):
    """A KAN layer of a user's own, whose tensors have EfficientKAN's names."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        inner = KANLinear(n_in, n_out, base_activation=nn.Mish)
        for name in ("base_weight", "spline_weight", "spline_scaler"):
            self.register_parameter(name, getattr(inner, name))
        self.register_buffer("grid", inner.grid)
        self.base_activation = functional.mish
        self._inner = [inner]

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self._inner[0](x)
        return y


class Sub(KAN):
    """A plain subclass of our layers."""


class Inside(nn.Module):
    """One KAN in a module that says something about it, and a Dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.kan, self.drop, self.name = KAN([4, 3]), nn.Dropout(0.5), "inside"

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.drop(self.kan(x))
        return y


class WithSigmoid(Inside):
    """Its forward does more than its tensors tell."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).sigmoid()


MODULES: dict[str, Any] = {
    "own": lambda: nn.Sequential(Own(4, 3), Own(3, 2)),
    "subclass": lambda: Sub([4, 3, 2]),
    "gelu": lambda: KAN([4, 2], base_activation=nn.GELU),
    "inside": Inside,
    "parallel": lambda: nn.DataParallel(KAN([4, 2])),
    "denominator": lambda: FastKAN([4, 3, 2], denominator=0.9),
    "kagn": lambda: KAGN([4, 3, 2]),
    "sequence": lambda: nn.Sequential(
        nn.LayerNorm(4, eps=1e-3), KANLinear(4, 3), nn.ReLU(), nn.Dropout(), nn.Linear(3, 3),
        nn.BatchNorm1d(3), KANLinear(3, 2), nn.Sigmoid(),
    ),
}  # fmt: skip


def made(name: str) -> nn.Module:
    torch.manual_seed(0)
    module: nn.Module = MODULES[name]()
    return module


@pytest.mark.parametrize("name", MODULES)
def test_modules(name: str) -> None:
    module = made(name)
    model = loaded(module)
    assert module.training
    with torch.no_grad():
        expected = module.eval()(torch.tensor(X, dtype=torch.float32)).numpy()
    np.testing.assert_allclose(model(X), expected, atol=1e-4)
    assert model.source.startswith(type(module).__name__)


def test_a_softmax_at_the_end_is_left_to_the_host() -> None:
    module = nn.Sequential(KANLinear(4, 3), nn.Softmax(dim=1))
    model = loaded(module)
    with torch.no_grad():
        expected = module[0](torch.tensor(X, dtype=torch.float32)).numpy()
    np.testing.assert_allclose(model(X), expected, atol=1e-4)
    assert "softmax at the end is left to the host" in model.source
    with pytest.raises(InputError, match=r"'1' is a softmax, .* it must be the last"):
        load_model(nn.Sequential(KANLinear(4, 3), nn.Softmax(dim=1), nn.Linear(3, 2)))


def test_what_forward_does_besides_is_found() -> None:
    torch.manual_seed(0)
    with pytest.raises(InputError, match=r"WithSigmoid gives other outputs than its KAN layers"):
        load_model(WithSigmoid())
    assert loaded(WithSigmoid(), layers="kan").n_out == 3
    wrapper = Scaled(KAN([4, 2]))
    with pytest.raises(InputError, match="--input-mean x_mean"):
        load_model(wrapper)
    with pytest.raises(InputError, match="other outputs than its KAN layers alone"):
        load_model(wrapper, ignore="?_*")
    names = {"input_mean": "x_mean", "input_std": "x_std", "output_mean": "y_mean"}
    assert loaded(wrapper, **names, output_std="y_std").n_out == 2


def test_a_state_dict() -> None:
    module = made("subclass")
    np.testing.assert_array_equal(loaded(module.state_dict())(X), loaded(module)(X))
    arrays = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    np.testing.assert_array_equal(loaded(arrays)(X), loaded(module)(X))
    assert loaded({"net": module.state_dict(), "epoch": 3}).n_out == 2


@pytest.mark.parametrize("wrong", [[torch.zeros(500)], torch.zeros(500), 3, None, object()])
def test_messages_print_no_tensors(wrong: Any) -> None:
    with pytest.raises(TypeError, match=rf"not {type(wrong).__name__}$") as caught:
        load_model(wrong)
    assert "0." not in str(caught.value)


def test_an_activation_without_equal() -> None:
    with pytest.raises(InputError, match=r"activations of KANLinear are softsign: kanhw knows"):
        load_model(KAN([4, 2], base_activation=nn.Softsign))


def test_a_record_shows_no_numbers() -> None:
    model = loaded(KAN([4, 300, 2]))
    for shown in (repr(model), *map(repr, model.layers), repr(vars(model.layers[0])["basis"])):
        assert len(shown) < 400
        assert "\n" not in shown
        assert "..." not in shown


@pytest.mark.parametrize("name", ["cheby_coeffs", "basis_weights"])
def test_tanh_stands_among_what_was_assumed(name: str) -> None:
    state = {f"0.{name}": np.ones((3, 2, 4)), "0.beta_weights": np.ones(4)}
    if name == "cheby_coeffs":
        del state["0.beta_weights"]
    assert "inputs go through tanh (as in the library's forward)" in loaded(state).source
