"""The map from coordinates to codes that a published network is given."""

import json

import numpy as np

from benchmarks.hardware.kanele_moons import (
    accuracy,
    best_class,
    best_points,
    fitted,
    fresh_points,
)

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


def test_the_likelier_class_is_right_more_often_than_lines_are():
    x, labels = fresh_points(2000)
    assert 0.96 < (best_class(x) == (labels == 1)).mean() < 0.985
    assert best_class(np.array([[-1.0, 0.0], [0.5, -0.5], [0.0, 0.5], [2.0, 0.5]])).tolist() == [
        False,
        True,
        True,
        True,
    ]


def test_of_every_seed_the_best_within_a_cost(tmp_path, monkeypatch):
    rows = [("a", 0, 30, 0.9), ("b", 0, 20, 0.9), ("c", 0, 60, 0.95), ("d", 1, 70, 0.9)]
    keys = ("name", "seed", "cost", "validation")
    points = [dict(zip(keys, row, strict=True)) for row in rows]
    (tmp_path / "front.json").write_text(json.dumps({"points": points}))
    monkeypatch.setattr("kanhw.load_program", lambda path: path.stem)
    assert best_points(tmp_path, 50) == [("b", 20, "b")]
    assert best_points(tmp_path, None) == [("c", 60, "c"), ("d", 70, "d")]
