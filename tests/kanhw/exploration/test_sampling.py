"""Samplers: what they ask for, the same again for the same answers, and an end."""

import pytest

from kanhw.exploration.space import sampling
from kanhw.exploration.space.reading import space_of
from kanhw.exploration.space.sampling import BATCH, Grade, sampler_named

SPACE = space_of(
    {
        "quantize": {
            "realisation": ["edge_table", "basis_table"],
            "input_bits": [2, 3, 4, 5, 6, 7, 8],
            "activation_bits": [2, 3, 4, 5, 6, 7, 8],
            "table_bits": [2, 3, 4, 5, 6, 7, 8],
        }
    }
)


def losses(point):
    """Best with few bits at the input, or with many behind it; not with basis tables."""
    bits, behind = point.value("input_bits"), point.value("activation_bits")
    table = point.value("table_bits") or 9
    return (float(bits + (behind - 5) ** 2), float(table + 9 - behind))


def run(name, points, *, seed=0, fails=(), limits=0, space=SPACE):
    source = sampler_named(name, space, points, 2, seed=seed)
    asked = []
    while batch := source.ask():
        asked += batch
        source.tell(
            [
                Grade(
                    None if each.value("input_bits") in fails else losses(each),
                    [float(each.value("input_bits") - 4)] * limits,
                )
                for each in batch
            ]
        )
    return asked


def test_a_grid_is_all_points():
    assert run("grid", 3) == list(SPACE.grid())


@pytest.mark.parametrize("name", ["nsga2", "tpe"])
def test_sampling(name):
    pytest.importorskip("optuna")
    asked = run(name, 60)
    assert len(asked) == 60 == len(set(map(repr, asked)))
    assert run(name, 60) == asked
    assert run(name, 60, seed=1)[2 * BATCH :] != asked[2 * BATCH :]
    # It begins with what is uniform, so with the corners too.
    assert asked[0].value("input_bits") == asked[0].value("activation_bits") == 2
    assert all(p.value("input_bits") == p.value("activation_bits") for p in asked[:7])


def missed(asked):
    return sum(each.value("input_bits") > 4 for each in asked[2 * BATCH :])


@pytest.mark.parametrize(("name", "points"), [("nsga2", 160), ("tpe", 64)])
def test_failures_and_limits(name, points):
    pytest.importorskip("optuna")
    asked = run(name, points, fails=(8,), limits=1)
    assert len(asked) == points
    # What it learns shows: fewer points miss the limit than where there is none.
    free = run(name, points, fails=(8,))
    assert missed(asked) < missed(free)


@pytest.mark.parametrize("name", ["nsga2", "tpe"])
def test_a_space_that_is_exhausted(name, monkeypatch):
    pytest.importorskip("optuna")
    monkeypatch.setattr(sampling, "_PATIENCE", 3)  # each try costs TPE more than the one before
    space = space_of({"quantize": {"input_bits": [3, 4], "activation_bits": [3, 4]}})
    assert len(run(name, 100, space=space)) == 4
