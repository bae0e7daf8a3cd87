"""Spaces: what they hold, what they refuse, and points that are the same one."""

import pytest
from explored import small_model
from hypothesis import given
from hypothesis import strategies as st

from kanhw import InputError
from kanhw.entries import Entry
from kanhw.exploration.space.configuration import Configuration
from kanhw.exploration.space.defaults import default_space, sweep_named, with_training
from kanhw.exploration.space.reading import read_space, space_of

TOML = """
[quantize]
realisation = ["edge_table", "basis_table"]
input_bits = [4, 5, 6]
[quantize.codebook]
size = 16
[train]
epochs = [0, 5]
[hardware]
plan = ["unrolled", "folded", "inputs=2,outputs=2", "lut=3000,clocks=64"]
[axis.coefficients]
fields = ["spline_bits", "base_bits"]
values = [3, 8]
only = {realisation = "basis_table"}
"""


def test_a_file(tmp_path):
    path = tmp_path / "space.toml"
    path.write_text(TOML)
    space = read_space(path)
    assert space.size == 2 * 3 * 1 * 2 * 4 * 2
    points = list(space.grid())
    # Coefficients are tried with basis tables only, and neither reads the size of a codebook.
    assert len(points) == (1 + 2) * 3 * 2 * 4
    edge = [point for point in points if point.quantize["realisation"] == "edge_table"]
    assert all("spline_bits" not in point.quantize for point in edge)
    assert all("codebook.size" not in point.quantize for point in points)
    assert {point.epochs for point in points} == {0, 5}


def test_what_a_realisation_does_not_read_makes_no_other_point():
    chosen = {"realisation": "edge_table", "table_bits": 4}
    assert Configuration.of({**chosen, "basis_bits": 3}) == Configuration.of(chosen)
    assert Configuration.of({**chosen, "table_bits": 5}) != Configuration.of(chosen)
    # Neither does a default that is written down.
    assert Configuration.of({"activation_bits": 8}) == Configuration()
    assert Configuration.of(chosen).value("basis_bits") is None


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "realisation": st.sampled_from(["auto", "edge_table", "basis_table", "codebook"]),
            "input_bits": st.integers(2, 8),
            "table_bits": st.integers(2, 8),
            "codebook.size": st.integers(2, 64),
            "epochs": st.integers(0, 3),
            "plan": st.sampled_from(["unrolled", "folded", "lut=100"]),
            "adder_levels": st.integers(0, 3),
        },
    )
)
def test_points_go_through_json(chosen):
    point = Configuration.of(chosen)
    assert Configuration.from_json(Entry(point.to_json(), "here")) == point
    assert Configuration.of(point.choices) == point
    assert point.config(None) == point.config({})


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({}, "no axes"),
        ({"quantise": {"input_bits": 4}}, "did you mean 'quantize'"),
        ({"quantize": {"input_bit": 4}}, "did you mean 'input_bits'"),
        ({"quantize": {"input_bits": []}}, "has no value"),
        ({"quantize": {"input_bits": [4, 4]}}, "a value twice"),
        ({"quantize": {"input_bits": [4, 99]}}, "input_bits must be 1 to 16, not 99"),
        ({"quantize": {"input_bits": "four"}}, "input_bits"),
        ({"quantize": {"input_bits": float("nan")}}, "input_bits"),
        ({"quantize": {"realisation": "edge_tables"}}, "realisation must be one of"),
        ({"quantize": [1]}, "must be a table"),
        ({"hardware": {"plan": "fast"}}, "not 'fast'"),
        ({"hardware": {"plan": "inputs=2,lut=4"}}, "not with limits"),
        ({"hardware": {"plan": "inputs=0"}}, "must be 1 to 65536"),
        ({"hardware": {"plan": "lut=none"}}, "A budget is written as"),
        ({"hardware": {"target": "ecp6"}}, "Unknown target"),
        ({"hardware": {"fabric": "spartan"}}, "Unknown fabric"),
        ({"train": {"epochs": -1}}, "0 or more"),
        ({"axis": {"both": {"values": [3]}}}, "lacks fields"),
        ({"axis": {"both": {"fields": ["spline_bits"], "values": [3], "onyl": {}}}}, "no 'onyl'"),
        (
            {
                "quantize": {"spline_bits": 3},
                "axis": {"a": {"fields": ["spline_bits"], "values": 4}},
            },
            "are both about spline_bits",
        ),
        (
            {"axis": {"a": {"fields": ["spline_bits"], "values": 4, "only": {"input_bits": 3}}}},
            "no axis before it says input_bits",
        ),
    ],
)
def test_what_no_space_is(tables, message):
    with pytest.raises(InputError, match=message) as caught:
        space_of(tables, "space.toml")
    assert str(caught.value).startswith("space.toml") and "\n" not in str(caught.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_space(tmp_path / "space.toml")
    (tmp_path / "broken.toml").write_text("[quantize\n")
    with pytest.raises(InputError, match=r"broken.toml is no TOML"):
        read_space(tmp_path / "broken.toml")


def test_spaces_of_our_own():
    model = small_model()
    assert default_space(model).size > 200
    plans = {point.plan for point in default_space(model, plans=("lut=9",)).grid()}
    assert {"unrolled", "folded", "lut=9"} <= plans
    sweep = list(sweep_named("precision", model).grid())
    assert len(sweep) == 2 * 7 * 7
    assert all(p.quantize["input_bits"] == p.value("activation_bits") for p in sweep)
    with pytest.raises(InputError, match="did you mean 'precision'"):
        sweep_named("precisions", model)
    trained = with_training(sweep_named("precision", model), 3)
    assert len(list(trained.grid())) == 2 * len(sweep)
    with pytest.raises(InputError, match="leave train out"):
        with_training(trained, 3)
