"""The one rounding rule."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kanhw.program.functions.tables import round_shift
from kanhw.quant.quantizers.rounding import round_half_up


def test_ties_go_up():
    ties = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])
    np.testing.assert_array_equal(round_half_up(ties), [-2, -1, 0, 1, 2, 3])


def test_nearest_otherwise():
    x = np.array([-2.51, -1.49, -0.51, -0.49, 0.0, 0.49, 0.51])
    np.testing.assert_array_equal(round_half_up(x), [-3, -1, -1, 0, 0, 0, 1])


@given(st.integers(-(2**51), 2**51), st.integers(0, 48))
def test_equals_the_shift_of_the_hardware(value, shift):
    expected = round_shift(value, shift)
    assert expected == math.floor(value / 2**shift + 0.5)
    assert round_half_up(np.array([value / 2.0**shift]))[0] == expected
