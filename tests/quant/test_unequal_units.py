"""Features and outputs of unequal units: each has a scale of its own."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from physical_models import physical_model

import kanhw
from kanhw.layers import KAN
from kanhw.model.network import KanModel


def relative_error(program, model, x):
    """Root mean square error of every output over its standard deviation."""
    y = model(x)
    error = program.decode_output(program(program.input.encode(x))) - y
    return np.sqrt(np.square(error).mean(axis=0)) / y.std(axis=0)


@pytest.fixture(scope="module")
def physical():
    """A network of three physical quantities, and data."""
    return physical_model(500)


@pytest.mark.parametrize(
    "realisation", ["edge_table", "basis_table", "codebook", "spline_evaluator"]
)
def test_inputs(physical, realisation):
    model, x = physical
    program = kanhw.quantize(model, x, realisation=realisation)
    assert (relative_error(program, model, x) < 0.05).all()
    codes = program.input.encode(x)
    assert all(len(np.unique(own)) > 100 for own in codes.T)


def test_one_scale_on_request(physical):
    model, x = physical
    program = kanhw.quantize(model, x, realisation="edge_table", input_granularity="tensor")
    assert len(set(program.input.scale.tolist())) == 1


def test_a_group_shares_a_scale():
    torch.manual_seed(1)
    model = KAN([4, 3, 1]).to_model()
    x = np.random.default_rng(2).uniform(-1, 1, (300, 4)) * [1.0, 0.6, 0.1, 0.09]
    scale = kanhw.quantize(model, x, realisation="basis_table").input.scale
    assert scale[0] == scale[1] and scale[2] == scale[3] and scale[0] > 4 * scale[2]
    alone = kanhw.quantize(model, x, input_granularity="channel").input.scale
    assert len(set(alone.tolist())) == 4


def test_a_constant_feature_has_the_range_of_its_likes():
    torch.manual_seed(1)
    model = KAN([3, 3, 1]).to_model()
    x = np.random.default_rng(2).uniform(-1, 1, (300, 3))
    x[:, 1] = 0.25
    scale = kanhw.quantize(model, x, realisation="edge_table").input.scale
    assert scale[1] in (scale[0], scale[2])


@pytest.fixture(scope="module")
def unequal_outputs():
    """A network whose second output is 1000 times the first, and data."""
    torch.manual_seed(0)
    first, last = KAN([3, 4, 2]).to_model().layers
    factor = np.array([1.0, 1000.0])
    last = replace(
        last,
        coefficients=last.coefficients * factor[:, None, None],
        base_weights=last.base_weights * factor[:, None],
    )
    return KanModel((first, last)), np.random.default_rng(0).uniform(-1, 1, (500, 3))


@pytest.mark.parametrize(
    "realisation", ["edge_table", "basis_table", "codebook", "spline_evaluator"]
)
def test_outputs(unequal_outputs, realisation):
    model, x = unequal_outputs
    program = kanhw.quantize(model, x, realisation=realisation)
    # With one unit the first was 1.03 in edge tables.
    assert (relative_error(program, model, x) < 0.05).all()
    one, two = program.output_scale
    assert two > 100 * one


def test_outputs_that_are_compared_share_a_unit(unequal_outputs):
    model, x = unequal_outputs
    program = kanhw.quantize(model, x)
    with pytest.raises(kanhw.InputError, match="output_granularity='tensor'"):
        program.with_argmax()
    shared = kanhw.quantize(model, x, output_granularity="tensor").with_argmax()
    assert shared.argmax


def test_alike_outputs_share_a_unit_by_default():
    torch.manual_seed(3)
    model = KAN([3, 4, 3]).to_model()
    x = np.random.default_rng(0).uniform(-1, 1, (200, 3))
    for realisation in ("edge_table", "basis_table"):
        shared = kanhw.quantize(model, x, realisation=realisation).output_scale
        assert len(set(shared.tolist())) == 1
        own = kanhw.quantize(model, x, realisation=realisation, output_granularity="channel")
        assert len(set(own.output_scale.tolist())) == 3
