"""inkan: against its own formula of the cubic bump."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanhw.errors import InputError
from kanhw.importers import inkan

State = dict[str, np.ndarray]


def bump(u: np.ndarray) -> np.ndarray:
    """The cubic cardinal B-spline on [0, 4], by truncated powers."""
    powers = [np.maximum(u - k, 0.0) ** 3 for k in range(5)]
    inside = sum(c * p for c, p in zip((1, -4, 6, -4, 1), powers, strict=True)) / 6
    return np.where((u >= 0) & (u < 4), inside, 0.0)


def by_the_equations(state: State, prefix: str, x: np.ndarray) -> np.ndarray:
    weight, starts = state[f"{prefix}weight"], state[f"{prefix}grid_starts"]
    step = starts[1] - starts[0]
    basis = bump((x[:, :, None] - starts) / step)
    features = np.concatenate([basis.reshape(len(x), -1), x / (1 + np.exp(-x))], axis=1)
    return features @ weight.T


def make_state(
    prefix: str = "layers.0.", n_in: int = 3, n_out: int = 2, cells: int = 5, seed: int = 0
) -> State:
    rng = np.random.default_rng(seed)
    count, step = cells + 3, 2 / cells
    return {
        f"{prefix}weight": rng.standard_normal((n_out, n_in * (count + 1))),
        f"{prefix}grid_starts": -1 + step * (np.arange(count) - 3),
    }


@given(
    n_in=st.integers(1, 4),
    n_out=st.integers(1, 3),
    cells=st.integers(1, 9),
    prefix=st.sampled_from(["", "0.", "layers.0."]),
    seed=st.integers(0, 1000),
)
def test_equals_the_equations(n_in: int, n_out: int, cells: int, prefix: str, seed: int) -> None:
    state = make_state(prefix, n_in, n_out, cells, seed)
    (layer,) = inkan.build(state, {}).layers
    x = np.random.default_rng(seed).uniform(-8, 8, (40, n_in))
    x[:8] /= 8
    np.testing.assert_allclose(layer(x), by_the_equations(state, prefix, x), atol=1e-9)


def test_several_layers_and_activations() -> None:
    state = {**make_state("layers.0.", 3, 4), **make_state("layers.1.", 4, 2)}
    model = inkan.build(state, {})
    assert model.source == (
        "inkan, 2 layers ('layers.0', 'layers.1'); base_activation silu (the library's default)"
    )
    assert inkan.build(state, {"base_activation": "gelu"}).layers[1].base_activation.name == "gelu"
    state["layers.0.base_activation.weight"] = np.array([0.2])
    assert inkan.build(state, {}).layers[0].base_activation.slope == 0.2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": np.ones((2, 66))}, r"is of a two-dimensional spline surface \(dim=2\), which "),
        ({"weight": np.ones((2, 26))}, r"has 26 columns, which is no multiple of 8 splines and 1 "),
        ({"weight": None}, r"^Tensor 'layers\.0\.weight' is missing"),
        ({"grid_starts": np.zeros(8)}, r"^Tensor 'layers\.0\.grid_starts' must increase in equal "),
        ({"grid_starts": np.arange(8.0) ** 2}, r"grid_starts' must increase in equal steps: inkan"),
        (
            {"grid_starts": np.arange(3.0), "weight": np.ones((2, 4))},
            r"^Tensor 'layers\.0\.grid_starts' must hold at least 4 starts, not 3$",
        ),
        ({"spline_scaler": np.ones(1)}, r"'layers\.0\.spline_scaler' lies .* inkan has no such"),
    ],
)
def test_refuses(change: dict[str, Any], message: str) -> None:
    changes = {f"layers.0.{name}": value for name, value in change.items()}
    state = {name: v for name, v in {**make_state(), **changes}.items() if v is not None}
    assert inkan.matches(state)
    with pytest.raises(InputError, match=message):
        inkan.build(state, {})
