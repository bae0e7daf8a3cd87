"""GRAMKAN of today: against the equations."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kanhw.errors import InputError
from kanhw.importers import gramkan
from kanhw.importers.load import load_model
from kanhw.model.network import KanModel

State = dict[str, np.ndarray]


def by_the_equations(state: State, prefix: str, x: np.ndarray) -> np.ndarray:
    beta, weights = state[f"{prefix}beta_weights"], state[f"{prefix}basis_weights"]
    t = np.tanh(x)
    values = [np.ones_like(t), t]
    for m in range(2, len(beta)):
        q = (2 * m - 1) * (m - 1) ** 2 * (4 * (m - 1) ** 2 - 1) / m**2 * beta[m - 1]
        values.append(t * values[m - 1] - q * values[m - 2])
    basis = np.stack(values[: len(beta)], axis=2)
    return np.einsum("nid,iod->no", basis, weights)


def make_state(
    prefix: str = "0.", n_in: int = 3, n_out: int = 2, degree: int = 3, seed: int = 0
) -> State:
    rng = np.random.default_rng(seed)
    return {
        f"{prefix}beta_weights": rng.standard_normal(degree + 1) * 0.1,
        f"{prefix}basis_weights": rng.standard_normal((n_in, n_out, degree + 1)),
    }


@given(
    n_in=st.integers(1, 4),
    n_out=st.integers(1, 3),
    degree=st.integers(0, 6),
    prefix=st.sampled_from(["", "0.", "net.gram1."]),
    seed=st.integers(0, 1000),
)
def test_equals_the_equations(
    n_in: int, n_out: int, degree: int, prefix: str, seed: int
) -> None:
    state = make_state(prefix, n_in, n_out, degree, seed)
    (layer,) = gramkan.build(state, {}).layers
    x = np.random.default_rng(seed).uniform(-5, 5, (6, n_in))
    np.testing.assert_allclose(layer(x), by_the_equations(state, prefix, x), atol=1e-9)
    assert layer.base_activation.name == "zero" and not layer.post


def test_its_example_with_norms_between(tmp_path: Path) -> None:
    state = {
        **make_state("gram1.", 3, 4),
        "ln1.weight": np.array([1.0, 2.0, -1.0, 0.5]),
        "ln1.bias": np.array([0.1, 0.2, 0.3, 0.4]),
        **make_state("gram2.", 4, 2),
    }
    torch.save({name: torch.from_numpy(v) for name, v in state.items()}, tmp_path / "net.pt")
    with pytest.raises(InputError, match=r"several networks: 'gram1' \(1 layer\), 'gram2'"):
        load_model(tmp_path / "net.pt")
    model = load_model(tmp_path / "net.pt", layers="gram1,ln1,gram2", degree="3")
    assert isinstance(model, KanModel)
    x = np.random.default_rng(0).uniform(-3, 3, (6, 3))
    hidden = by_the_equations(state, "gram1.", x)
    hidden = (hidden - hidden.mean(axis=1, keepdims=True)) / np.sqrt(
        hidden.var(axis=1, keepdims=True) + 1e-5
    )
    hidden = hidden * state["ln1.weight"] + state["ln1.bias"]
    np.testing.assert_allclose(model(x), by_the_equations(state, "gram2.", hidden), atol=1e-9)
    assert model.source == (
        "net.pt: GRAMKAN, 3 layers ('gram1', 'ln1', 'gram2'); inputs go through tanh (as in the "
        "library's forward)"
    )


def test_numbered_norms_are_asked_for() -> None:
    state = {**make_state("0.", 3, 4), "1.weight": np.ones(4), **make_state("2.", 4, 2)}
    state["1.bias"] = np.zeros(4)
    with pytest.raises(InputError, match=r"to have it applied, layers='0,1,2'$"):
        gramkan.build(state, {})
    assert gramkan.build(state, {"layers": "0,1,2"}).layers[0].post[0].beta.tolist() == [0.0] * 4


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"0.beta_weights": None}, {}, r"^Tensor '0\.beta_weights' is missing"),
        ({"0.beta_weights": np.ones(3)}, {}, r"^Tensor '0\.basis_weights' must have shape \[any, "),
        ({"0.basis_weights": np.ones((3, 2))}, {}, r"^Tensor '0\.basis_weights' must have 3 dime"),
        ({"0.base_weights": np.ones((2, 3))}, {}, r"'0\.base_weights' lies .* GRAMKAN has no such"),
        ({}, {"degree": 2}, r"^degree=2 contradicts tensor '0\.beta_weights', which is of 3$"),
        ({}, {"layers": "head"}, r"^layers='head' names no network of the checkpoint, which holds"),
    ],
)
def test_refuses(change: dict[str, Any], options: dict[str, Any], message: str) -> None:
    state = {name: v for name, v in {**make_state(), **change}.items() if v is not None}
    assert gramkan.matches(state)
    with pytest.raises(InputError, match=message):
        gramkan.build(state, options)
