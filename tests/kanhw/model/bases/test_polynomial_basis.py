"""The polynomials of tanh: Gram-like ones with a learned beta, and Chebyshev's."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanhw.errors import InputError
from kanhw.model.activation import Activation
from kanhw.model.bases.basis import Basis
from kanhw.model.bases.polynomial import ChebyshevBasis, GramBasis, recurrence_factors

SILU = Activation("silu")
POINTS = np.array([-50.0, -3.0, -0.7, 0.0, 1e-9, 0.4, 2.0, 50.0])


def gram(t: float, m: int, beta: list[float]) -> float:
    """P_m as the equations have it: recursive, one number."""
    if m == 0:
        return 1.0
    if m == 1:
        return t
    q = (2 * m - 1) * (m - 1) ** 2 * (4 * (m - 1) ** 2 - 1) / m**2 * beta[m - 1]
    return t * gram(t, m - 1, beta) - q * gram(t, m - 2, beta)


def silu(x: float) -> float:
    return x * (1 + math.tanh(x / 2)) / 2


def test_published_multipliers() -> None:
    expected = [2.25, 33.33, 137.81, 362.88, 756.25, 1365.8, 2239.5]
    np.testing.assert_allclose(recurrence_factors(8), expected, rtol=2e-4)
    assert recurrence_factors(1).shape == recurrence_factors(0).shape == (0,)


@given(
    beta=st.lists(st.floats(-0.3, 0.3), min_size=1, max_size=7),
    n_in=st.integers(1, 3),
    activated=st.booleans(),
    constant=st.booleans(),
)
def test_gram_equals_the_equations(
    beta: list[float], n_in: int, activated: bool, constant: bool
) -> None:
    basis = GramBasis(np.array(beta), n_in, SILU if activated else None, constant)
    degree = len(beta) - 1
    assert isinstance(basis, Basis)
    assert (basis.degree, basis.count, basis.support) == (degree, degree + constant, None)
    x = np.stack([np.roll(POINTS, i) for i in range(n_in)], axis=1)
    values = basis(x)
    assert values.shape == (len(x), n_in, basis.count)
    first = 0 if constant else 1
    for (n, i), v in np.ndenumerate(x):
        expected = [gram(math.tanh(v), m, beta) for m in range(first, degree + 1)]
        expected = [silu(p) for p in expected] if activated else expected
        np.testing.assert_allclose(values[n, i], expected, rtol=1e-9, atol=1e-9)
    for i in range(n_in):
        np.testing.assert_array_equal(basis.evaluate_input(i, x[:, i]), values[:, i])


def test_parity_and_unused_betas() -> None:
    beta = np.array([9.0, -0.1, 0.05, 0.02, 7.0])
    basis = GramBasis(beta, 1, None, constant=False)
    x = POINTS[:, None]
    signs = (-1.0) ** np.arange(1, 5)
    np.testing.assert_allclose(basis(-x), basis(x) * signs, atol=1e-12)
    other = GramBasis(np.array([-3.0, *beta[1:4], 0.0]), 1, None, constant=False)
    np.testing.assert_array_equal(other(x), basis(x))


def test_constant_value() -> None:
    assert GramBasis(np.zeros(3), 1, None, constant=False).constant_value == 1.0
    basis = GramBasis(np.zeros(3), 1, SILU, constant=True)
    assert basis.constant_value == pytest.approx(silu(1.0))
    assert (basis(POINTS[:, None])[..., 0] == basis.constant_value).all()


@given(degree=st.integers(0, 8), n_in=st.integers(1, 3))
def test_chebyshev_is_a_cosine(degree: int, n_in: int) -> None:
    basis = ChebyshevBasis(degree, n_in)
    assert isinstance(basis, Basis)
    assert (basis.count, basis.spare, basis.support) == (degree, 1, None)
    x = np.tile(POINTS[:, None], (1, n_in))
    angle = np.arccos(np.tanh(x))
    expected = np.cos(angle[..., None] * np.arange(1, degree + 1))
    np.testing.assert_allclose(basis(x), expected, atol=1e-6)
    np.testing.assert_array_equal(basis.evaluate_input(n_in - 1, POINTS), basis(x)[:, n_in - 1])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([], 1, None, True), InputError, r"^beta must have the shape \[D \+ 1\]"),
        (([math.inf], 1, None, True), InputError, r"^beta holds inf at \[0\]: it must be finite$"),
        (([0.0], 0, None, True), InputError, r"^A basis needs at least 1 input, not 0$"),
        (([0.0], True, None, True), TypeError, r"^The number of inputs must be an integer, not T"),
        (([0.0], 1, "silu", True), TypeError, r"^The activation of a Gram basis is an Activation "),
        (([0.0], 1, None, 1), TypeError, r"^constant must be True or False, not 1$"),
    ],
)
def test_gram_refuses(arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        GramBasis(*arguments)


@pytest.mark.parametrize(
    ("degree", "n_in", "error", "message"),
    [
        (-1, 1, InputError, r"^The degree must be at least 0, not -1$"),
        (1.0, 1, TypeError, r"^The degree must be an integer, not 1\.0$"),
        (1, 0, InputError, r"^A basis needs at least 1 input, not 0$"),
    ],
)
def test_chebyshev_refuses(degree: Any, n_in: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ChebyshevBasis(degree, n_in)


@pytest.mark.parametrize("basis", [GramBasis(np.zeros(3), 2, None, False), ChebyshevBasis(2, 2)])
def test_refuses_samples(basis: Any) -> None:
    with pytest.raises(InputError, match=r"^The basis expects shape \[N, 2\] but got \[2\]"):
        basis(np.zeros(2))
    with pytest.raises(InputError, match=r"^Input -1 does not exist: the basis has inputs 0 to 1$"):
        basis.evaluate_input(-1, np.zeros(1))
