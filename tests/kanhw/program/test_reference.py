"""The integer functions: against plain Python, and the same in numpy and torch."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanhw.program.functions import tables as reference

torch = pytest.importorskip("torch")


@given(st.integers(-(2**50), 2**50), st.integers(0, 48))
def test_round_shift_is_half_up(value, shift):
    expected = math.floor(Fraction(value, 1 << shift) + Fraction(1, 2))
    assert int(reference.round_shift(np.int64(value), shift)) == expected
    assert int(reference.round_shift(torch.tensor(value), shift)) == expected


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1), st.integers(0, 30))
def test_requantize(values, shift):
    expected = [
        min(max(math.floor(Fraction(v, 1 << shift) + Fraction(1, 2)), -8), 7) for v in values
    ]
    assert reference.requantize(np.array(values), shift, -8, 7).tolist() == expected
    assert reference.requantize(torch.tensor(values), shift, -8, 7).tolist() == expected


@given(st.lists(st.lists(st.integers(-2, 2), min_size=4, max_size=4), min_size=1))
def test_argmax_takes_the_lowest_index(rows):
    expected = [[row.index(max(row))] for row in rows]
    assert reference.argmax(np.array(rows)).tolist() == expected
    assert reference.argmax(torch.tensor(rows)).tolist() == expected


def test_edge_table_sums():
    rng = np.random.default_rng(0)
    tables, addresses = rng.integers(-9, 9, (3, 4, 8)), rng.integers(0, 8, (20, 4))
    expected = [
        [sum(int(tables[j, i, a[i]]) for i in range(4)) for j in range(3)] for a in addresses
    ]
    assert reference.edge_table_sums(tables, addresses).tolist() == expected
    as_torch = reference.edge_table_sums(torch.tensor(tables), torch.tensor(addresses))
    assert as_torch.tolist() == expected


def test_basis_table_sums():
    rng = np.random.default_rng(0)
    tables, index = rng.integers(0, 9, (2, 8, 5)), np.array([1, 0, 1])
    weights, addresses = rng.integers(-9, 9, (4, 3, 5)), rng.integers(0, 8, (20, 3))
    expected = [
        [
            sum(
                int(weights[j, i, k] * tables[index[i], a[i], k])
                for i in range(3)
                for k in range(5)
            )
            for j in range(4)
        ]
        for a in addresses
    ]
    assert reference.basis_table_sums(tables, index, weights, addresses).tolist() == expected
    as_torch = reference.basis_table_sums(
        torch.tensor(tables), index, torch.tensor(weights), torch.tensor(addresses)
    )
    assert as_torch.tolist() == expected
