"""Plots: the Pareto front by its definition, and files that are the same each time."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.common import plots

# Few different numbers, so that ties come often.
FIGURE = st.one_of(st.integers(-3, 3).map(float), st.floats(allow_nan=True))


def beats(one, other, *, lower_is_better):
    sign = 1 if lower_is_better else -1
    (cost, value), (other_cost, other_value) = one, other
    if any(map(math.isnan, one)):
        return False
    pairs = ((cost, other_cost), (sign * value, sign * other_value))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


@given(st.lists(st.tuples(FIGURE, FIGURE), max_size=12), st.booleans())
def test_the_front_is_what_nothing_beats(points, lower_is_better):
    front = plots.pareto_front(points, lower_is_better=lower_is_better)
    expected = {
        index
        for index, point in enumerate(points)
        if not any(map(math.isnan, point))
        and not any(beats(other, point, lower_is_better=lower_is_better) for other in points)
    }
    assert set(front) == expected
    assert len(front) == len(expected)
    costs = [points[index][0] for index in front]
    assert costs == sorted(costs)


def test_fronts_by_hand():
    points = [(100.0, 90.0), (200.0, 95.0), (150.0, 89.0), (200.0, 94.0), (300.0, 95.0)]
    assert plots.pareto_front(points) == [0, 1]
    assert plots.pareto_front(points, lower_is_better=True) == [0, 2]
    assert plots.pareto_front([]) == []


def draw_lines(path):
    series = {"one": ([2, 4, 8], [80.0, 90.0, 95.0]), "other": ([2, 4, 8], [70.0, 91.0, 94.0])}
    deviations = {"one": [1.0, 0.5, 0.1]}
    return plots.line_plot(series, path, "weight bits", "accuracy (%)", "T", True, deviations)


def draw_panels(path):
    series = {"one": ([2, 4, 8], [80.0, 90.0, 95.0]), "other": ([2, 4, 8], [70.0, 91.0, 94.0])}
    panels = {
        "left": plots.Lines(series, {"one": [1.0, 0.5, 0.1]}),
        "right": plots.Lines({"one": ([3], [7.0])}),
    }
    return plots.line_panels(panels, path, "LUT", "accuracy (%)", log_x=True)


def draw_map(path):
    matrix = np.array([[1.0, np.nan, 3.0], [4.0, 5.0, 6.0]])
    return plots.heat_map(matrix, ["w2", "w4"], ["a2", "a4", "a8"], path, "T", "a", "w", form=".1f")


def draw_choices(path):
    panels = {
        "left": [["E", "E", "S"], ["E", "E", "S"], [None, "B", "S"]],
        "right": [["B"] * 3] * 3,
    }
    return plots.choice_maps(panels, ["E", "B", "S"], (2, 3, 4), (1, 2, 3), path, "basis", "codes")


def draw_front(path):
    points = [
        plots.Point(100, 90, "KAGN", "W4A4"),
        plots.Point(200, 95, "PyKAN", "W8A8"),
        plots.Point(300, 94, "PyKAN", "W8A9"),
    ]
    return plots.pareto_plot(points, path, "LUT", "accuracy (%)", "T", log_x=True)


@pytest.mark.some(2)
@pytest.mark.parametrize(
    ("draw", "shown", "hidden"),
    [
        (draw_lines, ["weight bits", "accuracy (%)", "one", "other"], []),
        (draw_panels, ["left", "right", "LUT", "accuracy (%)", "one", "other"], []),
        (draw_map, ["w2", "a8", "1.0", "6.0"], ["nan"]),
        (draw_choices, ["left", "right", "basis", "codes", "E", "B", "S"], ["None"]),
        (draw_front, ["LUT", "KAGN", "PyKAN", "Pareto front", "W8A8"], ["W8A9"]),
    ],
)
def test_the_same_figures_give_the_same_file(draw, shown, hidden, tmp_path):
    path = draw(tmp_path / "plots" / "one.svg")
    text = path.read_text(encoding="utf-8")
    assert text == draw(tmp_path / "other.svg").read_text(encoding="utf-8")
    assert all(f">{word}<" in text for word in shown)
    assert not any(f">{word}<" in text for word in hidden)
    # Neither today's date nor pictures of a fixed size.
    assert "<dc:date>" not in text
    assert "<image" not in text


def test_choices_are_covered_once():
    chosen = [["E", "E", "S"], ["E", "E", "S"], [None, "B", "S"]]
    covered = np.full((3, 3), None, object)
    areas = list(plots._areas(chosen))
    for (top, height), (left, width), name in areas:
        place = slice(top, top + height), slice(left, left + width)
        assert not any(covered[place].ravel().tolist())
        covered[place] = name
    assert covered.tolist() == chosen
    assert len(areas) == 4


def test_a_constant_map_is_drawn(tmp_path):
    assert plots.heat_map([[2.0]], ["a"], ["b"], tmp_path / "map.svg").is_file()


def test_a_map_of_another_shape_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"2 rows and 1 columns.*\[1, 2\]"):
        plots.heat_map([[1, 2]], ["a", "b"], ["c"], tmp_path / "map.svg")
