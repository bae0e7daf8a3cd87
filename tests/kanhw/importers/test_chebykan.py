"""ChebyKAN: against the equations, with cosines instead of the recurrence."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanhw.errors import InputError
from kanhw.importers import chebykan

State = dict[str, np.ndarray]


def by_the_equations(state: State, prefix: str, x: np.ndarray) -> np.ndarray:
    weights = state[f"{prefix}cheby_coeffs"]
    degrees = np.arange(weights.shape[2])
    basis = np.cos(np.arccos(np.tanh(x))[:, :, None] * degrees)
    return np.einsum("nid,iod->no", basis, weights)


def make_state(
    prefix: str = "0.", n_in: int = 3, n_out: int = 2, degree: int = 4, seed: int = 0
) -> State:
    rng = np.random.default_rng(seed)
    return {
        f"{prefix}cheby_coeffs": rng.standard_normal((n_in, n_out, degree + 1)),
        f"{prefix}arange": np.arange(degree + 1),
    }


@given(
    n_in=st.integers(1, 4),
    n_out=st.integers(1, 3),
    degree=st.integers(0, 8),
    arange=st.booleans(),
    prefix=st.sampled_from(["", "0.", "net.cheby1."]),
    seed=st.integers(0, 1000),
)
def test_equals_the_equations(
    n_in: int, n_out: int, degree: int, arange: bool, prefix: str, seed: int
) -> None:
    state = make_state(prefix, n_in, n_out, degree, seed)
    if not arange:
        del state[f"{prefix}arange"]
    (layer,) = chebykan.build(state, {"degree": degree}).layers
    x = np.random.default_rng(seed).uniform(-3, 3, (6, n_in))
    np.testing.assert_allclose(layer(x), by_the_equations(state, prefix, x), atol=1e-9)
    assert layer.base_activation.name == "zero"


def test_several_layers() -> None:
    state = {**make_state("0.", 3, 4), **make_state("1.", 4, 2)}
    model = chebykan.build(state, {})
    x = np.random.default_rng(0).uniform(-3, 3, (6, 3))
    hidden = by_the_equations(state, "0.", x)
    np.testing.assert_allclose(model(x), by_the_equations(state, "1.", hidden), atol=1e-7)
    assert model.source == "ChebyKAN, 2 layers ('0', '1')"


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"0.arange": np.arange(4)}, {}, r"^Tensor '0\.arange' must hold the degrees 0 to 4 of "),
        ({"0.cheby_coeffs": np.ones((3, 2))}, {}, r"^Tensor '0\.cheby_coeffs' must have 3 dimens"),
        ({"0.cheby_coeffs": np.ones((3, 2, 0))}, {}, r"^Tensor '0\.cheby_coeffs' holds no coeffi"),
        ({"0.norm.weight": np.ones(2)}, {}, r"'0\.norm\.weight' lies .* ChebyKAN has no such para"),
        ({}, {"degree": "5"}, r"^degree='5' contradicts tensor '0\.cheby_coeffs', which is of 4$"),
    ],
)
def test_refuses(change: dict[str, Any], options: dict[str, Any], message: str) -> None:
    state = {**make_state(), **change}
    assert chebykan.matches(state)
    with pytest.raises(InputError, match=message):
        chebykan.build(state, options)
