"""Elementary functions against 60-digit arithmetic, and far out."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mpf

from kanhw import numerics

RNG = np.random.default_rng(0)
NORMAL = RNG.normal(0, 2, 400)
TINY = 10.0 ** RNG.uniform(-12, 0, 200) * RNG.choice([-1, 1], 200)
INSIDE = RNG.uniform(-1, 1, 400)
POSITIVE = np.concatenate([10.0 ** RNG.uniform(-300, 300, 300), 1 + RNG.normal(0, 0.1, 200)])
# Name, where, and how many units in the last place it may be off.
CASES = {
    "exp": (np.concatenate([NORMAL, TINY, RNG.uniform(-700, 700, 400)]), 1),
    "tanh": (np.concatenate([NORMAL, TINY, [20.0, -30.0]]), 3),
    "log": (POSITIVE, 2),
    "sin": (np.concatenate([NORMAL, TINY, RNG.normal(0, 1e5, 200)]), 2),
    "cos": (np.concatenate([NORMAL, TINY, RNG.normal(0, 1e5, 200)]), 2),
    "tan": (np.concatenate([NORMAL, TINY]), 3),
    "arcsin": (np.concatenate([INSIDE, TINY]), 4),
    "arccos": (INSIDE, 4),
    "arctan": (np.concatenate([NORMAL, TINY, NORMAL * 1e6]), 4),
    "arctanh": (np.concatenate([INSIDE, TINY]), 3),
    "erf": (np.concatenate([NORMAL, TINY, np.linspace(1.9, 6, 200)]), 8),
}
ENDS = {
    "exp": ([np.inf, -np.inf, 710, -746, 0], [np.inf, 0, np.inf, 0, 1]),
    "tanh": ([np.inf, -np.inf, 50, 0], [1, -1, 1, 0]),
    "log": ([0, np.inf, 1], [-np.inf, np.inf, 0]),
    "arcsin": ([1, -1], [np.pi / 2, -np.pi / 2]),
    "arccos": ([1, -1], [0, np.pi]),
    "arctan": ([np.inf, -np.inf], [np.pi / 2, -np.pi / 2]),
    "arctanh": ([1, -1, 0], [np.inf, -np.inf, 0]),
    "erf": ([np.inf, -9, 0], [1, -1, 0]),
}
OUTSIDE = {"log": -1.0, "sin": np.inf, "cos": -np.inf, "tan": np.inf, "arcsin": 1.1, "arctanh": 2.0}


@pytest.mark.parametrize("name", CASES)
def test_close_to_the_function(name):
    x, units = CASES[name]
    exact = getattr(mpmath, {"arc": "a"}.get(name[:3], name[:3]) + name[3:])
    found = getattr(numerics, name)(x)
    with mpmath.workdps(60):
        for argument, value in zip(x.tolist(), found.tolist(), strict=True):
            wanted = exact(mpf(argument))
            spacing = mpf(float(np.spacing(abs(float(wanted)))))
            assert abs(mpf(value) - wanted) <= units * spacing, (argument, value)


@pytest.mark.parametrize("name", ENDS)
def test_ends(name):
    x, wanted = ENDS[name]
    np.testing.assert_array_equal(getattr(numerics, name)(np.array(x, float)), wanted)


@pytest.mark.parametrize("name", CASES)
def test_not_a_number(name):
    x = np.array([np.nan, OUTSIDE.get(name, np.nan)])
    assert np.isnan(getattr(numerics, name)(x)).all()


@pytest.mark.parametrize("name", CASES)
def test_a_value_does_not_depend_on_its_neighbours(name):
    x = np.resize(CASES[name][0], 20_000)
    function = getattr(numerics, name)
    whole = function(x)
    np.testing.assert_array_equal(whole[::7], function(x[::7]))
    np.testing.assert_array_equal(whole.reshape(100, 200).T, function(x.reshape(100, 200).T))
    assert function(np.empty((0, 3))).shape == (0, 3)


@given(st.integers(-1074, 1023))
def test_powers_of_two(n):
    assert numerics.power_of_two(n) == float(mpmath.ldexp(1, n))
    assert numerics.whole_log2(numerics.power_of_two(n)) == n
    if n > -1000:
        assert numerics.whole_log2(np.nextafter(numerics.power_of_two(n), 0)) == n - 1


def test_powers():
    x = np.abs(NORMAL) + 1e-3
    np.testing.assert_array_equal(numerics.integer_power(x, 3), x * x * x)
    np.testing.assert_allclose(numerics.positive_power(x, 0.3), x**0.3, rtol=1e-14)
    np.testing.assert_array_equal(numerics.positive_power(x, 0.0), np.ones_like(x))


def test_indistinct():
    assert numerics.indistinct(3.0, 3.0) and numerics.indistinct(1e9, 1e9 + 10)
    assert numerics.indistinct(0.0, 0.0) and not numerics.indistinct(0.0, 1e-30)
    assert not numerics.indistinct(1.0, 1.0 + 1e-6)
