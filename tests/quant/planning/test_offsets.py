"""Constants of functions move into the bias: equal on all codes, and worth it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from offset_networks import REALISATIONS, with_offset

import kanhw
from kanhw.layers import KAN
from kanhw.model.activation import Activation
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.bases.polynomial import GramBasis
from kanhw.model.layer import KanLayer
from kanhw.model.symbolic import SymbolicEdge
from kanhw.quant import QuantConfig
from kanhw.quant.planning.offsets import without_offsets
from kanhw.quant.planning.plan import make_plan
from kanhw.quant.planning.steps import SumStep
from kanhw.quant.quantizers.quantizer import activation_quantizer
from kanhw.quant.quantizers.sum_inputs import SumInputs


@pytest.mark.some(3)
@pytest.mark.parametrize("realisation", REALISATIONS)
@pytest.mark.parametrize("layer", [0, 1], ids=["hidden", "last"])
def test_an_offset_costs_no_bits(layer, realisation):
    model, x = with_offset(layer)
    y = model(x)
    program = kanhw.quantize(model, x, realisation=realisation)
    error = program.decode_output(program(program.input.encode(x))) - y
    # With the offset in the weights it was 0.94 of the standard deviation.
    assert np.sqrt(np.square(error).mean()) < 0.05 * y.std()


def _layer(basis, coefficients, base=0.0, symbolic=(), activation="identity"):
    n_out, n_in = coefficients.shape[:2]
    return KanLayer(
        basis,
        coefficients,
        np.full((n_out, n_in), base),
        Activation(activation),
        np.arange(n_out, dtype=float),
        "layers.0",
        symbolic=symbolic,
    )


def _moved(layer, lo, hi):
    """The layer with its constants moved, and what both read."""
    x = np.linspace(lo, hi, 50)[:, None].repeat(layer.n_in, axis=1)
    quantizer = activation_quantizer(x, 6, QuantConfig(activation_calibration="max_abs"))
    inputs = SumInputs((quantizer,), "basis_table")
    return without_offsets(SumStep(layer), inputs).layer, quantizer.grid()


def _knots(n_in):
    return np.tile(np.arange(-3.0, 9.0) / 2.5 - 1, (n_in, 1))


def test_splines_inside_of_their_grid():
    rng = np.random.default_rng(1)
    offsets = np.array([[[40], [0], [-7]], [[0], [30], [0.1]]])
    coefficients = rng.normal(size=(2, 3, 8)) + offsets
    layer = _layer(BSplineBasis(_knots(3), 3), coefficients)
    moved, grid = _moved(layer, -0.9, 0.9)
    assert np.allclose(moved.sums(grid), layer.sums(grid), rtol=0, atol=1e-12)
    assert np.abs(moved.coefficients).max() < 4
    # Edges around zero, and pruned ones, are left as they are.
    assert (moved.coefficients[0, 1] == coefficients[0, 1]).all()


def test_codes_outside_of_the_grid_are_no_constant():
    layer = _layer(BSplineBasis(_knots(1), 3), np.full((1, 1, 8), 40.0))
    moved, _ = _moved(layer, -1.5, 0.9)
    assert moved is layer


def test_the_constant_of_polynomials():
    coefficients = np.array([[[50.0, 1.0, -0.5], [0.2, 1.0, 0.3]]])
    basis = GramBasis(np.array([0.0, 0.05, 0.0]), 2, None, constant=True)
    layer = _layer(basis, coefficients)
    moved, grid = _moved(layer, -2.0, 2.0)
    assert moved.coefficients[0, 0].tolist() == [0, 1.0, -0.5]
    assert moved.coefficients[0, 1].tolist() == [0.2, 1.0, 0.3]
    assert np.allclose(moved.sums(grid), layer.sums(grid), rtol=0, atol=1e-12)


def test_a_base_activation_far_from_zero():
    layer = _layer(BSplineBasis(_knots(2), 3), np.zeros((1, 2, 8)), base=2.0, activation="silu")
    moved, grid = _moved(layer, 99.8, 100.2)
    assert np.abs(moved.base_activation(grid)).max() < 0.21
    assert np.allclose(moved.sums(grid), layer.sums(grid), rtol=0, atol=1e-10)
    near, _ = _moved(layer, -1.0, 1.0)
    assert near is layer


def test_a_symbolic_edge_far_from_zero():
    edge = SymbolicEdge(0, 1, "sin", 1.0, 0.0, 1.0, 30.0)
    layer = _layer(BSplineBasis(_knots(2), 3), np.zeros((1, 2, 8)), symbolic=(edge,))
    moved, grid = _moved(layer, -2.0, 2.0)
    assert abs(moved.symbolic[0].d) < 1e-9
    assert np.allclose(moved.sums(grid), layer.sums(grid), rtol=0, atol=1e-12)


def test_ordinary_networks_stay_as_they_are(efficient_network):
    model, x = efficient_network
    plan = make_plan(model, x, QuantConfig())
    for step, layer in zip(plan.steps, model.layers, strict=True):
        assert step.layer.coefficients is layer.coefficients or (
            step.layer.coefficients == layer.coefficients
        ).all()


@pytest.fixture
def efficient_network():
    torch.manual_seed(3)
    model = KAN([3, 5, 2]).to_model()
    return replace(model, source="test"), np.random.default_rng(3).uniform(-1, 1, (200, 3))
