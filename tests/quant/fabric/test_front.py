"""Which point of a front is taken, and what seeds reach together."""

from __future__ import annotations

import csv
import io

import pytest

from kanhw.errors import InputError
from kanhw.quant.fabric.front import Front, Point, unbeaten


def point(seed, cost, validation):
    return Point(
        name=f"seed{seed}-{cost}", seed=seed, cost=float(cost), validation=validation, edges=3
    )


def front(*points, metric="accuracy", samples=100):
    return Front(
        unit="LUT",
        metric=metric,
        validation_samples=samples,
        points=points,
        settings={"spacing": 1.5},
    )


POINTS = (
    point(0, 100, 0.80),
    point(0, 140, 0.88),
    point(0, 300, 0.90),
    point(1, 120, 0.84),
    point(1, 290, 0.90),
)


def test_the_cheapest_that_is_not_worse_is_taken():
    # One standard error of 90 % on 100 samples is 3 points, on 10,000 it is 0.3.
    assert front(*POINTS).best().name == "seed0-140"
    assert front(*POINTS, samples=10_000).best().name == "seed1-290"
    # R2: the standard error of 1 - R2 = 0.1 on 100 samples is 0.014.
    assert front(*POINTS, metric="R2").best().name == "seed1-290"
    assert front(*POINTS, metric="R2", samples=20).best().name == "seed0-140"


def test_a_limit_takes_the_best_below_it():
    assert front(*POINTS).best(130).name == "seed1-120"
    assert front(*POINTS).best(1e9).name == "seed1-290"  # the cheaper of equals
    with pytest.raises(InputError, match="No point costs at most 99 LUT: the cheapest costs 100"):
        front(*POINTS).best(99)


def test_limits_are_means_over_seeds():
    found = front(*POINTS).limits()
    assert [own.seeds for own in found] == [1, 2, 2]
    alone, first, last = found
    assert (alone.at_most, alone.deviation) == (pytest.approx(100), None)
    assert first.at_most == pytest.approx(150)
    assert first.cost == pytest.approx(130)
    assert first.validation == pytest.approx(0.86)
    assert first.deviation == pytest.approx(0.04 / 2**0.5)
    assert first.best == "seed0-140"
    assert (last.validation, last.deviation) == (pytest.approx(0.9), 0)
    assert last.best == "seed1-290"


def test_rows_are_the_points():
    rows = list(csv.DictReader(io.StringIO(front(*POINTS).to_csv())))
    assert [row["name"] for row in rows] == [own.name for own in POINTS]
    assert [float(row["validation"]) for row in rows] == [own.validation for own in POINTS]


def test_a_point_that_is_no_better_than_a_cheaper_one_of_its_seed_is_left():
    points = (point(0, 140, 0.88), point(1, 120, 0.9), point(0, 100, 0.88), point(0, 150, 0.89))
    names = [own.name for own in unbeaten(points)]
    assert names == ["seed0-100", "seed0-150", "seed1-120"]
