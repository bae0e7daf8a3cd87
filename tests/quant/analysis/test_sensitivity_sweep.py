"""Sensitivity: each branch alone at few bits, measured as it says."""

import math
import sys
from dataclasses import replace

import numpy as np
import pytest

from kanhw.errors import InputError
from kanhw.model.network import KanModel
from kanhw.quant import QuantConfig, quantize_model, sensitivity
from kanhw.quant.analysis.units import Unit


@pytest.fixture
def network(make_layer):
    """Two layers, data to calibrate with and other data with labels."""
    rng = np.random.default_rng(3)
    model = KanModel((make_layer(rng, 3, 4, name="a"), make_layer(rng, 4, 3, name="b")))
    x = rng.normal(size=(200, 3))
    return model, x[:100], x[100:], model(x[100:]).argmax(axis=1)


def relative_change(outputs, expected):
    return np.square(outputs - expected).mean() / expected.var(axis=0).mean()


def test_every_row_is_one_change(network):
    model, calibration, held_out, labels = network
    measured = sensitivity(
        model,
        calibration,
        held_out,
        labels,
        QuantConfig(realisation="basis_table", spline_bits=3, activation_calibration="max_abs"),
        (2, 4),
    )
    branches = ("base", "spline", "basis", "activation")
    assert measured.units == tuple(Unit(layer, branch) for layer in "ab" for branch in branches)
    assert [row.bits for row in measured.rows] == [2, 4] * 8
    fields = {
        "base": ["base_bits"],
        "spline": ["spline_bits"],
        "basis": ["basis_bits", "base_table_bits"],
        "activation": ["activation_bits"],
    }
    expected = model(held_out)
    reference = QuantConfig(
        realisation="basis_table",
        table_bits=11,
        method="uniform",
        input_bits=None,
        activation_calibration="max_abs",
    )
    for row in measured.rows:
        layers = {row.layer: dict.fromkeys(fields[row.branch], row.bits)}
        config = replace(reference, layers=layers)
        outputs = quantize_model(model, calibration, config)(held_out)
        assert row.loss == pytest.approx(relative_change(outputs, expected))
        assert row.accuracy == (outputs.argmax(axis=1) == labels).mean()
        assert row.increase == pytest.approx(row.loss - measured.reference_loss)
    outputs = quantize_model(model, calibration, reference)(held_out)
    assert measured.reference_loss == pytest.approx(relative_change(outputs, expected))
    losses = measured.matrix()
    assert losses.shape == (8, 2)
    assert (losses[:, 0] > losses[:, 1]).all()
    assert (losses > measured.reference_loss / 2).all()


def test_text_and_rows(network):
    model, calibration, held_out, labels = network
    measured = sensitivity(model, calibration, held_out, labels, bits=(2,), branches=("spline",))
    row = measured.table()[0]
    assert list(row) == ["layer", "branch", "bits", "loss", "increase", "accuracy"]
    lines = str(measured).splitlines()
    assert lines[0] == "| layer | branch | 2 bits |"
    assert lines[2].startswith(f"| a | spline | {row['loss']:.2e} (")
    assert lines[-1].startswith("8 bits everywhere: ")
    assert measured.matrix("accuracy")[0, 0] == row["accuracy"]
    with pytest.raises(InputError, match="value must be loss, increase or accuracy, not 'bits'"):
        measured.matrix("bits")


def test_without_labels_there_are_no_accuracies(network):
    model, calibration, held_out, _ = network
    measured = sensitivity(model, calibration, held_out, bits=(2,), branches=("base",))
    assert measured.reference_accuracy is None
    assert {row.accuracy for row in measured.rows} == {None}
    assert np.isnan(measured.matrix("accuracy")).all()
    assert "%" not in measured.markdown()


@pytest.mark.some(4)
@pytest.mark.parametrize("realisation", ["edge_table", "basis_table"])
def test_every_variant(variant, realisation):
    model, x = variant
    config = QuantConfig(
        realisation=realisation, activation_calibration="max_abs", weight_calibration="max_abs"
    )
    measured = sensitivity(model, x[:60], x[60:], config=config, bits=(3,))
    branches = {unit.branch for unit in measured.units}
    assert branches - {"basis"} == {"base", "spline", "activation"}
    assert ("basis" in branches) == (realisation == "basis_table")
    assert all(0 < row.loss < math.inf for row in measured.rows)
    names = dict.fromkeys(row.layer for row in measured.rows)
    assert set(names) >= {layer.name for layer in model.layers if hasattr(layer, "name")}


def test_edge_tables_have_bits_of_their_own(network):
    model, calibration, held_out, _ = network
    measured = sensitivity(
        model,
        calibration,
        held_out,
        config=QuantConfig(realisation="edge_table"),
        bits=(2, 6),
        branches=("table", "basis"),
    )
    assert {unit.branch for unit in measured.units} == {"table"}
    assert (measured.matrix()[:, 0] > 10 * measured.matrix()[:, 1]).all()


def test_given_input_bits_are_no_unit(network):
    model, calibration, held_out, _ = network
    config = QuantConfig(input_bits=7)
    measured = sensitivity(
        model, calibration, held_out, config=config, bits=(2,), branches=("activation",)
    )
    assert measured.units == (Unit("b", "activation"),)


def test_shared_quantizers_have_one_number_of_bits(network):
    model, calibration, held_out, _ = network
    config = QuantConfig(shared_quantizers=True, realisation="edge_table")
    measured = sensitivity(model, calibration, held_out, config=config, bits=(2,))
    assert {unit.branch for unit in measured.units} == {"spline", "activation"}


def test_bits_that_have_no_integers_are_infinitely_bad(network, monkeypatch):
    def refusing(model, calibration, config):
        if config.for_layer("a").spline_bits == 2:
            raise InputError("a: more than a multiplier of 4 bits reaches")
        return quantize_model(model, calibration, config)

    # It takes multipliers that are too short for coarse weights.
    module = sys.modules["kanhw.quant.analysis.sensitivity_sweep"]
    monkeypatch.setattr(module, "quantize_model", refusing)
    model, calibration, held_out, _ = network
    measured = sensitivity(model, calibration, held_out, bits=(2, 3), branches=("spline",))
    assert [row.loss == math.inf for row in measured.rows] == [True, False, False, False]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"bits": ()}, InputError, "bits must name at least one number of bits"),
        ({"bits": (2.0,)}, TypeError, r"bits must be integers, not 2\.0"),
        ({"bits": (13,)}, InputError, "must be 1 to 12, not 13"),
        ({"branches": ("scale",)}, InputError, "branches must be of base, .*, not 'scale'"),
        ({"held_out": np.zeros((5, 2))}, InputError, "expects 3 inputs per sample but got 2"),
        ({"held_out": np.zeros((1, 3))}, InputError, "at least 2 samples, not 1"),
        ({"held_out": np.zeros((5, 3))}, InputError, "float outputs do not vary"),
        ({"labels": np.zeros(7, int)}, InputError, r"labels must have shape \[100\]"),
        ({"labels": np.full(100, 3)}, InputError, "labels must be 0 to 2, .* not 3 to 3"),
        ({"labels": np.zeros(100)}, TypeError, "labels must be integers, not float64"),
        ({"config": QuantConfig(layers={"x": {}})}, InputError, "there is no layer 'x'"),
        ({"config": QuantConfig(realisation="codebook")}, InputError, "^a: a codebook's bits"),
    ],
)
def test_refusals(network, changes, error, message):
    model, calibration, held_out, _ = network
    arguments = {"held_out": held_out, "bits": (2,)} | changes
    with pytest.raises(error, match=message):
        sensitivity(model, calibration, **arguments)
