"""FastKAN: level 0 against the library, against the equations, and the trainable layers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from kanhw.errors import InputError
from kanhw.importers import fast_kan
from kanhw.importers.load import load_model
from kanhw.layers import FastKAN, FastKANLayer, module_of
from kanhw.model.bases.radial import RadialBasis
from kanhw.model.network import KanModel

State = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def folder(shared_folder: Path) -> Path:
    return shared_folder / "fixtures" / "kan_libraries" / "fast_kan_digits"


def check(model: Any, folder: Path) -> None:
    vectors = np.load(folder / "vectors.npz")
    tolerance = 1e-5 * (vectors["y"].max() - vectors["y"].min())
    for x, y in (("x", "y"), ("x_far", "y_far")):
        assert vectors[x].size
        assert np.abs(model(vectors[x]) - vectors[y]).max() <= tolerance


@pytest.mark.parametrize("name", ["", "model.pt"])
def test_equals_the_library(folder: Path, name: str) -> None:
    model = load_model(folder / name)
    assert isinstance(model, KanModel)
    assert model.source == (
        "model.pt: FastKAN, 2 layers ('layers.0', 'layers.1'); LayerNorm's eps 1e-05 (PyTorch's "
        "default); denominator 0.571429 (the library's default for the grid); base_activation, "
        "layernorm, grid_min, grid_max from config.json"
    )
    check(model, folder)


def test_layers_equal_the_library(folder: Path) -> None:
    network = FastKAN([64, 16, 10])
    state = torch.load(folder / "model.pt", weights_only=True)
    assert list(network.state_dict()) == list(state)
    torch.testing.assert_close(network.layers[0].rbf.grid, state["layers.0.rbf.grid"])
    network.load_state_dict(state, strict=True)
    check(lambda x: network(torch.from_numpy(x)).detach().numpy(), folder)
    record, loaded = network.to_model(), load_model(folder)
    assert isinstance(loaded, KanModel)
    x = np.load(folder / "vectors.npz")["x"]
    np.testing.assert_allclose(record(x), loaded(x), atol=1e-12)
    assert record.source == "kanhw.layers.FastKAN"


def by_the_equations(
    state: State, prefix: str, x: np.ndarray, d: float, use_norm: bool = True
) -> np.ndarray:
    z = torch.from_numpy(x)
    if use_norm and f"{prefix}layernorm.weight" in state:
        gamma, beta = (
            torch.from_numpy(state[f"{prefix}layernorm.{name}"]) for name in ("weight", "bias")
        )
        z = nn.functional.layer_norm(z, (x.shape[1],), gamma, beta)
    grid, spline = state[f"{prefix}rbf.grid"], state[f"{prefix}spline_linear.weight"]
    y = np.zeros((len(x), len(spline)))
    for n, row in enumerate(z.numpy()):
        for i, v in enumerate(row):
            for k, g in enumerate(grid):
                y[n] += spline[:, i * len(grid) + k] * np.exp(-(((v - g) / d) ** 2))
    if f"{prefix}base_linear.weight" in state:
        y += (x / (1 + np.exp(-x))) @ state[f"{prefix}base_linear.weight"].T
        y += state[f"{prefix}base_linear.bias"]
    return y


def make_state(
    prefix: str = "layers.0.",
    n_in: int = 3,
    n_out: int = 2,
    count: int = 5,
    norm: bool = True,
    base: bool = True,
    even: bool = True,
    seed: int = 0,
) -> State:
    rng = np.random.default_rng(seed)
    grid = np.linspace(-2, 2, count) if even else np.sort(rng.uniform(-3, 3, count))
    state = {
        "rbf.grid": grid,
        "spline_linear.weight": rng.standard_normal((n_out, n_in * count)),
    }
    if norm:
        state["layernorm.weight"] = rng.standard_normal(n_in)
        state["layernorm.bias"] = rng.standard_normal(n_in)
    if base:
        state["base_linear.weight"] = rng.standard_normal((n_out, n_in))
        state["base_linear.bias"] = rng.standard_normal(n_out)
    return {f"{prefix}{name}": value for name, value in state.items()}


@given(
    n_in=st.integers(1, 4),
    n_out=st.integers(1, 3),
    count=st.integers(2, 9),
    norm=st.booleans(),
    base=st.booleans(),
    even=st.booleans(),
    denominator=st.none() | st.floats(0.2, 3),
    seed=st.integers(0, 1000),
    prefix=st.sampled_from(["", "0.", "layers.0.", "net.kan."]),
)
def test_equals_the_equations(
    n_in: int,
    n_out: int,
    count: int,
    norm: bool,
    base: bool,
    even: bool,
    denominator: float | None,
    seed: int,
    prefix: str,
) -> None:
    # What moved centres are divided by must be told.
    even |= denominator is None
    state = make_state(prefix, n_in, n_out, count, norm, base, even, seed)
    (layer,) = fast_kan.build(state, {"denominator": denominator}).layers
    assert isinstance(layer.basis, RadialBasis)
    grid = state[f"{prefix}rbf.grid"]
    d = denominator or (grid[-1] - grid[0]) / (count - 1)
    x = np.random.default_rng(seed).uniform(-6, 6, (5, n_in))
    x = np.concatenate([x, np.full((1, n_in), 0.3), np.full((1, n_in), 40.0)])
    np.testing.assert_allclose(layer(x), by_the_equations(state, prefix, x, d), atol=1e-9)
    assert (layer.spline_norm is not None) == norm
    assert layer.base_activation.name == ("silu" if base else "zero")
    assert base or not layer.bias.any()
    assert layer.active.all()


def test_constant_sample_is_beta() -> None:
    state = make_state(norm=True)
    (layer,) = fast_kan.build(state, {}).layers
    z = layer.spline_input(np.full((1, 3), 7.0))
    np.testing.assert_allclose(z, state["layers.0.layernorm.bias"][None])


def test_layernorm_may_be_skipped_by_the_caller() -> None:
    state, x = make_state(), np.random.default_rng(1).uniform(-2, 2, (4, 3))
    for value in (False, "false", "False"):
        (layer,) = fast_kan.build(state, {"layernorm": value}).layers
        expected = by_the_equations(state, "layers.0.", x, 1.0, use_norm=False)
        np.testing.assert_allclose(layer(x), expected, atol=1e-12)
    assert fast_kan.build(state, {"layernorm": True}).layers[0].spline_norm is not None


def denominators(state: State, **options: Any) -> list[float]:
    model = fast_kan.build(state, options)
    return [layer.basis.denominator for layer in model.layers]


def test_denominators() -> None:
    state = {**make_state("layers.0.", 3, 2), **make_state("layers.1.", 2, 2, count=9)}
    assert denominators(state) == [1.0, 0.5]
    assert denominators(state, denominator="0.25") == [0.25, 0.25]
    assert denominators(state, denominator="0.25, 2") == [0.25, 2.0]
    assert denominators(state, denominator=[0.25, 2]) == [0.25, 2.0]
    assert denominators(state, grid_min=-3, grid_max="1.8") == pytest.approx([1.2, 0.6])
    source = fast_kan.build(state, {}).source
    assert "denominator 0.5, 1 (the library's default for the grid)" in source
    assert "base_activation silu (the library's default)" in source
    assert "denominator" not in fast_kan.build(state, {"denominator": 1}).source


def test_eps_and_base_activation() -> None:
    state = make_state()
    (layer,) = fast_kan.build(state, {"eps": "1e-3", "base_activation": "nn.GELU"}).layers
    assert layer.spline_norm is not None and layer.spline_norm.epsilon == 1e-3
    assert layer.base_activation.name == "gelu"
    state["layers.0.base_activation.weight"] = np.array([0.25])
    assert fast_kan.build(state, {}).layers[0].base_activation.slope == 0.25


def test_a_norm_between_layers_is_named() -> None:
    state = {
        **make_state("0.", 3, 2),
        "1.weight": np.array([2.0, 3.0]),
        "1.bias": np.zeros(2),
        **make_state("2.", 2, 2),
    }
    message = (
        r"^Module '1' stands between the KAN layers and holds tensor '1\.weight', as a norm or "
        r"a linear layer does: name it among them to have it applied, layers='0,1,2'$"
    )
    with pytest.raises(InputError, match=message):
        fast_kan.build(state, {})
    model = fast_kan.build(state, {"layers": "0,1,2"})
    x = np.random.default_rng(0).uniform(-2, 2, (5, 3))
    hidden = torch.from_numpy(by_the_equations(state, "0.", x, 1.0))
    hidden = nn.functional.layer_norm(hidden, (2,), torch.tensor([2.0, 3.0]).double())
    np.testing.assert_allclose(
        model(x), by_the_equations(state, "2.", hidden.numpy(), 1.0), atol=1e-9
    )


def changed(**changes: np.ndarray | None) -> State:
    state: dict[str, Any] = make_state()
    state.update({f"layers.0.{name.replace('__', '.')}": v for name, v in changes.items()})
    return {name: value for name, value in state.items() if value is not None}


@pytest.mark.parametrize(
    ("state", "options", "message"),
    [
        (
            {"layers.0.rbf.grid": np.zeros(8), "layers.0.spline_weight": np.zeros((2, 3, 8))},
            {},
            r"^Tensor 'layers\.0\.spline_weight' .* is of FastKAN's layout from before May 2024: ",
        ),
        (
            changed(rbf__inv_denominator=np.ones(1)),
            {},
            r"'layers\.0\.rbf\.inv_denominator' shows that layer 'layers\.0' is FasterKAN, whose",
        ),
        (
            changed(spline_conv__0__weight=np.ones((1, 1, 3, 3))),
            {},
            r"^Tensor 'layers\.0\.spline_conv' shows that layer 'layers\.0' is a FastKAN convoluti",
        ),
        (changed(norm__weight=np.ones(3)), {}, r"'layers\.0\.norm\.weight' lies .* FastKAN has no"),
        (changed(rbf__grid=None), {}, r"^Tensor 'layers\.0\.rbf\.grid' is missing"),
        (changed(spline_linear__weight=None), {}, r"'layers\.0\.spline_linear\.weight' is missing"),
        (changed(layernorm__bias=None), {}, r"^Tensor 'layers\.0\.layernorm\.bias' is missing"),
        (changed(base_linear__bias=None), {}, r"^Tensor 'layers\.0\.base_linear\.bias' is missing"),
        (
            changed(rbf__grid=np.linspace(-2, 2, 4)),
            {},
            r"has 15 columns, which is no multiple of the 4 centres of 'layers\.0\.rbf\.grid'$",
        ),
        (changed(rbf__grid=np.full(5, np.nan)), {}, r"rbf\.grid' holds NaN or infinity in 5 of 5"),
        (
            changed(layernorm__weight=np.ones(4)),
            {},
            r"^Tensor 'layers\.0\.layernorm\.weight' must have shape \[3\] to fit",
        ),
        (
            changed(base_linear__weight=np.ones((3, 2))),
            {},
            r"^Tensor 'layers\.0\.base_linear\.weight' must have shape \[2, 3\] to fit",
        ),
        (
            changed(rbf__grid=np.zeros(1), spline_linear__weight=np.zeros((2, 3))),
            {},
            r"rbf\.grid' has one centre, from which no denominator follows: pass denominator=",
        ),
        (
            changed(rbf__grid=np.linspace(2, -2, 5)),
            {},
            r"rbf\.grid' goes from 2 to -2, from which no denominator follows: pass denominator=",
        ),
        (changed(), {"denominator": 0}, r"^The RBF denominator must be positive and finite, not 0"),
        (changed(), {"denominator": "wide"}, r"^The option denominator must be a number, not 'wi"),
        (changed(), {"denominator": "inf"}, r"^The option denominator must be finite, not 'inf'$"),
        (
            changed(),
            {"denominator": [1, 2]},
            r"^The option denominator has 2 values for 1 layer: give one for all, or one each$",
        ),
        (
            changed(layernorm__weight=None, layernorm__bias=None),
            {"layernorm": True},
            r"^layernorm=True, but the layer has no tensor 'layers\.0\.layernorm\.weight': leave",
        ),
        (changed(), {"layernorm": "maybe"}, r"^The option layernorm is true or false, not 'maybe'"),
        (changed(), {"eps": 0}, r"^The option eps must be positive, not 0\.0$"),
        (changed(), {"base_activation": "sin"}, r"^Unknown base activation 'sin'"),
        (
            {**make_state("a."), **make_state("b.")},
            {},
            r"^The checkpoint holds several networks: 'a' \(1 layer\), 'b' \(1 layer\); pick one",
        ),
    ],
)
def test_refuses(state: State, options: dict[str, Any], message: str) -> None:
    assert fast_kan.matches(state)
    with pytest.raises(InputError, match=message) as caught:
        fast_kan.build(state, options)
    assert "\n" not in str(caught.value)


# Trainable layers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"grid_min": -1.0, "grid_max": 3.0, "num_grids": 5},
        {"use_layernorm": False},
        {"use_base_update": False},
        {"denominator": 0.9},
        {"base_activation": nn.GELU},
        {"base_activation": nn.PReLU},
    ],
)
def test_to_model_equals_the_network(tmp_path: Path, options: dict[str, Any]) -> None:
    torch.manual_seed(3)
    network = FastKAN([3, 5, 2], **options)
    for layer in network.layers:
        if layer.layernorm is not None:
            nn.init.normal_(layer.layernorm.weight)
            nn.init.normal_(layer.layernorm.bias)
    x = 2 * torch.randn(6, 4, 3)
    y = network(x)
    assert y.shape == (6, 4, 2)
    record = network.to_model()
    flat = x.reshape(-1, 3).numpy()
    np.testing.assert_allclose(record(flat), y.reshape(-1, 2).detach().numpy(), atol=1e-5)
    back = module_of(record)
    assert isinstance(back, FastKAN)
    torch.testing.assert_close(back(x), y, atol=1e-5, rtol=0)
    torch.save(network.state_dict(), tmp_path / "net.pt")
    told = {key: options[key] for key in ("denominator",) if key in options}
    if options.get("base_activation") is nn.GELU:
        told["base_activation"] = "gelu"
    loaded = load_model(tmp_path / "net.pt", **told)
    assert isinstance(loaded, KanModel)
    np.testing.assert_array_equal(loaded(flat), record(flat))


def test_learns_and_keeps_its_centres() -> None:
    torch.manual_seed(0)
    network = FastKAN([2, 4, 1])
    grid = network.layers[0].rbf.grid.clone()
    x = torch.randn(64, 2)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(network(x), torch.sin(2 * x[:, :1]))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert torch.equal(network.layers[0].rbf.grid, grid)
    assert "in_features=2, out_features=4" in repr(network)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((0, 1), {}, r"^in_features must be at least 1, not 0$"),
        ((1, 0), {}, r"^out_features must be at least 1, not 0$"),
        ((1, 1), {"num_grids": 0}, r"^num_grids must be at least 1, not 0$"),
        ((1, 1), {"num_grids": 1}, r"^One centre has no distance to another: pass denominator$"),
        ((1, 1), {"grid_min": 2.0}, r"^grid_min and grid_max must be finite and in this order, no"),
        ((1, 1), {"denominator": 0.0}, r"^denominator must be positive and finite, not 0\.0$"),
    ],
)
def test_layer_refuses(arguments: tuple[int, int], options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        FastKANLayer(*arguments, **options)


def test_network_refuses() -> None:
    with pytest.raises(InputError, match=r"^A FastKAN needs at least two sizes .*, not \[3\]$"):
        FastKAN([3])
    with pytest.raises(InputError, match=r"^FastKANLayer takes 3 features in the last axis"):
        FastKANLayer(3, 1)(torch.zeros(2, 4))
    with pytest.raises(InputError, match=r"^kanhw has no equal of .* activation Softsign\(\)"):
        FastKAN([2, 1], base_activation=nn.Softsign).to_model()


def test_moved_centres_ask_for_the_denominator() -> None:
    """What the library took it from is not there any more."""
    state = make_state()
    name = "layers.0.rbf.grid"
    state[name] = state[name] + [0, 0.01, -0.02, 0.01, 0]
    message = rf"{name}' are not evenly spaced, .*denominator="
    with pytest.raises(InputError, match=message) as caught:
        fast_kan.build(state, {})
    assert "\n" not in str(caught.value)
    assert denominators(state, denominator=0.9) == [0.9]
    assert denominators(state, grid_min=-2, grid_max=2) == [1.0]
    # Rounding to float32 moves nothing.
    state[name] = np.linspace(-2, 2, 5, dtype=np.float32).astype(float)
    assert denominators(state) == [1.0]


def test_what_was_assumed_is_said() -> None:
    source = fast_kan.build(make_state(), {}).source
    assert "LayerNorm's eps 1e-05 (PyTorch's default)" in source
    assert "eps" not in fast_kan.build(make_state(), {"eps": 1e-5}).source
