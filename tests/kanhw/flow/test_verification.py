"""Simulating against the Program and against the user's data."""

import json
from dataclasses import replace

import numpy as np
import pytest
from engines import quick_engine

import kanhw
from kanhw import InputError, ToolNotFound
from kanhw.design.design import Design, Port
from kanhw.flow import verification
from kanhw.flow.verification import _verification, predicted_classes
from kanhw.formats import CodeFormat
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer, with_formats
from kanhw.schedule.schedule import Schedule
from kanhw.sim import EquivalenceReport, find_simulator
from kanhw.sim.vectors import checked_vectors
from kanhw.tools import simulators

N_IN, N_OUT = 2, 3


def make_program(n_out=N_OUT, scale=None, zero_point=None, input_scale=None):
    tables = np.random.default_rng(0).integers(-7, 8, (n_out, N_IN, 16))
    join = Requantizer(
        np.ones((1, n_out), int),
        np.zeros(n_out, int),
        format=CodeFormat(5, True),
        scale=scale,
        zero_point=zero_point,
    )
    encoder = InputEncoder(CodeFormat(4, True), N_IN, input_scale)
    return Program((EdgeTableLayer(tables, (join,)),), encoder)


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(1).integers(-8, 8, (60, N_IN))


@pytest.fixture(scope="module", autouse=True)
def simulator():
    try:
        return find_simulator()
    except ToolNotFound as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def design(tmp_path_factory):
    return kanhw.generate(make_program(), tmp_path_factory.mktemp("designs") / "design")


@pytest.fixture(scope="module")
def scaled_design(tmp_path_factory):
    """Of real features; it hands out classes."""
    program = make_program(input_scale=np.array(0.25))
    return kanhw.generate(program, tmp_path_factory.mktemp("scaled") / "design", argmax=True)


def test_array(design, x):
    y = make_program()(x)
    labels = y.argmax(axis=1)
    labels[:15] = (labels[:15] + 1) % N_OUT
    result = kanhw.simulate(design, x, labels=labels, seed=7)
    assert result.passed and result.equivalence.seed == 7
    np.testing.assert_array_equal(result.outputs, y)
    assert result.accuracy == 0.75
    assert result.max_error is None and result.error_of_range is None
    document = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert document["passed"] is True and document["accuracy"] == 0.75
    assert "outputs" not in document


def test_bad_arrays(design, x):
    for arguments, message in (
        ((x[:, :1],), r"^The array: 'x' must have shape \[N, 2\], not \(60, 1\)$"),
        ((x[:0],), r"^The array holds? no vectors: 'x' has no rows"),
        (([["a", "b"]],), r"^The array: 'x' must hold numbers, not <U1$"),
        ((x + 0.5,), r"^x holds real features, but this network takes integer codes"),
        ((x + 8,), r"^x must be codes -8 to 7"),
        ((x, x[:3, 0]), r"^The array: 'labels' has 3 rows but 'x' has 60$"),
        ((x, np.zeros(60)), r"^The array: 'labels' must be integers, not float64$"),
    ):
        labels = arguments[1] if len(arguments) > 1 else None
        with pytest.raises(InputError, match=message):
            kanhw.simulate(design, arguments[0], labels=labels)


@pytest.mark.parametrize("seed", [-1, 1 << 32, 1.5, None])
def test_bad_seed(design, x, seed):
    with pytest.raises(InputError, match=r"^The seed of the stalls must be 0 to 4294967295, not "):
        kanhw.simulate(design, x, seed=seed)


def test_labels_beside_a_file(design, x, tmp_path):
    np.savez(tmp_path / "data.npz", x=x)
    with pytest.raises(TypeError, match=r"^labels belong to an array x; put them into .*data\.npz"):
        kanhw.simulate(design, tmp_path / "data.npz", labels=x[:, 0])


def report_of(outputs):
    return EquivalenceReport(
        design="d", engine="fast", simulator="s", simulator_version="1", vectors=len(outputs),
        mismatches=0, first_mismatches=(), expected_mismatches=None, problems=(),
        latency_cycles=1, declared_latency=1, cycles_per_inference=1.0, cycles=9, seconds=1.0,
        inferences_per_second=1.0, stalls=False, seed=1, reset_midstream=False,
        outputs=np.asarray(outputs, np.int64),
    )  # fmt: skip


def figures(program, outputs, **arrays):
    x = np.zeros((len(arrays["y"]) if "y" in arrays else len(outputs), N_IN), int)
    return _verification(program, report_of(outputs), checked_vectors(program, x, **arrays))


def test_error_of_a_float_y():
    outputs = [[1, 2, 3], [4, 5, 6]]
    plain = figures(make_program(), outputs, y=np.array([[1, 2, 3], [4, 5, 8.0]]))
    assert (plain.max_error, plain.error_of_range) == (2, 2 / 7)
    scaled = make_program(scale=np.full(N_OUT, 0.5), zero_point=np.ones(N_OUT, int))
    assert figures(scaled, outputs, y=np.array([[0, 0.5, 1], [1.5, 2, 2.0]])).max_error == 0.5
    whole = figures(scaled, outputs, y=np.array([[0, 0, 1], [1, 2, 2]]), integers="reals")
    assert whole.max_error == 0.5
    constant = figures(make_program(), outputs, y=np.ones((2, 3)))
    assert (constant.max_error, constant.error_of_range) == (5, None)
    json.dumps(constant.to_json(), allow_nan=False)
    lost = figures(make_program(), outputs[:1], y=np.zeros((2, 3)))
    assert lost.max_error is None
    exact = figures(make_program(), outputs, y=np.array(outputs, np.int8))
    assert exact.max_error is None


def test_y_of_class_indices():
    program = make_program().with_argmax()
    outputs = [[2], [0]]
    y = np.array([[1, 2, 3], [5, 5, 4]])  # the first of equals
    x = np.zeros((2, N_IN), int)
    assert checked_vectors(program, x, y).expected.tolist() == outputs
    assert checked_vectors(program, x, np.array([2, 0])).expected.tolist() == outputs
    assert checked_vectors(program, x, np.array(outputs)).expected.tolist() == outputs
    assert checked_vectors(program, x, y / 2).y is None
    assert figures(program, outputs, y=np.array([2.0, 0.0])).max_error is None
    with pytest.raises(InputError, match=r"'y' must have shape \[N, 1\], not \(2, 2\)$"):
        checked_vectors(program, x, y[:, :2])


def test_classes():
    outputs = np.array([[1, 3, 3], [-4, -5, -6]])
    assert predicted_classes(make_program(), outputs).tolist() == [1, 0]
    offset = make_program(scale=np.array([1, 1, 0.5]), zero_point=np.array([0, 0, -2]))
    assert predicted_classes(offset, np.array([[0, 0, -1]])).tolist() == [2]
    assert predicted_classes(make_program().with_argmax(), outputs[:, :1]).tolist() == [1, -4]
    single = make_program(n_out=1)
    assert predicted_classes(single, np.array([[0], [1], [-1]])).tolist() == [0, 1, 0]
    scaled = make_program(n_out=1, scale=np.ones(1), zero_point=np.full(1, 3))
    assert predicted_classes(scaled, np.array([[3], [4]])).tolist() == [0, 1]


def test_real_features(scaled_design, tmp_path):
    program = make_program(input_scale=np.array(0.25))
    x = np.random.default_rng(2).uniform(-3, 3, (40, N_IN))
    y = program(program.input.encode(x))
    np.savez(tmp_path / "data.npz", x=x, y=y, labels=y.argmax(axis=1))
    path = str(scaled_design.path)
    result = kanhw.simulate(path, str(tmp_path / "data.npz"), stalls=False, engine=quick_engine())
    assert result.passed and result.accuracy == 1.0
    assert result.equivalence.expected_mismatches == 0


def test_clipped_inputs_are_counted(scaled_design):
    program = make_program(input_scale=np.array(0.25))
    x = np.zeros((20, N_IN))
    x[:3, 1], x[5, 0], x[6, 0] = 1.9, np.inf, -2.1  # codes 8, 7 + and -8: the last is no loss
    result = kanhw.simulate(scaled_design, x, stalls=False, engine=quick_engine())
    assert result.passed and result.saturated.tolist() == [1, 3]
    assert result.to_json()["saturated"] == 4
    (line,) = result.warnings
    assert line.startswith("4 of 40 inputs (10.00 %) lie beyond the outermost codes and were cl")
    assert "most of feature 1 (3)" in line and "--activation-calibration max_abs" in line
    codes = program.input.encode(x)
    with pytest.raises(InputError, match=r"'x' holds integers .* --codes .* --reals"):
        kanhw.simulate(scaled_design, codes)
    given = kanhw.simulate(
        scaled_design, codes, integers="codes", stalls=False, engine=quick_engine()
    )
    np.testing.assert_array_equal(given.outputs, result.outputs)
    assert given.saturated is None and given.warnings == ()


@pytest.mark.parametrize(
    ("encoder", "formats", "cure"),
    [
        ({}, {}, "--activation-calibration max_abs"),
        ({"offset": 0.07}, {}, "training chose these ranges, so values beyond them count as"),
        ({"offset": 0.07}, {"inputs": "q2.4"}, "the format of the inputs; give one that holds"),
    ],
)
def test_the_cure_for_clipped_inputs_is_that_of_their_range(encoder, formats, cure):
    program = make_program(input_scale=np.array(0.25))
    program = replace(program, input=replace(program.input, **encoder))
    program = with_formats(program, **formats)
    far = np.full((20, N_IN), 99.5)
    outputs = report_of(program(program.input.encode(far)))
    result = _verification(program, outputs, checked_vectors(program, far))
    assert len(result.warnings) == 1 and cure in result.warnings[0]


def test_auto_takes_the_engine_that_ends_in_time(tmp_path, monkeypatch):
    port = Port(1, CodeFormat(4, True))
    (tmp_path / "kan.v").write_bytes(b" " * 1000)
    design = Design(tmp_path, "kan", "kan.v", "p", Schedule(), 3, 2, port, port)
    monkeypatch.setattr(simulators, "find_verilator", lambda: None)
    assert verification._suitable_engine(design, 3_000_000) == "cocotb"
    assert verification._suitable_engine(design, 3_000_001) == "fast"

    def absent():
        raise ToolNotFound("none")

    monkeypatch.setattr(simulators, "find_verilator", absent)
    assert verification._suitable_engine(design, 3_000_001) == "cocotb"
