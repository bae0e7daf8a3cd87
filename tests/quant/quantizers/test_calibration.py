"""Ranges and steps against brute force."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.quant.quantizers.calibration import activation_range, step_and_origin, weight_scale

METHODS = ("max_abs", "percentile", "mse")
RNG = np.random.default_rng(5)
SAMPLES = {
    "normal": RNG.normal(size=400),
    "shifted": RNG.normal(7, 0.5, 400),
    "outlier": np.append(RNG.normal(size=400), 60.0),
    "skewed": RNG.exponential(size=400),
    "sparse": np.append(np.zeros(399), 1.0),
    "negative": -1 - RNG.exponential(size=400),
    "two values": np.repeat([0.0, 3.0], 20),
}

finite = st.floats(-1e6, 1e6, width=32)


def square_error(values, lo, hi, format, symmetric):
    """Mean squared error of the quantizer that a range gives, one value at a time."""
    step, origin = step_and_origin(lo, hi, format, symmetric=symmetric)
    total = 0.0
    for value in values.tolist():
        code = min(max(math.floor(value / step + 0.5) + origin, format.lo), format.hi)
        total += ((code - origin) * step - value) ** 2
    return total / len(values)


@given(arrays(np.float64, st.integers(1, 40), elements=finite), st.integers(1, 12))
def test_max_abs_is_the_extremes(values, bits):
    unsigned, signed = CodeFormat(bits, False), CodeFormat(bits, True)
    ends = activation_range(values, unsigned, "max_abs", 99, symmetric=False)
    assert ends == (min(values), max(values))
    lo, hi = activation_range(values, signed, "max_abs", 99, symmetric=True)
    assert hi == max(abs(v) for v in values)
    assert lo == (-hi if min(values) < 0 else 0)


@given(
    arrays(np.float64, st.integers(2, 60), elements=st.integers(-50, 50), unique=True),
    st.floats(50, 100),
)
def test_percentile_keeps_its_share(values, percentile):
    format = CodeFormat(8, False)
    lo, hi = activation_range(values, format, "percentile", percentile, symmetric=False)
    ordered = np.sort(values)

    def quantile(share):
        # Between the two order statistics that surround it.
        place = share / 100 * (len(ordered) - 1)
        below = min(math.floor(place), len(ordered) - 2)
        return ordered[below] + (place - below) * (ordered[below + 1] - ordered[below])

    tail = (100 - percentile) / 2
    assert (lo, hi) == pytest.approx((quantile(tail), quantile(100 - tail)), abs=1e-9)


def test_symmetric_percentile_is_of_magnitudes():
    values = np.concatenate([np.arange(0, 90), -np.arange(90, 101)]).astype(np.float64)
    format = CodeFormat(8, True)
    lo, hi = activation_range(values, format, "percentile", 90, symmetric=True)
    assert (lo, hi) == (-90, 90)
    lo, hi = activation_range(-values[:90], format, "percentile", 100, symmetric=True)
    assert (lo, hi) == (-89, 89)


def test_percentile_does_not_collapse_on_sparse_values():
    values, format = SAMPLES["sparse"], CodeFormat(4, False)
    assert activation_range(values, format, "percentile", 99, symmetric=False) == (0, 1)
    assert activation_range(values, format, "percentile", 99, symmetric=True) == (0, 1)


@pytest.mark.some(19)
@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_mse_is_near_the_best_of_a_dense_search(name, symmetric, bits):
    values = SAMPLES[name][:80] if name != "outlier" else SAMPLES[name][-80:]
    format = CodeFormat(bits, symmetric and bool((values < 0).any()))
    chosen = activation_range(values, format, "mse", 99, symmetric=symmetric)
    error = square_error(values, *chosen, format, symmetric)
    full = activation_range(values, format, "max_abs", 99, symmetric=symmetric)
    assert error <= square_error(values, *full, format, symmetric) * (1 + 1e-12)

    if symmetric:
        trials = [(-hi, hi) for hi in np.linspace(0, full[1], 41)[1:]]
    else:
        ends = np.linspace(values.min(), values.max(), 25)
        trials = list(itertools.combinations(ends, 2))
    best = min(square_error(values, lo, hi, format, symmetric) for lo, hi in trials)
    assert error <= 1.25 * best + 1e-12


def test_mse_judges_the_quantizer_that_is_deployed():
    # One of the trials has every value on a code; no error is left.
    format = CodeFormat(3, True)
    values = np.arange(-3, 4) / 2
    lo, hi = activation_range(values, format, "mse", 99, symmetric=True)
    assert square_error(values, lo, hi, format, True) == 0


def test_outlier_is_cut_by_mse_and_percentile():
    values, format = np.append(SAMPLES["normal"], 8.0), CodeFormat(3, False)
    highest = {
        method: activation_range(values, format, method, 99, symmetric=False)[1]
        for method in METHODS
    }
    assert highest["max_abs"] == 8
    assert highest["percentile"] < 4
    assert highest["mse"] < 6


def test_large_samples_keep_their_ends():
    # An extreme value that a thinned sample would lose must still be seen.
    values = np.append(np.random.default_rng(0).uniform(0, 1, 100_001), 1e6)
    format = CodeFormat(8, False)
    _, hi = activation_range(values, format, "mse", 99, symmetric=False)
    assert hi > 9e5


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [0.0, 5.0, -3.0, 1e-9, 1e9])
@pytest.mark.parametrize("count", [1, 7])
@pytest.mark.parametrize("bits", [1, 8])
def test_constant_values_are_exact(method, value, count, bits):
    values, format = np.full(count, value), CodeFormat(bits, False)
    ends = activation_range(values, format, method, 99, symmetric=False)
    assert ends == (value, value)
    step, origin = step_and_origin(*ends, format, symmetric=False)
    # The range is of ordinary size: tables that reach over it must not dwarf the others.
    assert 0 < step * format.hi <= max(abs(value) / 1000, 1)
    code = math.floor(value / step + 0.5) + origin
    assert format.holds(code, code)
    assert (code - origin) * step == pytest.approx(value, rel=1e-9, abs=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_no_values(method):
    with pytest.raises(InputError, match="at least one sample"):
        activation_range(np.empty((0, 3)), CodeFormat(8, False), method, 99, symmetric=False)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1e300])
@pytest.mark.parametrize("method", METHODS)
def test_values_that_overflow(method, value):
    values = np.array([[0.0, 1.0], [value, 2.0]])
    for symmetric in (False, True):
        with pytest.raises(InputError, match=r"^Activations reach \S+, and only 1e\+150 can be"):
            activation_range(values, CodeFormat(8, False), method, 99, symmetric=symmetric)


@given(finite, finite, st.integers(1, 12))
def test_affine_codes_reach_both_ends(a, b, bits):
    lo, hi = min(a, b), max(a, b)
    format = CodeFormat(bits, False)
    step, origin = step_and_origin(lo, hi, format, symmetric=False)
    if hi - lo > 1e-6 * max(abs(lo), abs(hi)):
        for value in (lo, hi):
            decoded = (min(max(math.floor(value / step + 0.5) + origin, 0), format.hi)) - origin
            assert abs(decoded * step - value) <= step * (0.5 + 1e-6)
    # However small the range, the origin is a number that sums can hold.
    assert abs(origin) < 2**40


@pytest.mark.parametrize("bits", range(1, 13))
@pytest.mark.parametrize("hi", [0.0, 0.01, 5.0])
@pytest.mark.parametrize("signed", [False, True])
def test_symmetric_steps(bits, hi, signed):
    format = CodeFormat(bits, signed)
    step, origin = step_and_origin(-hi, hi, format, symmetric=True)
    assert origin == 0
    assert step == (hi or 1) / max(format.hi, 1)


@given(arrays(np.float64, st.integers(1, 30), elements=finite), st.integers(2, 12))
def test_weight_scale_max_abs_and_percentile(weights, bits):
    top = 2 ** (bits - 1) - 1
    used = [abs(w) for w in weights.tolist() if w != 0]
    largest = max(used) / top if used else 1.0
    assert weight_scale(weights, bits, "max_abs", 99) == pytest.approx(largest)
    cut = np.percentile(used, 90) / top if used else 1.0
    assert weight_scale(weights, bits, "percentile", 90) == pytest.approx(cut)


@pytest.mark.parametrize("method", METHODS)
def test_one_bit_weights_have_the_mean_magnitude(method):
    weights = np.array([[-1.0, 0.0], [2.0, 6.0]])
    assert weight_scale(weights, 1, method, 99) == 3
    # Which is the best there is.
    errors = [np.square(np.abs([1, 2, 6]) - s).sum() for s in np.linspace(0.1, 8, 80)]
    assert np.square(np.abs([1, 2, 6]) - 3.0).sum() <= min(errors)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bits", [1, 2, 8])
def test_zero_weights_have_no_say(method, bits):
    weights = np.random.default_rng(1).normal(size=20)
    padded = np.append(weights, np.zeros(500))
    assert weight_scale(padded, bits, method, 90) == weight_scale(weights, bits, method, 90)
    assert weight_scale(np.zeros(5), bits, method, 90) == 1


@pytest.mark.some(17)
@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("bits", range(2, 9))
def test_mse_weights_are_near_the_best_of_a_dense_search(name, bits):
    weights = SAMPLES[name]
    top = 2 ** (bits - 1) - 1

    def error(scale):
        used = np.abs(weights[weights != 0])
        return np.square(np.clip(np.floor(used / scale + 0.5), 0, top) * scale - used).mean()

    largest = np.abs(weights).max() / top
    chosen = error(weight_scale(weights, bits, "mse", 99))
    assert chosen <= error(largest)
    assert chosen <= 1.15 * min(error(largest * s) for s in np.linspace(0.05, 1, 400)) + 1e-12
