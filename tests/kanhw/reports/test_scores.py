"""Accuracies and errors of a report."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from reported_designs import SIGNED6, design_of, integer_network, requantizer

import kanhw
from kanhw.errors import InputError
from kanhw.layers import KAN
from kanhw.model.network import KanModel
from kanhw.program import (
    EdgeTableLayer,
    InputEncoder,
    Program,
)
from kanhw.reports import (
    summarise,
)
from kanhw.reports.scores import measure
from kanhw.reports.text import figure, metric_name


class TestScores:
    def scored(self, program, folder, **options):
        summary = summarise(design_of(program, folder), **options)
        return {(s.stage, s.metric): s for s in summary.scores}

    @pytest.mark.parametrize("argmax", [False, True])
    def test_accuracies(self, network, tmp_path, argmax):
        model, program = network
        program = program.with_argmax(argmax)
        rng = np.random.default_rng(3)
        x, labels = rng.uniform(-1, 1, (100, 4)), rng.integers(0, 3, 100)
        outputs = np.array(program(program.input.encode(x)))
        hardware = outputs[:40].copy()
        hardware[:3, 0] = (hardware[:3, 0] + 1) % 3
        scores = self.scored(
            program, tmp_path, model=model, data=(x, labels), hardware_outputs=hardware
        )
        assert scores["float", "accuracy"].value == np.mean(model(x).argmax(axis=1) == labels)
        best = outputs[:, 0] if argmax else program.decode_output(outputs).argmax(axis=1)
        assert scores["quantized", "accuracy"].value == np.mean(best == labels)
        best = hardware[:, 0] if argmax else program.decode_output(hardware).argmax(axis=1)
        assert scores["hardware", "accuracy"].value == np.mean(best == labels[:40])
        assert scores["hardware", "accuracy"].samples == 40
        assert scores["hardware", "accuracy"].differences == 3
        assert scores["quantized", "accuracy"].differences is None

    def test_ties_take_the_lowest_index(self, tmp_path):
        tables = np.zeros((3, 1, 64), np.int64)
        tables[1:] = 4
        program = Program(
            (EdgeTableLayer(tables, (requantizer(3, 0, None, 0.5),)),),
            InputEncoder(SIGNED6, 1, scale=0.1),
        )
        scores = self.scored(program, tmp_path, data=(np.zeros((4, 1)), np.array([0, 1, 1, 2])))
        assert scores["quantized", "accuracy"].value == 0.5

    def test_regression(self, network, tmp_path):
        model, program = network
        x = np.random.default_rng(3).uniform(-1, 1, (50, 4))
        y = model(x) + 0.25
        scores = self.scored(program, tmp_path, model=model, data=(x, y))
        assert scores["float", "rmse"].value == pytest.approx(0.25)
        error = program.decode_output(program(program.input.encode(x))) - y
        assert scores["quantized", "max_error"].value == np.abs(error).max()
        assert scores["quantized", "rmse"].value == np.sqrt(np.mean(error**2))

    def test_without_labels_the_float_model_is_the_reference(self, network, tmp_path):
        model, program = network
        x = np.random.default_rng(3).uniform(-1, 1, (50, 4))
        scores = self.scored(program, tmp_path, model=model, data=(x, None))
        assert set(scores) == {("quantized", "rmse"), ("quantized", "max_error")}
        error = program.decode_output(program(program.input.encode(x))) - model(x)
        assert scores["quantized", "max_error"].value == np.abs(error).max()
        assert scores["quantized", "rmse"].reference == "float model"

    def test_integer_network_takes_codes(self, tmp_path):
        program = integer_network()
        codes = np.random.default_rng(3).integers(0, 16, (50, 3))
        labels = program(codes).argmax(axis=1)
        scores = self.scored(program, tmp_path, data=(codes, labels))
        assert scores["quantized", "accuracy"].value == 1.0

    @pytest.mark.parametrize(
        ("labels", "message"),
        [
            (np.zeros(9, int), r"^There must be a label for each of 10 samples, not \(9,\)$"),
            (np.full(10, 3), r"^Class labels must be 0 to 2 for 3 outputs, not 3 to 3$"),
            (np.zeros((10, 2)), r"^Target values must have shape \[10, 3\], not \(10, 2\)$"),
            (np.full((10, 3), np.inf), r"^Target values must be finite and .* not inf \(row 0, "),
            (np.full((10, 3), np.nan), r"^Target values must be finite and below 1e\+150, not nan"),
            (np.full((10, 3), -1e300), r"^Target values must be finite and .*, not -1e\+300"),
        ],
    )
    def test_wrong_labels(self, network, tmp_path, labels, message):
        with pytest.raises(InputError, match=message):
            self.scored(network[1], tmp_path, data=(np.zeros((10, 4)), labels))

    def test_class_index_against_values(self, network, tmp_path):
        program = network[1].with_argmax()
        for labels in (np.zeros((10, 3)), None):
            with pytest.raises(InputError, match=r"^A network that hands out class indices needs"):
                self.scored(program, tmp_path, data=(np.zeros((10, 4)), labels))

    @pytest.mark.parametrize("shape", [(10, 2), (11, 3), (0, 3), (10,)])
    def test_wrong_hardware_outputs(self, network, tmp_path, shape):
        with pytest.raises(InputError, match=r"^hardware_outputs must have shape \[M, 3\] for the"):
            self.scored(
                network[1],
                tmp_path,
                data=(np.zeros((10, 4)), np.zeros(10, int)),
                hardware_outputs=np.zeros(shape, int),
            )

    def test_hardware_outputs_without_data(self, network, tmp_path):
        with pytest.raises(InputError, match=r"^hardware_outputs can only be scored with the data"):
            self.scored(network[1], tmp_path, hardware_outputs=np.zeros((10, 3), int))


def test_unequal_outputs_are_scored_over_their_deviations():
    torch.manual_seed(0)
    first, last = KAN([2, 3, 2]).to_model().layers
    factor = np.array([1.0, 1e4])
    last = replace(
        last,
        coefficients=last.coefficients * factor[:, None, None],
        base_weights=last.base_weights * factor[:, None],
    )
    model = KanModel((first, last))
    x = np.random.default_rng(0).uniform(-1, 1, (200, 2))
    program = kanhw.quantize(model, x, activation_bits=4)
    y = model(x)
    scores = {(s.stage, s.metric): s for s in measure(program, model, (x, y), None)}
    error = program.decode_output(program(program.input.encode(x))) - y
    own = scores["quantized", "rmse_of_deviation"]
    assert own.value == pytest.approx(np.sqrt(np.mean((error / y.std(axis=0)) ** 2)))
    assert ("quantized", "max_error_of_deviation") in scores
    assert figure(own).endswith("%") and metric_name(own) == "RMS error, of the deviation"
