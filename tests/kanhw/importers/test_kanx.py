"""kanx: against the textbook on its extended grid, and told apart from EfficientKAN."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kanhw.errors import InputError
from kanhw.importers import kanx
from kanhw.importers.load import load_model
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.network import KanModel

State = dict[str, np.ndarray]


def textbook(t: np.ndarray, m: int, p: int, x: float) -> float:
    if p == 0:
        return 1.0 if t[m] <= x < t[m + 1] else 0.0
    left = (x - t[m]) / (t[m + p] - t[m]) * textbook(t, m, p - 1, x)
    right = (t[m + p + 1] - x) / (t[m + p + 1] - t[m + 1]) * textbook(t, m + 1, p - 1, x)
    return left + right


def by_the_equations(state: State, prefix: str, x: np.ndarray, order: int) -> np.ndarray:
    grid = state[f"{prefix}grid"]
    y = (x / (1 + np.exp(-x))) @ state[f"{prefix}base_weight"]
    for i, row in enumerate(grid):
        step = (row[-1] - row[0]) / (len(row) - 1)
        left = [row[0] - step * n for n in range(order, 0, -1)]
        knots = np.array([*left, *row, *(row[-1] + step * n for n in range(1, order + 1))])
        for n, v in enumerate(x[:, i]):
            count = len(knots) - order - 1
            values = np.array([textbook(knots, m, order, v) for m in range(count)])
            y[n] += state[f"{prefix}spline_weight"][i] @ values
    return y


def make_state(
    prefix: str = "0.", n_in: int = 3, n_out: int = 2, cells: int = 5, order: int = 3, seed: int = 0
) -> State:
    rng = np.random.default_rng(seed)
    return {
        f"{prefix}base_weight": rng.standard_normal((n_in, n_out)),
        f"{prefix}spline_weight": rng.standard_normal((n_in, n_out, cells + order)),
        f"{prefix}grid": np.cumsum(rng.uniform(0.1, 1, (n_in, cells + 1)), axis=1) - 2,
    }


@given(
    n_in=st.integers(1, 3),
    n_out=st.integers(1, 3),
    cells=st.integers(1, 7),
    order=st.integers(1, 4),
    prefix=st.sampled_from(["", "0.", "layers.0."]),
    seed=st.integers(0, 1000),
)
def test_equals_the_equations(
    n_in: int, n_out: int, cells: int, order: int, prefix: str, seed: int
) -> None:
    state = make_state(prefix, n_in, n_out, cells, order, seed)
    (layer,) = kanx.build(state, {"spline_order": order}).layers
    assert isinstance(layer.basis, BSplineBasis) and layer.basis.order == order
    x = np.random.default_rng(seed).uniform(-5, 5, (8, n_in))
    x = np.concatenate([x, state[f"{prefix}grid"].T])
    np.testing.assert_allclose(layer(x), by_the_equations(state, prefix, x, order), atol=1e-9)


def test_is_told_apart_from_efficient_kan(tmp_path: Path) -> None:
    state = {**make_state("0.", 3, 4), **make_state("1.", 4, 2)}
    torch.save({name: torch.from_numpy(v) for name, v in state.items()}, tmp_path / "net.pt")
    model = load_model(tmp_path / "net.pt")
    assert isinstance(model, KanModel)
    assert model.source == (
        "net.pt: kanx, 2 layers ('0', '1'); base_activation silu (the library's default)"
    )
    assert model.n_in == 3 and model.n_out == 2
    efficient = {
        "0.base_weight": np.ones((2, 3)),
        "0.spline_weight": np.ones((2, 3, 8)),
        "0.grid": np.tile(np.arange(12.0), (3, 1)),
    }
    assert not kanx.matches(efficient)


@pytest.mark.parametrize(
    ("name", "expected"), [("swish", "silu"), ("linear", "identity"), ("GELU", "gelu")]
)
def test_its_activation_names(name: str, expected: str) -> None:
    (layer,) = kanx.build(make_state(), {"base_activation": name}).layers
    assert layer.base_activation.name == expected


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"spline_order": 2}, r"^spline_order=2 contradicts tensor '0\.spline_weight': its 8 "),
        ({"grid": np.ones((3, 1))}, {}, r"^Tensor '0\.grid' has 1 knots for the 8 coefficients of"),
        ({"grid": np.ones((2, 6))}, {}, r"^Tensor '0\.grid' must have shape \[3, any\] to fit"),
        ({"grid": np.ones((3, 6))}, {}, r"^Tensor '0\.grid': Input 0 has the knot 1 twice \(pos"),
        ({"base_weight": np.ones((2, 3))}, {}, r"'0\.spline_weight' must have shape \[2, 3, any\]"),
        ({"spline_scaler": np.ones(1)}, {}, r"'0\.spline_scaler' lies .* kanx has no such parame"),
        ({}, {"base_activation": "sin"}, r"^Unknown base activation 'sin'"),
    ],
)
def test_refuses(change: dict[str, Any], options: dict[str, Any], message: str) -> None:
    state = {**make_state(), **{f"0.{name}": value for name, value in change.items()}}
    assert kanx.matches(state)
    with pytest.raises(InputError, match=message):
        kanx.build(state, options)
