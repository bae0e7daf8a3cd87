"""Data frames: their columns name the inputs, and have to be those of the network."""

import numpy as np
import pytest
import torch
from engines import quick_engine

import kanhw
from kanhw.errors import InputError
from kanhw.frames import column_names, in_order
from kanhw.layers import KAN

pandas = pytest.importorskip("pandas")

NAMES = ["temperature", "pressure", "humidity"]


@pytest.fixture(scope="module")
def frame():
    return pandas.DataFrame(np.random.default_rng(0).uniform(-1, 1, (120, 3)), columns=NAMES)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return KAN([3, 2, 1]).to_model()


def test_columns_become_names(model, frame, tmp_path):
    program = kanhw.quantize(model, frame, activation_bits=4)
    assert program.labels.inputs == tuple(NAMES)
    kanhw.program.save_program(program, tmp_path / "net")
    program = kanhw.load(tmp_path / "net")
    codes = program.input.encode(frame)
    np.testing.assert_array_equal(codes, program.input.encode(frame.to_numpy()))
    design = kanhw.generate(program, tmp_path / "design")
    assert kanhw.simulate(design, frame[:5], engine=quick_engine()).passed


def test_names_that_are_given_stay(model, frame):
    labels = kanhw.program.Labels(inputs=("a", "b", "c"), input_units=("K", "Pa", "%"))
    assert kanhw.quantize(model, frame, labels=labels).labels == labels
    units = kanhw.program.Labels(input_units=("K", "Pa", "%"))
    found = kanhw.quantize(model, frame, labels=units).labels
    assert (found.inputs, found.input_units) == (tuple(NAMES), ("K", "Pa", "%"))


def test_other_columns_are_refused(model, frame, tmp_path):
    program = kanhw.quantize(model, frame, activation_bits=4)
    turned = frame[NAMES[::-1]]
    design = kanhw.generate(program, tmp_path / "design")
    for call in (
        lambda: program.input.encode(turned),
        lambda: kanhw.quality(model, program, turned),
        lambda: kanhw.simulate(design, turned),
    ):
        with pytest.raises(InputError, match=r"in another order: give x\[\['temperature', 'pre"):
            call()
    with pytest.raises(InputError, match=r"^The columns are temperature, pressure, but the net"):
        program.input.encode(frame[NAMES[:2]])
    # Where nobody named the inputs there is nothing to compare.
    plain = kanhw.quantize(model, frame.to_numpy(), activation_bits=4)
    np.testing.assert_array_equal(
        plain.input.encode(turned), plain.input.encode(turned.to_numpy())
    )


def test_columns_of_text(frame):
    with pytest.raises(InputError, match=r"^Column 'station' holds .*no numbers: leave it out"):
        in_order(frame.assign(station="north"), None)
    assert column_names(frame.to_numpy()) is None
    assert column_names(pandas.DataFrame(np.zeros((2, 2)))) is None


@pytest.mark.wide
def test_training(model, frame):
    network = kanhw.prepare(model, frame, activation_bits=4)
    y = frame[["temperature"]]
    kanhw.train(network, frame, y, epochs=1, validation=(frame, y))
    assert kanhw.convert(network).labels.inputs == tuple(NAMES)


def test_names_and_units_are_shown(model, frame):
    labels = kanhw.program.Labels(outputs=("density",), output_units=("kg/m3",))
    program = kanhw.quantize(model, frame, labels=labels, activation_bits=2)
    found = kanhw.quality(model, program, frame, y=model(frame.to_numpy()) * 1.01)
    text = "\n".join(kanhw.measures.text.quality_lines(found))
    assert "density (kg/m3)" in text and "humidity" in text
    assert "warning: output density has an RMS error above 5 %" in text
    assert found.to_json()["labels"]["inputs"] == NAMES


def test_integers_that_are_farther_from_the_truth(model, frame):
    program = kanhw.quantize(model, frame, activation_bits=6)
    x = frame.to_numpy()
    noise = np.random.default_rng(1).normal(size=(120, 1)) * 0.01 * model(x).std()
    found = kanhw.quality(model, program, x, y=model(x) + noise)
    (line,) = found.warnings
    # Its own outputs, rounded as files do, are nothing to be far from.
    own = model(x).astype(np.float32).astype(np.float64)
    assert kanhw.quality(model, program, x, y=own).warnings == ()
    assert line.startswith("output 0 is farther from y than the float model's (output 0: ")
    assert "raise input_bits and activation_bits" in line
