"""Features, hidden values and outputs of unequal units or far from zero, in training."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from offset_networks import with_offset
from physical_models import physical_model

import kanhw
from kanhw.layers import KAN
from kanhw.model.network import KanModel
from kanhw.quant import convert
from kanhw.quant.training import parameter_groups

RULES = ["lsq", "lsq+", "pact", "qil", "dorefa", "dsq"]


@pytest.fixture(autouse=True)
def _double_precision():
    torch.set_default_dtype(torch.float64)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.set_default_dtype(torch.float32)


def relative_error(program, y, x):
    """Root mean square error of every output over its standard deviation."""
    error = program.decode_output(program(program.input.encode(x))) - y
    return np.sqrt(np.square(error).mean(axis=0)) / y.std(axis=0)


def is_what_is_deployed(network, x):
    """The Program of a network, which the quantized model equals code by code."""
    quantized, program = convert(network), kanhw.convert(network)
    codes = program.input.encode(x)
    np.testing.assert_array_equal(
        program.decode_output(program(codes)), quantized(x), strict=True
    )
    return program


@pytest.mark.some(2)
@pytest.mark.parametrize("rule", RULES)
def test_features_of_unequal_units(rule):
    model, x = physical_model(300)
    # The rules of DoReFa hand out tanh of weights.
    model = KanModel(tuple(replace(own, coefficients=own.coefficients / 4) for own in model.layers))
    network = kanhw.prepare(model, x, quantizer=rule, realisation="basis_table")
    start = network.rule(0, 0).frozen().scale
    kanhw.train(network, x, model(x), epochs=3, learning_rate=2e-3)
    program = is_what_is_deployed(network, x)
    assert (relative_error(program, model(x), x) < 0.15).all()
    # Every feature has codes of its own, and no scale has left its size.
    assert all(len(np.unique(own)) > 100 for own in program.input.encode(x).T)
    assert (np.abs(np.log2(program.input.scale / start)) < 1).all()


@pytest.mark.some(2)
@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "dorefa"])
def test_features_of_a_group_share_what_is_learned(rule):
    torch.manual_seed(1)
    model = KAN([4, 3, 1]).to_model()
    x = np.random.default_rng(2).uniform(-1, 1, (200, 4)) * [1.0, 0.1, 0.6, 0.09]
    network = kanhw.prepare(model, x, quantizer=rule, input_granularity="group")
    own = network.rule(0, 0)
    # One entry for features 0 and 2, one for 1 and 3.
    assert {p.numel() for p in own.parameters()} == {2}
    before = own.frozen().scale
    kanhw.train(network, x, np.sin(5 * x[:, :1] * x[:, 2:3]), epochs=2, learning_rate=0.02)
    program = is_what_is_deployed(network, x)
    scale, zero = program.input.scale, program.input.zero_point
    assert scale[0] == scale[2] and scale[1] == scale[3] and scale[0] > 4 * scale[1]
    assert zero[0] == zero[2] and zero[1] == zero[3]
    assert (scale != before).all()


def test_granularities_of_the_input():
    torch.manual_seed(1)
    model = KAN([4, 3, 1]).to_model()
    x = np.random.default_rng(2).uniform(-1, 1, (200, 4)) * [1.0, 0.1, 0.6, 0.09]
    for granularity, scales in (("tensor", 1), ("group", 2), ("channel", 4)):
        network = kanhw.prepare(model, x, input_granularity=granularity)
        assert network.rule(0, 0).step.numel() == scales


def test_a_channel_stays_alone_where_ranges_are_equal():
    torch.manual_seed(1)
    model = KAN([2, 3, 1]).to_model()
    x = np.random.default_rng(2).uniform(-1, 1, (200, 1)) * [1.0, -1.0]
    network = kanhw.prepare(
        model, x, input_granularity="channel", activation_calibration="max_abs"
    )
    assert network.rule(0, 0).step.numel() == 2


@pytest.mark.some(4)
@pytest.mark.parametrize("realisation", ["edge_table", "basis_table", "codebook"])
@pytest.mark.parametrize("rule", ["lsq", "dsq"])
@pytest.mark.parametrize("layer", [0, 1], ids=["hidden", "last"])
def test_offsets(layer, rule, realisation):
    model, x = with_offset(layer, 200)
    network = kanhw.prepare(model, x, quantizer=rule, realisation=realisation)
    within = network.plan.consumers[layer].streams[0].read_within
    kept = network.rule(layer, 0).frozen().read_within
    assert (within is None and kept is None) or np.array_equal(within, kept)
    is_what_is_deployed(network, x)
    kanhw.train(network, x, model(x), epochs=1)
    program = is_what_is_deployed(network, x)
    # All of its codes around zero, the hidden values of about 100 would be one of them.
    assert relative_error(program, model(x), x)[0] < 0.3


def test_a_code_beyond_the_grid_is_read_as_its_end():
    model, x = with_offset(0)
    network = kanhw.prepare(model, x, realisation="basis_table", quantizer="lsq+")
    assert network.plan.consumers[0].streams[0].read_within is not None
    with torch.no_grad():
        # Wider steps, as training may make them: the outermost codes leave the grid.
        network.rule(0, 0).step.mul_(1.5)
    assert np.abs(network.rule(0, 0).frozen().grid()).max() <= 1.0
    is_what_is_deployed(network, x)


@pytest.mark.parametrize("realisation", ["edge_table", "basis_table"])
def test_outputs_of_unequal_units(realisation):
    torch.manual_seed(0)
    first, last = KAN([3, 4, 2]).to_model().layers
    factor = np.array([1.0, 1000.0])
    last = replace(
        last,
        coefficients=last.coefficients * factor[:, None, None],
        base_weights=last.base_weights * factor[:, None],
    )
    model, x = KanModel((first, last)), np.random.default_rng(0).uniform(-1, 1, (300, 3))
    network = kanhw.prepare(model, x, realisation=realisation, quantizer="lsq+")
    training = kanhw.train(network, x, model(x), epochs=3)
    assert training.loss.endswith("every output over its own variance")
    program = is_what_is_deployed(network, x)
    # With one unit for both the first was 1.03 in edge tables.
    assert (relative_error(program, model(x), x) < 0.1).all()
    one, two = program.output_scale
    assert two > 100 * one
    shared = kanhw.prepare(model, x, realisation=realisation, output_granularity="tensor")
    assert len(set(kanhw.convert(shared).output_scale.tolist())) == 1


def test_a_place_far_from_zero_moves_by_the_range():
    torch.manual_seed(0)
    model = KAN([2, 2, 1]).to_model()
    x = np.random.default_rng(0).uniform(99.8, 100.2, (100, 2))
    network = kanhw.prepare(model, x, quantizer="lsq+", input_granularity="tensor")
    rule = network.rule(0, 0)
    rates = {id(group["params"][0]): group["lr"] for group in parameter_groups(network, 1e-3)}
    assert float(rule.offset.detach()) > 90
    reach = 255 * float(rule.step.detach())
    assert rates[id(rule.offset)] == pytest.approx(1e-3 * reach)
