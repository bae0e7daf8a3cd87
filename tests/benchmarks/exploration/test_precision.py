"""The precision sweep over seeds: what is averaged, and that the test part chooses nothing."""

import csv

import numpy as np
import pytest

from benchmarks.common.data import Dataset
from benchmarks.common.results import ResultTable
from benchmarks.exploration import precision
from benchmarks.exploration.precision import COLUMNS, Found

# By bits of codes and of functions: parameter bits, and validation scores of two seeds.
PAIRS = {(2, 2): (10, 60, 70), (2, 3): (20, 90, 80), (3, 2): (30, 80, 88), (3, 3): (40, 90, 92)}


@pytest.fixture
def runs():
    found = []
    for seed in range(2):
        scores = {pair: float(figures[1 + seed]) for pair, figures in PAIRS.items()}
        parameter_bits = {pair: float(figures[0]) for pair, figures in PAIRS.items()}
        stages = {pair: f"{seed}{pair}" for pair in PAIRS}
        # The second seed failed at a pair of its own, which the first has.
        if not seed:
            scores[8, 8], parameter_bits[8, 8], stages[8, 8] = 99.0, 5.0, "lost"
        found.append((None, Found(scores, parameter_bits, stages)))
    return found


@pytest.fixture
def data():
    x, labels = np.zeros((2, 3)), np.array([0, 1])
    return Dataset("made up", x, labels, x, labels, x, labels, 2)


def test_the_front_is_chosen_on_validation_rows(runs, data, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(precision, "_score", lambda _, stage, x, y: asked.append(stage) or 1.0)
    table = ResultTable("made up", COLUMNS)
    precision._add_front(table, "EfficientKAN", "edge_table", runs, data)
    shown = [(*row[2:5], str(row[5]), str(row[6])) for row in table.rows]
    assert shown == [
        (2, 2, 10, "65.00 ± 7.07", "1.00 ± 0.00"),
        (2, 3, 20, "85.00 ± 7.07", "1.00 ± 0.00"),
        (3, 3, 40, "91.00 ± 1.41", "1.00 ± 0.00"),
    ]
    assert asked == [f"{seed}{pair}" for pair in ((2, 2), (2, 3), (3, 3)) for seed in range(2)]


def test_a_surface_is_the_mean_of_all_seeds(runs, data, tmp_path):
    precision._write_surface(tmp_path, "made up", "EfficientKAN", "edge_table", runs, data)
    (table,) = tmp_path.glob("*.csv")
    with table.open(newline="") as file:
        head, first, second, *others = csv.reader(file)
    assert head[1:] == [str(bits) for bits in range(2, 9)]
    assert first[:3] == ["2", "65.0", "85.0"] and second[:3] == ["3", "84.0", "91.0"]
    assert {cell for row in (*others, first[2:], second[2:]) for cell in row[1:]} == {"nan"}
    assert len(list(tmp_path.glob("*.svg"))) == 1
