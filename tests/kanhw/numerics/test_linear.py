"""Products and factors: as accurate as float64, and equal in whatever parts they are computed."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kanhw.numerics import cholesky, gram, matmul


def matrices(seed, m, k, n, spread):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(m, k)) * 10.0 ** rng.uniform(-spread, spread, (m, 1))
    b = rng.normal(size=(k, n)) * 10.0 ** rng.uniform(-spread, spread, (1, n))
    a[rng.random(a.shape) < 0.2] = 0
    return a, b


@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 9),
    st.integers(0, 90),
    st.integers(1, 5),
    st.sampled_from([0, 3, 100]),
)
@example(0, 3, 13, 2, 290)
def test_products(seed, m, k, n, spread):
    a, b = matrices(seed, m, k, n, spread)
    found = matmul(a, b)
    assert found.shape == (m, n)
    sizes = np.abs(a).max(axis=1, initial=0)[:, None] * np.abs(b).max(axis=0, initial=0)
    for i in range(m):
        for j in range(n):
            pairs = zip(a[i].tolist(), b[:, j].tolist(), strict=True)
            exact = float(sum((Fraction(x) * Fraction(y) for x, y in pairs), Fraction(0)))
            assert abs(found[i, j] - exact) <= 2.0**-47 * sizes[i, j] + 1e-320
    np.testing.assert_array_equal(matmul(a, b[:, 0]), found[:, 0])


def test_parts_are_the_same_as_the_whole():
    a, b = matrices(1, 3000, 700, 5, 2)
    whole = matmul(a, b)
    np.testing.assert_array_equal(whole[1000:1003], matmul(a[1000:1003], b))
    np.testing.assert_array_equal(whole[:, 3:], matmul(a, b[:, 3:]))
    # However memory lies, and in whatever order rows come.
    np.testing.assert_array_equal(whole, matmul(np.asfortranarray(a), b[:, ::-1])[:, ::-1])


def test_integers_are_exact():
    rng = np.random.default_rng(2)
    a, b = rng.integers(-500, 500, (40, 900)), rng.integers(-500, 500, (900, 7))
    np.testing.assert_array_equal(matmul(a.astype(float), b.astype(float)), a @ b)


def test_rows_that_are_not_finite():
    a = np.ones((3, 20))
    a[1, 4] = np.nan
    found = matmul(a, np.ones((20, 2)))
    assert np.isnan(found[1]).all() and (found[[0, 2]] == 20).all()


def test_gram_does_not_depend_on_its_parts():
    features = np.random.default_rng(3).normal(size=(1000, 30)) * 10.0 ** np.arange(-15, 15)
    peaks = np.abs(features).max(axis=0)
    whole = gram([features], peaks, 1000)
    np.testing.assert_array_equal(whole, gram(np.array_split(features, 7), peaks, 1000))
    np.testing.assert_array_equal(whole, whole.T)
    size = np.sqrt(np.outer(np.diag(whole), np.diag(whole)))
    np.testing.assert_allclose(whole / size, features.T @ features / size, atol=1e-5)


@pytest.mark.parametrize("n", [1, 2, 47, 48, 49, 130, 301])
def test_cholesky(n):
    rng = np.random.default_rng(n)
    features = rng.normal(size=(n + 40, n)) * 10.0 ** rng.uniform(-3, 3, n)
    matrix = features.T @ features
    factor = cholesky(matrix)
    np.testing.assert_array_equal(factor, np.tril(factor))
    size = np.sqrt(np.diag(matrix))
    np.testing.assert_allclose(
        factor @ factor.T / np.outer(size, size), matrix / np.outer(size, size), atol=1e-9
    )


@pytest.mark.parametrize("n", [3, 100])
def test_no_factor(n):
    matrix = np.eye(n)
    matrix[n - 1, n - 1] = -1
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        cholesky(matrix)
