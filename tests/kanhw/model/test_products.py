"""Multiplication nodes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanhw.errors import InputError
from kanhw.model.products import Products


@given(st.integers(0, 3), st.lists(st.integers(1, 4), max_size=3), st.integers(0, 2**32 - 1))
def test_nodes(sums, arities, seed):
    if not sums + len(arities):
        return
    rng = np.random.default_rng(seed)
    count = sums + len(arities)
    products = Products(sums, tuple(arities), rng.normal(size=count), rng.normal(size=count))
    u = rng.normal(size=(5, sums + sum(arities)))
    assert (products.n_in, products.n_out) == (u.shape[1], count)
    for row, values in zip(u.tolist(), products(u).tolist(), strict=True):
        rest = iter(row)
        nodes = [next(rest) for _ in range(sums)]
        for arity in arities:
            value = 1.0
            for _ in range(arity):
                value *= next(rest)
            nodes.append(value)
        expected = products.scale * np.array(nodes) + products.bias
        np.testing.assert_allclose(values, expected, rtol=1e-12)


def test_groups():
    assert Products(2, (3, 2), np.ones(4), np.zeros(4)).groups == ((0,), (1,), (2, 3, 4), (5, 6))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1, (2,), np.ones(1), np.ones(1)), "sum_count >= 0"),
        ((1, (0,), np.ones(2), np.ones(2)), "arities >= 1"),
        ((1, (2,), np.ones(3), np.ones(2)), "product scale must have 2 entries, not 3"),
        ((1, (2,), np.ones(2), np.array([0, np.nan])), "product bias holds nan"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(InputError, match=message):
        Products(*arguments)
