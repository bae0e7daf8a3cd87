"""The map from coordinates to codes that a published network is given."""

import numpy as np

from benchmarks.hardware.kanele_moons import accuracy, fitted

CODES = np.arange(64)
# Above 0 where the first code is the larger one.
SUMS = CODES[:, None] - CODES[None, :]
LOW, HIGH = np.array([5.0, -30.0]), np.array([9.0, 50.0])


def points():
    x = np.random.default_rng(0).uniform(LOW, HIGH, (500, 2))
    first, second = ((x - LOW) / (HIGH - LOW)).T
    return x, first > second


def test_codes_saturate_and_may_run_downwards():
    x, labels = points()
    assert accuracy(SUMS, np.stack([LOW, HIGH]), x, labels) > 0.98
    assert accuracy(SUMS, np.stack([HIGH, LOW]), x, ~labels) > 0.98
    beyond = np.array([[100.0, 0.0], [-100.0, 0.0]])
    assert accuracy(SUMS, np.stack([LOW, HIGH]), beyond, np.array([True, False])) == 1


def test_the_map_is_found_again():
    x, labels = points()
    best, ends = fitted(SUMS, x, labels, seed=0, draws=400, steps=100)
    assert best > 0.96
    assert accuracy(SUMS, ends, x, labels) == best
