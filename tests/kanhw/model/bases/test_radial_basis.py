"""The Gaussian bumps of FastKAN."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanhw.errors import InputError
from kanhw.model.bases.basis import Basis
from kanhw.model.bases.radial import RadialBasis

NUMBERS = st.floats(-20, 20)


@given(
    centres=st.lists(NUMBERS, min_size=1, max_size=9),
    denominator=st.floats(0.05, 5),
    rows=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=4),
)
def test_equals_the_formula(
    centres: list[float], denominator: float, rows: list[tuple[float, float]]
) -> None:
    basis = RadialBasis(np.array(centres), denominator, 2)
    values = basis(np.array(rows))
    assert values.shape == (len(rows), 2, basis.count) and values.dtype == np.float64
    for n, row in enumerate(rows):
        for i, z in enumerate(row):
            expected = [math.exp(-(((z - g) / denominator) ** 2)) for g in centres]
            np.testing.assert_allclose(values[n, i], expected, rtol=1e-12)
    for i in range(2):
        np.testing.assert_array_equal(
            basis.evaluate_input(i, np.array(rows)[:, i]), values[:, i]
        )


def test_is_a_basis() -> None:
    basis = RadialBasis(np.linspace(-2, 2, 8), 4 / 7, 3)
    assert isinstance(basis, Basis)
    assert (basis.n_in, basis.count, basis.spare, basis.support) == (3, 8, 0, None)
    assert not basis.centres.flags.writeable
    # Without partition of unity, but nearly constant: sqrt(pi).
    inside = basis(np.linspace(-1, 1, 99)[:, None].repeat(3, axis=1)).sum(axis=2)
    assert np.abs(inside - math.sqrt(math.pi)).max() < 2e-3
    assert not basis(np.full((1, 3), 1e200)).any()
    assert basis(np.empty((0, 3))).shape == (0, 3, 8)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([], 1.0, 2), InputError, r"^centres must have the shape \[K\]"),
        (([[1.0]], 1.0, 2), InputError, r"^centres must have the shape \[K\]"),
        (([1.0, math.nan], 1.0, 2), InputError, r"^centres holds nan at \[1\]: it must be finite"),
        ((["a"], 1.0, 2), TypeError, r"^centres must hold real numbers"),
        (([1.0], 0.0, 2), InputError, r"^The RBF denominator must be positive and finite, not 0"),
        (([1.0], -1.0, 2), InputError, r"^The RBF denominator must be positive"),
        (([1.0], math.inf, 2), InputError, r"^The RBF denominator must be positive"),
        (([1.0], "1", 2), TypeError, r"^The RBF denominator must be a number, not '1'$"),
        (([1.0], True, 2), TypeError, r"^The RBF denominator must be a number, not True$"),
        (([1.0], 1.0, 0), InputError, r"^A basis needs at least 1 input, not 0$"),
        (([1.0], 1.0, 1.5), TypeError, r"^The number of inputs must be an integer, not 1\.5$"),
    ],
)
def test_refuses(arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        RadialBasis(*arguments)


def test_refuses_samples() -> None:
    basis = RadialBasis(np.zeros(1), 1.0, 2)
    with pytest.raises(InputError, match=r"^The basis expects 2 inputs per sample but got 3$"):
        basis(np.zeros((1, 3)))
    with pytest.raises(InputError, match=r"^The basis needs finite inputs but got nan in sample 0"):
        basis(np.array([[0.0, math.nan]]))
    with pytest.raises(InputError, match=r"^Input 2 does not exist: the basis has inputs 0 to 1$"):
        basis.evaluate_input(2, np.zeros(1))
