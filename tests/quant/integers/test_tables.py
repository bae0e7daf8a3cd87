"""Every entry of every table is within half a step of the float function that it stands for.

The functions are evaluated here by scipy, from nothing but dequantized weights and codes.
"""

from dataclasses import replace

import numpy as np
import pytest

from kanhw.model.network import KanModel
from kanhw.program import BasisTableLayer, EdgeTableLayer
from kanhw.quant import QuantConfig, lower, quantize_model
from kanhw.quant.planning.plan import make_plan

interpolate = pytest.importorskip("scipy.interpolate")

HALF = 0.5 * (1 + 1e-6)


def b_splines(knots, order, x):
    """``[A, K]``: the basis of one input, 0 outside of its knots."""
    count = len(knots) - order - 1
    values = np.empty((len(x), count))
    for k in range(count):
        element = interpolate.BSpline.basis_element(knots[k : k + order + 2], extrapolate=False)
        values[:, k] = np.nan_to_num(element(x))
    return values


def code_values(program, index, stream, plan):
    """``[n, count]``: what is read for every code of one stream in front of a layer."""
    if index == 0:
        form, scale, zero = program.input.format, program.input.scale, program.input.zero_point
    else:
        source = program.layers[index - 1].requantizers[stream]
        form, scale, zero = source.format, source.scale, source.zero_point
    values = scale[:, None] * (form.codes()[None, :] - zero[:, None])
    ends = plan.consumers[index].streams[stream].read_within
    return values if ends is None else np.clip(values, ends[:, :1], ends[:, 1:])


def edge_error(program, index, plan, quantized):
    """Largest error of an edge table layer's entries, in steps of the table."""
    layer, float_layer = program.layers[index], plan.steps[index].layer
    requantizer = layer.requantizers[0]
    unit = requantizer.scale * requantizer.multipliers[0] / 2.0**requantizer.shift
    base = quantized.layers[index].base.dequantize()
    spline = quantized.layers[index].spline.dequantize()
    values = code_values(program, index, layer.stream, plan)
    activation = float_layer.base_activation(values.T).T
    worst = 0.0
    for i in range(layer.n_in):
        basis = b_splines(float_layer.basis.knots[i], float_layer.basis.order, values[i])
        for j in range(layer.n_out):
            edge = basis @ spline[j, i] + base[j, i] * activation[i]
            worst = max(worst, np.abs(layer.tables[j, i] - edge / unit[j]).max())
    return worst


def basis_error(program, index, plan, config):
    """Largest error of a basis table layer's entries, in steps, and its codes off support."""
    layer, float_layer = program.layers[index], plan.steps[index].layer
    values = code_values(program, index, layer.spline_stream, plan)
    exact = np.stack(
        [
            b_splines(float_layer.basis.knots[i], float_layer.basis.order, values[i])
            for i in range(layer.n_in)
        ]
    )
    unit = exact.max() / (2**config.basis_bits - 1) if exact.max() > 0 else 1.0
    tables = layer.basis[layer.basis_index]
    worst = np.abs(tables - exact / unit).max()

    support = float_layer.basis.support
    outside = (values < support[:, :1]) | (values >= support[:, 1:])
    assert not tables[outside].any()

    values = code_values(program, index, layer.base_stream, plan)
    exact = float_layer.base_activation(values.T).T
    top = np.abs(exact).max()
    unit = top / (2 ** (config.base_table_bits - 1) - 1) if top > 0 else 1.0
    worst = max(worst, np.abs(layer.base[layer.base_index, :, 0] - exact / unit).max())
    return worst, int(outside.sum())


def check_every_table(model, calibration, config):
    """Check all layers; gives how many codes lay outside of a support."""
    quantized = quantize_model(model, calibration, config)
    program = lower(quantized)
    # With what is constant over the codes in the biases.
    plan = make_plan(model, calibration, config)
    off_support = 0
    for index, layer in enumerate(program.layers):
        if isinstance(layer, EdgeTableLayer):
            assert edge_error(program, index, plan, quantized) <= HALF
            absent = ~model.layers[index].active
            assert not layer.tables[absent].any()
        else:
            error, outside = basis_error(program, index, plan, config)
            assert error <= HALF
            off_support += outside
    return off_support


@pytest.mark.some(2)
@pytest.mark.parametrize("realisation", ["edge_table", "basis_table"])
@pytest.mark.parametrize("bits", [(1, 1), (4, 6), (12, 10)])
def test_random_models(random_model, realisation, bits):
    weight_bits, activation_bits = bits
    off_support = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        model = random_model(rng)
        config = QuantConfig(
            base_bits=weight_bits,
            spline_bits=weight_bits,
            activation_bits=activation_bits,
            realisation=realisation,
            symmetric_activations=bool(seed % 2),
            activation_granularity=("tensor", "channel")[seed // 2 % 2],
            activation_calibration="percentile",
            multiplier_bits=24,
        )
        calibration = rng.normal(size=(60, model.n_in)) * 3
        off_support += check_every_table(model, calibration, config)
    if realisation == "basis_table" and activation_bits > 1:
        assert off_support > 0


@pytest.mark.some(2)
@pytest.mark.parametrize(
    ("realisation", "weight_bits", "activation_bits"),
    [("edge_table", 4, 6), ("basis_table", 8, 8)],
)
def test_trained_networks(trained, realisation, weight_bits, activation_bits):
    config = QuantConfig(
        base_bits=weight_bits,
        spline_bits=weight_bits,
        activation_bits=activation_bits,
        realisation=realisation,
    )
    check_every_table(trained.model, trained.calibration, config)


@pytest.mark.parametrize("table_bits", [2, 4, 6, 16])
@pytest.mark.parametrize("activation_bits", [3, 8])
def test_the_widest_edge_spans_the_table_bits(make_layer, table_bits, activation_bits):
    rng = np.random.default_rng(table_bits)
    model = KanModel((make_layer(rng, 4, 3), make_layer(rng, 3, 2)))
    config = QuantConfig(
        table_bits=table_bits,
        activation_bits=activation_bits,
        realisation="edge_table",
        activation_calibration="max_abs",
    )
    x = rng.normal(size=(50, 4))
    quantized, plan = quantize_model(model, x, config), make_plan(model, x, config)
    program = lower(quantized)
    spans = [int(np.ptp(layer.tables, axis=2).max()) for layer in program.layers]
    # Steps before the last layer are codes times a power of two, so up to a bit stays unused.
    assert 2 ** (table_bits - 1) - 1 <= spans[0] <= 2**table_bits - 1
    assert 2**table_bits - 2 <= spans[1] <= 2**table_bits - 1
    for index in range(2):
        assert edge_error(program, index, plan, quantized) <= HALF


@pytest.fixture
def small(make_layer):
    rng = np.random.default_rng(8)
    model = KanModel((make_layer(rng, 3, 2), make_layer(rng, 2, 2)))
    return model, rng.normal(size=(60, 3))


def flipped(layer, field, place, bit):
    """The layer with one bit of one entry turned over."""
    values = getattr(layer, field).copy()
    values[place] ^= 1 << bit
    return replace(layer, **{field: values}, accumulator_formats=None)


@pytest.mark.some(3)
@pytest.mark.parametrize("bit", [0, 1, 4, 9])
@pytest.mark.parametrize("index", [0, 1])
def test_one_wrong_bit_in_an_edge_table_is_caught(small, bit, index):
    model, calibration = small
    config = QuantConfig(realisation="edge_table")
    quantized, plan = quantize_model(model, calibration, config), make_plan(*small, config)
    program = lower(quantized)
    rng = np.random.default_rng(bit)
    for _ in range(10):
        place = tuple(rng.integers(program.layers[index].tables.shape).tolist())
        layers = list(program.layers)
        layers[index] = flipped(layers[index], "tables", place, bit)
        broken = replace(program, layers=tuple(_without_widths(layers)))
        assert edge_error(broken, index, plan, quantized) > HALF


@pytest.mark.some(2)
@pytest.mark.parametrize("field", ["basis", "base"])
@pytest.mark.parametrize("bit", [0, 3, 6])
def test_one_wrong_bit_in_a_basis_table_is_caught(small, field, bit):
    model, calibration = small
    config = QuantConfig(realisation="basis_table", branch_inputs="shared")
    program, plan = lower(quantize_model(model, calibration, config)), make_plan(*small, config)
    table = getattr(program.layers[1], field)
    used = np.argwhere(table)
    for place in used[:: len(used) // 10]:
        layers = list(program.layers)
        layers[1] = flipped(layers[1], field, tuple(place.tolist()), bit)
        broken = replace(program, layers=tuple(_without_widths(layers)))
        assert isinstance(broken.layers[1], BasisTableLayer)
        assert basis_error(broken, 1, plan, config)[0] > HALF


def _without_widths(layers):
    """Let the Program derive its widths anew."""
    for layer in layers:
        requantizers = tuple(replace(r, sum_format=None) for r in layer.requantizers)
        yield replace(layer, requantizers=requantizers, accumulator_formats=None)
