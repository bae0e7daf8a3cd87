"""What counts as an integer and as a number."""

import numpy as np
import pytest

from kanhw.values import is_integer, is_number


@pytest.mark.parametrize("value", [0, -3, 2**70])
def test_integers(value):
    assert is_integer(value)
    assert is_number(value)


def test_floats_are_numbers():
    assert is_number(0.5)
    assert is_number(np.float64(2))
    assert not is_integer(2.0)


@pytest.mark.parametrize("value", [True, False, None, "3", np.int64(3)])
def test_neither(value):
    assert not is_integer(value)
    assert not is_number(value)
