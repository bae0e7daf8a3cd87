"""The EfficientKAN importer: level 0 against the library, and against the equations."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanhw.errors import InputError
from kanhw.importers import efficient_kan
from kanhw.importers.load import load_model
from kanhw.model.network import KanModel

FOLDERS = ["efficient_kan_digits", "efficient_kan_fashion", "efficient_kan_wine"]


@pytest.mark.parametrize("name", FOLDERS)
def test_equals_the_library(shared_folder: Path, name: str) -> None:
    folder = shared_folder / "fixtures" / "kan_libraries" / name
    model = load_model(folder)
    assert isinstance(model, KanModel)
    vectors = np.load(folder / "vectors.npz")
    tolerance = 1e-5 * (vectors["y"].max() - vectors["y"].min())
    for x, y in (("x", "y"), ("x_far", "y_far")):
        assert vectors[x].size
        assert np.abs(model(vectors[x]) - vectors[y]).max() <= tolerance


def textbook(t: np.ndarray, m: int, p: int, x: float) -> float:
    """Cox-de Boor as the textbook has it: recursive, one number."""
    if p == 0:
        return 1.0 if t[m] <= x < t[m + 1] else 0.0
    left = (x - t[m]) / (t[m + p] - t[m]) * textbook(t, m, p - 1, x)
    right = (t[m + p + 1] - x) / (t[m + p + 1] - t[m + 1]) * textbook(t, m + 1, p - 1, x)
    return left + right


def by_the_equations(state: dict[str, np.ndarray], prefix: str, x: np.ndarray) -> np.ndarray:
    base, spline = state[f"{prefix}base_weight"], state[f"{prefix}spline_weight"]
    grid = state[f"{prefix}grid"].astype(float)
    scaler = state.get(f"{prefix}spline_scaler", np.ones_like(base))
    n_out, _, count = spline.shape
    order = grid.shape[1] - count - 1
    y = np.zeros((len(x), n_out))
    for n, row in enumerate(x):
        for i, v in enumerate(row):
            values = np.array([textbook(grid[i], m, order, v) for m in range(count)])
            y[n] += base[:, i] * v / (1 + np.exp(-v)) + scaler[:, i] * (spline[:, i] @ values)
    return y


def make_state(
    prefix: str = "layers.0.",
    n_in: int = 3,
    n_out: int = 2,
    cells: int = 5,
    order: int = 3,
    scaler: bool = True,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    state = {
        "base_weight": rng.standard_normal((n_out, n_in)),
        "spline_weight": rng.standard_normal((n_out, n_in, cells + order)),
        "grid": np.cumsum(rng.uniform(0.05, 1, (n_in, cells + 2 * order + 1)), axis=1) - 3,
    }
    if scaler:
        state["spline_scaler"] = rng.standard_normal((n_out, n_in))
    return {f"{prefix}{k}": v.astype(np.float32).astype(float) for k, v in state.items()}


def two_layers(parent: str = "layers.", seed: int = 0) -> dict[str, np.ndarray]:
    first = make_state(f"{parent}0.", 3, 4, seed=seed)
    return {**first, **make_state(f"{parent}1.", 4, 2, seed=seed + 1)}


def prefixes(state: dict[str, np.ndarray], **options: Any) -> list[str]:
    return [layer.name for layer in efficient_kan.build(state, options).layers]


@given(
    n_in=st.integers(1, 3),
    n_out=st.integers(1, 3),
    cells=st.integers(1, 7),
    order=st.integers(1, 4),
    scaler=st.booleans(),
    seed=st.integers(0, 1000),
    prefix=st.sampled_from(["", "0.", "layers.0.", "net.kan."]),
)
def test_equals_the_equations(
    n_in: int, n_out: int, cells: int, order: int, scaler: bool, seed: int, prefix: str
) -> None:
    state = make_state(prefix, n_in, n_out, cells, order, scaler, seed)
    (layer,) = efficient_kan.build(state, {}).layers
    assert (layer.basis.order, layer.basis.count) == (order, cells + order)
    random = np.random.default_rng(seed).uniform(-6, 6, (6, n_in))
    x = np.concatenate([random, state[f"{prefix}grid"].T, [[40.0] * n_in, [-40.0] * n_in]])
    np.testing.assert_allclose(layer(x), by_the_equations(state, prefix, x), atol=1e-10)
    assert not layer.bias.any()


def test_layers_go_by_number_not_by_spelling() -> None:
    state: dict[str, np.ndarray] = {}
    for index in reversed(range(12)):
        state.update(make_state(f"body.{index}.", 2, 2, seed=index))
    assert prefixes(state) == [f"body.{index}" for index in range(12)]


def test_scaler_may_be_missing_in_some_layers() -> None:
    state = two_layers()
    del state["layers.1.spline_scaler"]
    model = efficient_kan.build(state, {})
    np.testing.assert_array_equal(model.layers[1].coefficients, state["layers.1.spline_weight"])


OTHERS = ("leaky_relu", "elu", "sigmoid", "softplus", "mish", "selu", "hardswish")


@pytest.mark.parametrize(
    "name", ["silu", "identity", "zero", "gelu", "relu", "tanh", "nn.ReLU", *OTHERS]
)
def test_base_activation_option(name: str) -> None:
    (layer,) = efficient_kan.build(make_state(), {"base_activation": name}).layers
    assert layer.base_activation.name == name.removeprefix("nn.").lower()


def test_prelu_is_read_from_the_checkpoint() -> None:
    state = {**make_state(), "layers.0.base_activation.weight": np.array([0.25])}
    for options in ({}, {"base_activation": "prelu"}):
        (layer,) = efficient_kan.build(state, options).layers
        assert (layer.base_activation.name, layer.base_activation.slope) == ("prelu", 0.25)


def test_picks_one_of_several_networks() -> None:
    state = {**two_layers("actor.layers."), **two_layers("critic.layers.", seed=5)}
    assert prefixes(state, layers="critic.layers") == ["critic.layers.0", "critic.layers.1"]
    assert prefixes(state, layers="actor.layers.1") == ["actor.layers.1"]
    chosen = "actor.layers.0, critic.layers.1"
    assert prefixes(state, layers=chosen) == chosen.split(", ")


def test_says_what_was_left_out() -> None:
    state = {**two_layers(), "stem.weight": np.zeros((3, 9)), "stem.bias": np.zeros(3)}
    model = efficient_kan.build(state, {"layers": "layers"})
    assert model.source == (
        "EfficientKAN, 2 layers ('layers.0', 'layers.1'); not loaded, as told: 2 tensors "
        "(stem.weight, stem.bias); base_activation silu (the library's default)"
    )
    whole = efficient_kan.build(two_layers(), {"base_activation": "silu"})
    assert whole.source == "EfficientKAN, 2 layers ('layers.0', 'layers.1')"


def test_modules_before_after_and_between_are_not_left_out_unsaid() -> None:
    state = {
        **make_state("1.", 3, 4),
        **make_state("2.", 4, 4),
        "0.weight": np.zeros((3, 3)),
        "3.weight": np.zeros((3, 3)),
    }
    with pytest.raises(InputError, match=r"2 tensors \(0\.weight, 3\.weight\) .*'0,1,2,3'"):
        efficient_kan.build(state, {})
    assert prefixes(state, layers="1,2") == ["1", "2"]
    del state["0.weight"]
    state.update(make_state("4.", 4, 2))
    message = (
        r"^Module '3' stands between the KAN layers and holds tensor '3\.weight', as a norm or a "
        r"linear layer does: name it among them to have it applied, layers='1,2,3,4'$"
    )
    with pytest.raises(InputError, match=message):
        efficient_kan.build(state, {})
    del state["3.weight"]
    with pytest.raises(InputError, match=r"^Module '3' stands .* no tensors \(an activation, or "):
        efficient_kan.build(state, {})
    assert prefixes(state, layers="1,2,4") == ["1", "2", "4"]


def changed(**changes: np.ndarray | None) -> dict[str, np.ndarray]:
    """One layer with some tensors replaced, or taken out by None."""
    state: dict[str, Any] = make_state()
    state.update({f"layers.0.{name.replace('__', '.')}": v for name, v in changes.items()})
    return {name: value for name, value in state.items() if value is not None}


REPEATED = make_state()["layers.0.grid"].copy()
REPEATED[2, 5] = REPEATED[2, 4]


@pytest.mark.parametrize(
    ("state", "options", "message"),
    [
        (
            {**two_layers("actor."), **two_layers("critic.")},
            {},
            (r"^The checkpoint holds several networks: 'actor' \(2 layers\), 'critic' \(2 layers\)"
            r"; pick one with layers='PREFIX', or name its layers in order with "
            r"layers='FIRST,SECOND'$"),
        ),
        (
            two_layers(),
            {"layers": "head"},
            r"^layers='head' names no network of the checkpoint, which holds: 'layers' \(2 lay",
        ),
        (
            {**make_state("layers.0.", 3, 4), **make_state("layers.1.", 3, 2)},
            {},
            (r"^The KAN layers do not follow one another: 'layers\.0' 3 -> 4, 'layers\.1' 3 -> 2; "
            r"pick the ones that do with layers='PREFIX'"),
        ),
        (
            changed(norm__weight=np.ones(3)),
            {},
            (r"^Tensor 'layers\.0\.norm\.weight' lies in the KAN layer 'layers\.0' but "
            r"EfficientKAN has no such parameter: kanhw reads base_weight, spline_weight, grid, "),
        ),
        (changed(grid=None), {}, r"^Tensor 'layers\.0\.grid' is missing"),
        (changed(base_weight=None), {}, r"^Tensor 'layers\.0\.base_weight' is missing"),
        (changed(spline_weight=None), {}, r"^Tensor 'layers\.0\.spline_weight' is missing"),
        (changed(base_weight=np.ones(3)), {}, r"base_weight' must have 2 dimensions, not shape "),
        (
            changed(spline_weight=np.ones((3, 2, 8))),
            {},
            (r"^Tensor 'layers\.0\.spline_weight' must have shape \[2, 3, any\] to fit "
            r"'layers\.0\.base_weight', not \[3, 2, 8\]$"),
        ),
        (
            changed(spline_scaler=np.ones((3, 2))),
            {},
            r"^Tensor 'layers\.0\.spline_scaler' must have shape \[2, 3\] to fit",
        ),
        (
            changed(grid=np.tile(np.arange(12.0), (4, 1))),
            {},
            r"^Tensor 'layers\.0\.grid' must have shape \[3, any\] to fit",
        ),
        (
            changed(grid=np.tile(np.arange(6.0), (3, 1))),
            {},
            (r"^Tensor 'layers\.0\.grid' has 6 knots for the 8 coefficients of "
            r"'layers\.0\.spline_weight': G \+ 2 p \+ 1 knots and G \+ p coefficients are needed"),
        ),
        (
            changed(grid=np.tile(np.arange(17.0), (3, 1))),
            {},
            r"^Tensor 'layers\.0\.grid' has 17 knots for the 8 coefficients",
        ),
        (
            changed(grid=REPEATED),
            {},
            r"^Tensor 'layers\.0\.grid': Input 2 has the knot \S+ twice \(positions 4 and 5\)",
        ),
        (
            changed(),
            {"base_activation": "prelu"},
            (r"^base_activation='prelu' needs its slope, but there is no tensor "
            r"'layers\.0\.base_activation\.weight'$"),
        ),
        (
            changed(base_activation__weight=np.array([0.1])),
            {"base_activation": "silu"},
            r"^base_activation='silu' contradicts tensor 'layers\.0\.base_activation\.weight'",
        ),
        (
            changed(base_activation__weight=np.array([0.1, 0.2])),
            {},
            r"^Tensor 'layers\.0\.base_activation\.weight' holds 2 different slopes",
        ),
        (changed(base_activation__alpha=np.ones(1)), {}, r"'layers\.0\.base_activation\.alpha' "),
        (changed(), {"base_activation": "sin"}, r"^Unknown base activation 'sin': choose one of"),
    ],
)
def test_refuses(state: dict[str, np.ndarray], options: dict[str, str], message: str) -> None:
    assert efficient_kan.matches(state)
    with pytest.raises(InputError, match=message) as caught:
        efficient_kan.build(state, options)
    assert "\n" not in str(caught.value)


def test_refuses_options_of_a_wrong_type() -> None:
    with pytest.raises(TypeError, match=r"^The option layers must be a string, not 3$"):
        efficient_kan.build(make_state(), {"layers": 3})
    with pytest.raises(TypeError, match=r"^The option base_activation must be a string, not 3$"):
        efficient_kan.build(make_state(), {"base_activation": 3})


def test_other_libraries_do_not_match() -> None:
    fast_kan = {"layers.0.rbf.grid": np.zeros(8), "layers.0.spline_linear.weight": np.zeros((2, 8))}
    assert not efficient_kan.matches(fast_kan)
