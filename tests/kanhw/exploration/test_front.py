"""The front and its volume, against definitions that are slow and plain."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanhw import InputError
from kanhw.exploration.answers.front import dominates, front_of, hypervolume, losses_of
from kanhw.exploration.answers.rated import Setting
from kanhw.exploration.space.configuration import Configuration
from kanhw.exploration.study.objectives import limit_from_text, objectives_named
from kanhw.exploration.study.point import Point

OBJECTIVES = objectives_named(["accuracy", "lut", "bram"])
NUMBERS = st.integers(0, 4)


def rated(rows, setting=None):
    points = [
        Point(
            name=f"{place:04d}",
            configuration=Configuration(),
            stage="",
            figures=dict(zip(("accuracy", "lut", "bram"), row, strict=True)),
        )
        for place, row in enumerate(rows)
    ]
    return (setting or Setting()).rate_all(points)


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=24))
def test_the_front_is_what_nothing_beats(rows):
    points = rated(rows)
    losses = {each.point.name: losses_of(each, OBJECTIVES) for each in points}
    front = {each.point.name for each in front_of(points, OBJECTIVES)}
    for name, own in losses.items():
        beaten = any(dominates(other, own) for other in losses.values())
        twin = any(losses[each] == own and each != name for each in front)
        assert (name in front) == (not beaten and not (twin and name not in front))
    assert len({losses[name] for name in front}) == len(front)


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=8))
def test_the_volume_is_the_cells_that_are_dominated(rows):
    reference = (5, 5, 5)
    cells = itertools.product(range(5), repeat=3)
    counted = sum(any(all(a <= b for a, b in zip(r, c, strict=True)) for r in rows) for c in cells)
    assert hypervolume(rows, reference) == counted


def test_what_is_not_known_is_on_no_front():
    points = rated([(0.9, 5, 1), (0.8, None, 1), (0.95, 9, None)])
    assert [each.point.name for each in front_of(points, OBJECTIVES)] == ["0000"]
    assert [each.point.name for each in front_of(points, OBJECTIVES[:2])] == ["0002", "0000"]


def test_limits():
    limits = (limit_from_text("lut=5", most=True), limit_from_text("accuracy=0.8", most=False))
    points = rated([(0.9, 5, 1), (0.7, 1, 1), (0.9, 6, 1), (None, 1, 1)], Setting(limits=limits))
    assert [each.kept for each in points] == [True, False, False, False]
    assert Setting(limits=limits).excess(points[2]) == [1, pytest.approx(-0.1)]
    for text in ("lut", "lut=", "lut=many", "lut=nan"):
        with pytest.raises(InputError, match="takes NAME=NUMBER"):
            limit_from_text(text, most=True)
    with pytest.raises(InputError, match="did you mean 'lut'"):
        limit_from_text("luts=4", most=True)


def test_a_clock_and_a_board():
    from kanhw.boards.catalogue.table import board_named

    figures = {"latency_cycles": 8.0, "interval_cycles": 2.0, "lut": 900.0, "bram": 0.0, "dsp": 0.0}
    point = Point(name="1", configuration=Configuration(), stage="", figures=figures)
    own = Setting(clock_mhz=100).rate(point).figures
    assert own["latency_ns"] == 80 and own["inferences_per_second"] == 5e7
    assert "utilisation" not in own and "latency_ns" not in Setting().rate(point).figures
    fitting = Setting(board=board_named("icebreaker")).rate(point)
    assert fitting.kept and 0 < fitting.figures["utilisation"] < 1
    huge = Point(name="1", configuration=Configuration(), stage="", figures={**figures, "lut": 1e6})
    assert not Setting(board=board_named("icebreaker")).rate(huge).kept
    with pytest.raises(InputError, match="clock_mhz must be above 0"):
        Setting(clock_mhz=float("nan"))


@pytest.mark.parametrize("names", [[], ["lut", "lut"]])
def test_objectives_that_are_none(names):
    with pytest.raises(InputError, match="one or more different ones"):
        objectives_named(names)
