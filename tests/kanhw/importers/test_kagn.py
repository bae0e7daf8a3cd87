"""KAGN's linear layer: level 0 against the library, the equations, and the trainable layers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from kanhw.errors import InputError
from kanhw.importers import kagn
from kanhw.importers.load import load_model
from kanhw.layers import KAGN, KAGNLayer, module_of
from kanhw.model.activation import Activation
from kanhw.model.bases.polynomial import GramBasis
from kanhw.model.network import KanModel

State = dict[str, np.ndarray]
ACTIVATIONS = {
    "silu": nn.functional.silu,
    "gelu": nn.functional.gelu,
    "relu": nn.functional.relu,
    "tanh": torch.tanh,
    "identity": lambda x: x,
}


@pytest.fixture(scope="module")
def folder(shared_folder: Path) -> Path:
    return shared_folder / "fixtures" / "kan_libraries" / "kagn_digits"


def check(model: Any, folder: Path) -> None:
    vectors = np.load(folder / "vectors.npz")
    tolerance = 1e-5 * (vectors["y"].max() - vectors["y"].min())
    for x, y in (("x", "y"), ("x_far", "y_far")):
        assert vectors[x].size
        assert np.abs(model(vectors[x]) - vectors[y]).max() <= tolerance


def test_equals_the_library(folder: Path) -> None:
    model = load_model(folder)
    assert isinstance(model, KanModel)
    assert model.source.endswith("; base_activation, norm, degree from config.json")
    check(model, folder)


def test_layers_equal_the_library(folder: Path) -> None:
    network = KAGN([64, 16, 10])
    state = torch.load(folder / "model.pt", weights_only=True)
    assert list(network.state_dict()) == list(state)
    network.load_state_dict(state, strict=True)
    check(lambda x: network(torch.from_numpy(x)).detach().numpy(), folder)
    record, loaded = network.to_model(), load_model(folder)
    assert isinstance(loaded, KanModel)
    x = np.load(folder / "vectors.npz")["x"]
    np.testing.assert_allclose(record(x), loaded(x), atol=1e-12)
    check(lambda x: module_of(loaded)(torch.from_numpy(x)).detach().numpy(), folder)


def by_the_equations(
    state: State, prefix: str, x: np.ndarray, act: str = "silu", inner: str | None = None
) -> np.ndarray:
    """One layer in torch float64, straight from the formulas."""
    t = {name.removeprefix(prefix): torch.from_numpy(v) for name, v in state.items()}
    v = torch.from_numpy(x)
    outer, around = ACTIVATIONS[act], ACTIVATIONS[inner or act]
    y = outer(v) @ t["base_weights"].T
    before, now = torch.zeros_like(v), torch.ones_like(v)
    for d in range(len(t["beta_weights"])):
        y = y + around(now) @ t["grams_basis_weights"][:, :, d]
        m = d + 1
        q = 0.0
        if m > 1:
            q = (2 * m - 1) * (m - 1) ** 2 * (4 * (m - 1) ** 2 - 1) / m**2 * t["beta_weights"][d]
        before, now = now, torch.tanh(v) * now - q * before
    gamma, beta = t["norm.weight"], t["norm.bias"]
    return outer(nn.functional.layer_norm(y, (y.shape[1],), gamma, beta)).numpy()


def make_state(
    prefix: str = "layers.0.", n_in: int = 3, n_out: int = 2, degree: int = 3, seed: int = 0
) -> State:
    rng = np.random.default_rng(seed)
    state = {
        "beta_weights": rng.standard_normal(degree + 1) * 0.1,
        "grams_basis_weights": rng.standard_normal((n_in, n_out, degree + 1)),
        "base_weights": rng.standard_normal((n_out, n_in)),
        "norm.weight": rng.standard_normal(n_out),
        "norm.bias": rng.standard_normal(n_out),
    }
    return {f"{prefix}{name}": value for name, value in state.items()}


@given(
    n_in=st.integers(1, 4),
    n_out=st.integers(1, 4),
    degree=st.integers(0, 6),
    act=st.sampled_from(sorted(ACTIVATIONS)),
    seed=st.integers(0, 1000),
    prefix=st.sampled_from(["", "0.", "layers.0.", "net.kan."]),
)
def test_equals_the_equations(
    n_in: int, n_out: int, degree: int, act: str, seed: int, prefix: str
) -> None:
    state = make_state(prefix, n_in, n_out, degree, seed)
    (layer,) = kagn.build(state, {"base_activation": act}).layers
    assert isinstance(layer.basis, GramBasis)
    assert layer.basis.count == degree
    x = np.random.default_rng(seed).uniform(-4, 4, (7, n_in))
    x = np.concatenate([x, np.zeros((1, n_in)), np.full((1, n_in), -60.0)])
    expected = by_the_equations(state, prefix, x, act)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-6, atol=1e-8)
    assert layer.active.all()


def test_p0_is_folded_into_the_bias() -> None:
    state = make_state(degree=2)
    (layer,) = kagn.build(state, {}).layers
    weights = state["layers.0.grams_basis_weights"]
    np.testing.assert_allclose(layer.bias, weights[:, :, 0].sum(axis=0) / (1 + np.exp(-1.0)))
    np.testing.assert_array_equal(layer.coefficients, weights[:, :, 1:].transpose(1, 0, 2))
    assert layer.post[1] == Activation("silu")


def test_basis_activation_eps_norm_and_degree() -> None:
    state, x = make_state(n_out=3), np.random.default_rng(1).uniform(-2, 2, (4, 3))
    options = {"basis_activation": "identity", "norm": "nn.LayerNorm", "degree": "3"}
    (layer,) = kagn.build(state, options).layers
    expected = by_the_equations(state, "layers.0.", x, "silu", "identity")
    np.testing.assert_allclose(layer(x), expected, atol=1e-9)
    assert kagn.build(state, {"eps": 1e-3}).layers[0].post[0].epsilon == 1e-3


def test_defaults_and_one_output_are_said() -> None:
    state = {**make_state("layers.0.", 3, 2), **make_state("layers.1.", 2, 1)}
    model = kagn.build(state, {})
    assert model.source == (
        "KAGN, 2 layers ('layers.0', 'layers.1'); base_activation silu (the library's default; "
        "heads of its VGG networks have gelu); layer 'layers.1' is constant, as its LayerNorm is "
        "of one value"
    )
    beta = state["layers.1.norm.bias"]
    x = np.random.default_rng(0).uniform(-3, 3, (9, 3))
    np.testing.assert_allclose(model(x), np.tile(beta / (1 + np.exp(-beta)), (9, 1)))


def test_skips_dropout_and_the_l1_wrapper() -> None:
    state = {**make_state("layers.1.", 3, 2), **make_state("layers.3.module.", 2, 4)}
    model = kagn.build(state, {})
    assert [layer.name for layer in model.layers] == ["layers.1", "layers.3"]
    assert "; taken for Dropout: 'layers.2'" in model.source
    x = np.random.default_rng(0).uniform(-3, 3, (9, 3))
    hidden = by_the_equations(state, "layers.1.", x)
    expected = by_the_equations(state, "layers.3.module.", hidden)
    np.testing.assert_allclose(model(x), expected, atol=1e-9)


def changed(**changes: np.ndarray | None) -> State:
    state: dict[str, Any] = make_state()
    state.update({f"layers.0.{name.replace('__', '.')}": v for name, v in changes.items()})
    return {name: value for name, value in state.items() if value is not None}


@pytest.mark.parametrize(
    ("state", "options", "message"),
    [
        (
            changed(bias_weights=np.ones(2)),
            {},
            r"^Tensor 'layers\.0\.bias_weights' is of GRAMKAN's layout of May 2024",
        ),
        (
            changed(grams_basis_weights=None, grams_weights=np.ones((3, 2, 4))),
            {},
            r"^Tensor 'layers\.0\.grams_weights' is of GRAMKAN's layout of May 2024",
        ),
        (changed(prelu__weight=np.ones(1)), {}, r"'layers\.0\.prelu\.weight' .* KAGN has no such"),
        (changed(beta_weights=None), {}, r"^Tensor 'layers\.0\.beta_weights' is missing"),
        (changed(base_weights=None), {}, r"^Tensor 'layers\.0\.base_weights' is missing"),
        (changed(norm__weight=None), {}, r"^Tensor 'layers\.0\.norm\.weight' is missing"),
        (changed(norm__bias=np.ones(3)), {}, r"'layers\.0\.norm\.bias' must have shape \[2\] to f"),
        (
            changed(base_weights=np.ones((3, 2))),
            {},
            r"^Tensor 'layers\.0\.base_weights' must have shape \[2, 3\] to fit",
        ),
        (
            changed(beta_weights=np.zeros(3)),
            {},
            r"'layers\.0\.grams_basis_weights' must have shape \[any, any, 3\] to fit",
        ),
        (changed(beta_weights=np.full(4, np.inf)), {}, r"beta_weights' holds NaN or infinity in 4"),
        (changed(), {"degree": 4}, r"^degree=4 contradicts tensor 'layers\.0\.beta_weights', whic"),
        (changed(), {"norm": "batch"}, r"^norm='batch' does not exist in KAGN's linear layer, whi"),
        (changed(), {"base_activation": "prelu"}, r"^A KAGN layer has no tensor for the slope of "),
        (changed(), {"base_activation": "sin"}, r"^Unknown base activation 'sin'"),
        (
            {**make_state("0.", 3, 2), "1.weight": np.ones((2, 2)), **make_state("2.", 2, 2)},
            {},
            r"^Module '1' stands between the KAN layers and holds tensor '1\.weight', as a norm",
        ),
    ],
)
def test_refuses(state: State, options: dict[str, Any], message: str) -> None:
    assert kagn.matches(state)
    with pytest.raises(InputError, match=message) as caught:
        kagn.build(state, options)
    assert "\n" not in str(caught.value)


def test_refuses_options_of_a_wrong_type() -> None:
    with pytest.raises(TypeError, match=r"^The option norm must be a name, not 3$"):
        kagn.build(make_state(), {"norm": 3})


# Trainable layers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [{}, {"degree": 0}, {"degree": 1}, {"degree": 6}, {"base_activation": nn.GELU}],
)
def test_to_model_equals_the_network(tmp_path: Path, options: dict[str, Any]) -> None:
    torch.manual_seed(3)
    network = KAGN([3, 5, 2], **options)
    x = 2 * torch.randn(6, 4, 3)
    y = network(x)
    assert y.shape == (6, 4, 2)
    record = network.to_model()
    flat = x.reshape(-1, 3).numpy()
    np.testing.assert_allclose(record(flat), y.reshape(-1, 2).detach().numpy(), atol=1e-4)
    torch.save(network.state_dict(), tmp_path / "net.pt")
    told = {"base_activation": "gelu"} if "base_activation" in options else {}
    loaded = load_model(tmp_path / "net.pt", **told)
    assert isinstance(loaded, KanModel)
    np.testing.assert_array_equal(loaded(flat), record(flat))
    back = module_of(record)
    assert isinstance(back, KAGN)
    torch.testing.assert_close(back(x), y, atol=1e-4, rtol=0)
    # Saved and read again, the network is the same, though its weights of P_0 are not.
    again = back.to_model()
    np.testing.assert_allclose(again(flat), record(flat), atol=1e-4)


def test_starts_sensibly_and_learns() -> None:
    torch.manual_seed(0)
    network = KAGN([8, 16, 4])
    x = torch.randn(256, 8)
    assert 0.1 < network(x).std() < 2
    target = torch.sin(2 * x[:, :4])
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(network(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
    assert "in_features=8, out_features=16, degree=3" in repr(network)


def test_layers_refuse() -> None:
    with pytest.raises(InputError, match=r"^in_features must be at least 1, not 0$"):
        KAGNLayer(0, 1)
    with pytest.raises(InputError, match=r"^degree must be at least 0, not -1$"):
        KAGNLayer(1, 1, -1)
    with pytest.raises(TypeError, match=r"^degree must be an integer, not 1\.5$"):
        KAGNLayer(1, 1, 1.5)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^A KAGN needs at least two sizes .*, not \[3\]$"):
        KAGN([3])
    with pytest.raises(InputError, match=r"^KAGNLayer takes 3 features in the last axis"):
        KAGNLayer(3, 1)(torch.zeros(2, 4))
