"""Evaluated splines: constants from grids, error bounds, level 1, and what is refused."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kanhw
from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.model.activation import Activation
from kanhw.model.bases.basis import NoBasis
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.convolution import ConvLayer
from kanhw.model.network import KanLayer, KanModel
from kanhw.model.symbolic import SymbolicEdge
from kanhw.program import ConvolutionLayer, SplineEvaluatorLayer
from kanhw.program.costs import costs_of
from kanhw.quant import QuantConfig, lower, quantize_model
from kanhw.quant.analysis.units import units_of
from kanhw.quant.config import EvaluatorConfig
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.splines.spline_evaluator import cardinal_peak, evaluator_of
from kanhw.quant.splines.spline_grid import aligned_quantizer
from kanhw.windows import Window

ORDERS = range(1, 6)
CONFIG = QuantConfig(realisation="spline_evaluator", activation_bits=10)


def _layer(rng, n_in, n_out, *, order=3, cells=5, ends=(-1.0, 1.0), name="layers.0"):
    """Uniform knots; those of input i are wider by ``ends[2]`` i, if that is given."""
    low, high, *more = ends
    factor = 1 + (more[0] if more else 0.0) * np.arange(n_in)[:, None]
    step = (high - low) / cells
    knots = (low + step * np.arange(-order, cells + order + 1)) * factor
    return KanLayer(
        BSplineBasis(knots, order),
        rng.normal(size=(n_out, n_in, cells + order)),
        rng.normal(size=(n_out, n_in)),
        Activation("silu"),
        rng.normal(size=n_out),
        name,
    )


def _model(rng, sizes=(3, 4, 2), **fields):
    layers = [
        _layer(rng, a, b, name=f"layers.{k}", **fields) for k, (a, b) in enumerate(pairwise(sizes))
    ]
    return KanModel(tuple(layers), "made up")


def _check_level_1(model, x, config):
    quantized = quantize_model(model, x, config)
    program = lower(quantized)
    history, codes = quantized.activations(x), program.input.encode(x)
    np.testing.assert_array_equal(history[0][0], codes)
    layers = program.activations(codes)
    assert len(layers) == len(history) - 1
    for mine, theirs in zip(history[1:], layers, strict=True):
        for quantizeds, integers in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(quantizeds, integers)
    return program


# Constants.


@pytest.mark.parametrize("order", ORDERS)
def test_peak(order):
    basis = BSplineBasis(np.arange(order + 2 + order)[None], order)
    x = np.linspace(0, order + 1, 1001)
    assert float(cardinal_peak(order)) == pytest.approx(
        basis.evaluate_input(0, x)[:, 0].max() * np.prod(np.arange(1, order + 1)), abs=1e-9
    )


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    order=st.integers(1, 5),
    cells=st.integers(1, 12),
    bits=st.integers(1, 12),
    width=st.integers(4, 12),
    pieces=st.sampled_from(["arithmetic", "shared_table", "auto"]),
    start=st.floats(-3, 3),
    reach=st.floats(0.3, 4),
    aligned=st.booleans(),
    signed=st.booleans(),
)
def test_errors_stay_within_their_bound(
    order, cells, bits, width, pieces, start, reach, aligned, signed
):
    """Grids anywhere, codes that cover part of them or much more; float32 knots."""
    layer = _layer(np.random.default_rng(0), 2, 1, order=order, cells=cells)
    knots = (layer.basis.knots + start).astype(np.float32).astype(np.float64)
    layer = replace(layer, basis=BSplineBasis(knots, order))
    format = CodeFormat(width, signed)
    quantizer = ActivationQuantizer(format, np.full(2, 2 * reach / format.count), np.array([3, 3]))
    if aligned:
        quantizer = aligned_quantizer(quantizer, layer.basis)
    config = replace(
        CONFIG,
        basis_bits=bits,
        evaluator=replace(CONFIG.evaluator, pieces=pieces),
    )
    made = evaluator_of(layer, quantizer, quantizer, config)
    x = quantizer.grid()
    for i in range(2):
        exact = layer.basis.evaluate_input(i, x[:, i])
        values = made.splines.values(i, layer.basis.count)
        assert values.min() >= 0 and values.max() < 1 << bits
        error = np.abs(values - exact / made.spline_unit).max()
        assert error <= made.errors["basis"] + 1e-9
    assert made.errors["basis"] <= made.errors["basis_bound"] + 1e-9
    # Knots of 24 bits move values of up to 12 by less than a tenth of their LSB.
    assert made.errors["basis_bound"] <= 1.01
    base = layer.base_activation(x[:, 0]) / made.base_unit
    assert np.abs(made.base.values[0] - base).max() <= made.errors["base"] + 1e-9 <= 0.76
    if aligned and quantizer.scale[0] < layer.basis.knots[0, 1] - layer.basis.knots[0, 0]:
        assert made.splines.aligned == (made.note == "")


@pytest.mark.some(7)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("pieces", ["arithmetic", "shared_table"])
@pytest.mark.parametrize("aligned", [False, True])
def test_sixteen_bits(order, pieces, aligned):
    """All 65536 codes, 12 cells and beyond: less than an LSB of 10 bits from the exact basis."""
    layer = _layer(np.random.default_rng(0), 1, 1, order=order, cells=7)
    quantizer = ActivationQuantizer(CodeFormat(16, False), np.array([1.7e-4]), np.array([30000]))
    if aligned:
        quantizer = aligned_quantizer(quantizer, layer.basis)
    config = replace(CONFIG, basis_bits=10, evaluator=replace(CONFIG.evaluator, pieces=pieces))
    made = evaluator_of(layer, quantizer, quantizer, config)
    exact = layer.basis.evaluate_input(0, quantizer.grid()[:, 0]) / made.spline_unit
    values = made.splines.values(0, layer.basis.count)
    # Two digits of the scale reach to 15/16 of the range at least.
    assert 950 < values.max() < 1024
    error = np.abs(values - exact).max()
    assert error == pytest.approx(made.errors["basis"]) and error < 1
    assert made.splines.aligned == aligned


def test_aligned_scales():
    basis = _layer(np.random.default_rng(0), 2, 1, cells=5).basis
    for format, zero in ((CodeFormat(10, False), 300), (CodeFormat(10, True), 0)):
        quantizer = ActivationQuantizer(format, np.full(2, 0.003), np.full(2, zero))
        aligned = aligned_quantizer(quantizer, basis)
        # 0.4 / 0.003 is 133 codes a cell: now 128.
        np.testing.assert_allclose(aligned.scale, 0.4 / 128)
        low = (aligned.grid()[0] - quantizer.grid()[0]) / aligned.scale
        assert np.abs(low).max() <= (0.5 if zero else 512 * 0.042)
        assert (aligned.grid()[-1] >= quantizer.grid()[-1] - aligned.scale / 2).all()
        np.testing.assert_array_equal(aligned_quantizer(aligned, basis).scale, aligned.scale)


def test_scales_of_channels_are_aligned_apart():
    basis = _layer(np.random.default_rng(0), 3, 1, ends=(-1.0, 1.0, 0.3)).basis
    steps = np.array([0.003, 0.001, 0.002])
    quantizer = ActivationQuantizer(CodeFormat(12, False), steps, np.zeros(3, int))
    cells = np.diff(basis.knots, axis=1)[:, 0] / aligned_quantizer(quantizer, basis).scale
    np.testing.assert_allclose(cells, [128, 512, 256])
    one = replace(quantizer, scale=np.full(3, 0.001))
    assert aligned_quantizer(one, basis) is one
    coarse = replace(quantizer, scale=np.full(3, 1.0) * np.array([1, 2, 3]))
    assert aligned_quantizer(coarse, basis) is coarse


# Level 1.


@pytest.mark.some(3)
@pytest.mark.parametrize(
    ("order", "bits"), [(1, 12), (2, 16), (3, 9), (3, 12), (3, 16), (4, 10), (5, 9), (5, 12)]
)
def test_level_1(order, bits):
    rng = np.random.default_rng(order)
    model = _model(rng, order=order, ends=(-1.0, 1.0, 0.2 * (order % 2)))
    x = rng.normal(size=(200, 3))
    config = replace(
        CONFIG,
        activation_bits=bits,
        branch_inputs="separate" if order == 3 else "shared",
        evaluator=replace(
            CONFIG.evaluator,
            alignment=bits != 12,
            pieces="arithmetic" if bits == 9 else "shared_table",
        ),
    )
    program = _check_level_1(model, x, config)
    for layer in program.layers:
        assert isinstance(layer, SplineEvaluatorLayer)
        assert layer.errors["basis"] <= layer.errors["basis_bound"]
        said = f"{layer.name}: {layer.note}" in program.source
        assert said == bool(layer.note) == (not layer.splines.aligned)
    assert program.layers[0].splines.aligned == (bits != 12 and order % 2 == 0)
    assert (program.layers[1].spline_stream != program.layers[1].base_stream) == (order == 3)


def test_more_bits_are_more_exact():
    rng = np.random.default_rng(3)
    model, x = _model(rng), rng.uniform(-1.2, 1.2, (300, 3))
    errors = []
    for bits in (6, 9, 12):
        config = replace(
            CONFIG,
            **dict.fromkeys(("activation_bits", "basis_bits", "base_table_bits"), bits + 2),
            **dict.fromkeys(("spline_bits", "base_bits"), bits),
            multiplier_bits=20,
        )
        quantized = quantize_model(model, x, config)
        errors.append(np.abs(quantized(x) - model(x)).max() / np.ptp(model(x)))
    assert errors[0] > 3 * errors[1] > 9 * errors[2]
    assert errors[2] < 1e-3


@pytest.mark.parametrize("method", ["gptq", "gptq_joint"])
def test_methods(method):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(100, 3))
    config = replace(CONFIG, activation_bits=16, method=method, spline_bits=3, damping=0.1)
    _check_level_1(_model(rng), x, config)


def test_convolution():
    rng = np.random.default_rng(2)
    window = Window((2, 5, 5), (3, 3), (1, 1), (1, 1))
    model = KanModel((ConvLayer(_layer(rng, 18, 3), window),), "images", (2, 5, 5))
    program = _check_level_1(model, rng.normal(size=(5, 50)), CONFIG)
    (layer,) = program.layers
    assert isinstance(layer, ConvolutionLayer)
    assert layer.taps.kind == "spline_evaluator"


def test_layers_without_a_basis_are_tables():
    rng = np.random.default_rng(2)
    linear = KanLayer(
        NoBasis(3), np.zeros((2, 3, 0)), rng.normal(size=(2, 3)), Activation("identity"),
        np.zeros(2), "linear",
    )  # fmt: skip
    model = KanModel((linear,), "line")
    program = _check_level_1(model, rng.normal(size=(50, 3)), CONFIG)
    assert program.layers[0].kind == "basis_table"
    with pytest.raises(InputError, match="linear: codes of 14 bits are too wide for tables"):
        quantize_model(model, np.ones((2, 3)), replace(CONFIG, activation_bits=14))


# Choice.


def test_auto_takes_it_where_tables_are_too_large():
    rng = np.random.default_rng(0)
    config = QuantConfig(activation_bits=6, input_bits=14)
    program = _check_level_1(_model(rng), rng.normal(size=(50, 3)), config)
    kinds = [layer.kind for layer in program.layers]
    assert kinds[0] == "spline_evaluator" and kinds[1] != kinds[0]
    assert costs_of(program).unrolled_luts > 0


@pytest.mark.parametrize("realisation", ["edge_table", "basis_table", "codebook"])
def test_tables_have_a_limit(realisation):
    config = QuantConfig(activation_bits=13, realisation=realisation)
    with pytest.raises(InputError, match=r"layers\.0: codes of 13 bits are too wide for tables"):
        quantize_model(_model(np.random.default_rng(0)), np.ones((4, 3)), config)


def _bent(layer):
    knots = layer.basis.knots.copy()
    knots[1] = np.sinh(knots[1])
    return replace(layer, basis=BSplineBasis(knots, layer.basis.order))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_bent, r"layers.0: .* the knots of input 1 are not uniform \(cells of 0.4"),
        (
            lambda layer: replace(layer, symbolic=(SymbolicEdge(0, 0, "sin", 1, 0, 1, 0),)),
            "layers.0: .* symbolic edges",
        ),
    ],
)
def test_what_cannot_be_evaluated(change, message):
    model = _model(np.random.default_rng(0))
    model = replace(model, layers=(change(model.layers[0]), model.layers[1]))
    with pytest.raises(InputError, match=message):
        quantize_model(model, np.ones((4, 3)), CONFIG)
    # One layer may have another realisation.
    config = replace(CONFIG, layers={"layers.0": {"realisation": "edge_table"}})
    x = np.random.default_rng(0).normal(size=(30, 3))
    assert _check_level_1(model, x, config).layers[1].kind == "spline_evaluator"


def test_high_orders_are_refused():
    model = _model(np.random.default_rng(0), order=6)
    with pytest.raises(InputError, match="order 6, and the highest is 5"):
        quantize_model(model, np.ones((4, 3)), CONFIG)


def test_what_does_not_know_it_says_so():
    rng = np.random.default_rng(0)
    model, x = _model(rng), rng.normal(size=(20, 3))
    with pytest.raises(InputError, match="does not know evaluated splines"):
        quantize_model(model, x, replace(CONFIG, method="awq"))
    from kanhw.quant.planning.plan import make_plan
    from kanhw.quant.training import prepare

    with pytest.raises(InputError, match="no training for evaluated splines"):
        prepare(model, x, replace(CONFIG, activation_bits=8))
    with pytest.raises(InputError, match="bits of evaluated splines are not measured"):
        units_of(make_plan(model, x, CONFIG))


def test_a_wrong_choice_is_named():
    with pytest.raises(InputError, match=r"evaluator\.pieces must be one of auto, arithmetic"):
        QuantConfig(evaluator=EvaluatorConfig(pieces="tables"))
    with pytest.raises(InputError, match="activation_bits must be 1 to 16, not 17"):
        QuantConfig(activation_bits=17)


def test_the_report_says_how_exact_it_is(tmp_path):
    rng = np.random.default_rng(0)
    model, x = _model(rng), rng.normal(size=(50, 3))
    config = replace(
        CONFIG,
        spline_bits=3,
        base_bits=3,
        evaluator=replace(CONFIG.evaluator, alignment=False),
    )
    program = kanhw.quantize(model, x, config)
    from kanhw.reports.layer_facts import LayerFacts, program_facts
    from kanhw.reports.layer_text import layer_details

    first = program_facts(program)[0]
    words = layer_details(LayerFacts.from_json(first.to_json()))
    assert words.startswith("order 3 by ")
    assert f"(at most {first.details['errors']['basis_bound']:.2g} LSB)" in words
    assert "no power of two of codes" in words
    from kanhw.reports import network_curves

    curves = network_curves(program, model, limit=3)
    worst = max(plot.error_steps for plot in curves[1].plots)
    assert 0 < worst < 64
