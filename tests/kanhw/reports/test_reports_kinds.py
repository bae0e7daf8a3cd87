"""Reports of networks with norms, products, convolution, pooling and activations in between."""

import functools
import json
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import kanhw
from kanhw import InputError
from kanhw.design.design import Design, Port
from kanhw.formats import CodeFormat, format_for
from kanhw.model.activation import Activation
from kanhw.model.bases.basis import NoBasis
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.bases.polynomial import GramBasis
from kanhw.model.bases.radial import RadialBasis
from kanhw.model.convolution import ConvLayer, PoolLayer
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel
from kanhw.model.norm import LayerNorm
from kanhw.model.products import Products
from kanhw.model.symbolic import SymbolicEdge
from kanhw.program import (
    BranchEdgeTableLayer,
    ConvolutionLayer,
    EdgeTableLayer,
    InputEncoder,
    NormLayer,
    Program,
    Requantizer,
    save_program,
)
from kanhw.quant import QuantConfig, lower, quantize_model
from kanhw.quant.planning.freeze import freeze_norms
from kanhw.reports import (
    Summary,
    network_curves,
    readme_picture,
    summarise,
    summary_text,
    write_html,
)
from kanhw.reports.layer_facts import program_facts
from kanhw.schedule.schedule import Schedule
from kanhw.windows import Window

SILU = Activation("silu")
S4, S6, U3 = CodeFormat(4, signed=True), CodeFormat(6, signed=True), CodeFormat(3, signed=False)


def kan_layer(rng, basis, n_out, name, **extra):
    return KanLayer(
        basis,
        rng.normal(size=(n_out, basis.n_in, basis.count)),
        rng.normal(size=(n_out, basis.n_in)),
        extra.pop("activation", SILU),
        rng.normal(size=n_out),
        name,
        **extra,
    )


def norm(rng, n):
    return LayerNorm(rng.normal(size=n) + 1, rng.normal(size=n))


def b_splines(n_in, order=3):
    return BSplineBasis(np.tile(np.linspace(-3, 3, 6 + 2 * order), (n_in, 1)), order)


def fast_kan():
    rng = np.random.default_rng(1)
    layers = [
        kan_layer(
            rng, RadialBasis(np.linspace(-2, 2, 5), 1.0, a), b, f"layers.{k}",
            spline_norm=norm(rng, a),
        )
        for k, (a, b) in enumerate(pairwise((4, 6, 3)))
    ]  # fmt: skip
    return KanModel(tuple(layers)), rng.normal(size=(60, 4))


def kagn():
    rng = np.random.default_rng(2)
    beta = rng.normal(size=4) * 0.05
    layers = [
        kan_layer(
            rng, GramBasis(beta, a, SILU, constant=False), b, f"layers.{k}",
            post=(norm(rng, b), SILU),
        )
        for k, (a, b) in enumerate(pairwise((4, 5, 3)))
    ]  # fmt: skip
    return KanModel(tuple(layers)), rng.normal(size=(60, 4))


def images():
    rng = np.random.default_rng(3)
    beta = rng.normal(size=4) * 0.05

    def conv(window, channels, name):
        basis = GramBasis(beta, window.taps, SILU, constant=True)
        return ConvLayer(kan_layer(rng, basis, channels, name, post=(SILU,)), window)

    layers = (
        conv(Window((2, 5, 4), (3, 3), padding=(1, 1)), 3, "0"),
        conv(Window((3, 5, 4), (2, 3), stride=(2, 1), padding=(0, 1)), 2, "1"),
        PoolLayer("average", Window((2, 2, 4), (2, 2), stride=(1, 2)), "2"),
        kan_layer(rng, NoBasis(4), 3, "4", activation=Activation("identity")),
    )
    return KanModel(layers, shape=(2, 5, 4)), rng.normal(size=(40, 2, 5, 4))


def py_kan():
    rng = np.random.default_rng(4)
    symbolic = (
        SymbolicEdge(1, 0, "sin", 2.0, 0.5, 1.5, 0.1),
        SymbolicEdge(1, 0, "x^2", 1, 0, 1, 0),
    )
    layers = (
        kan_layer(
            rng, b_splines(2), 4, "act_fun.0", symbolic=symbolic,
            post=(Products(2, (2,), np.array([1.0, -0.5, 2.0]), np.array([0.0, 0.1, 0.2])),),
        ),
        kan_layer(rng, b_splines(3), 2, "act_fun.1"),
    )  # fmt: skip
    return KanModel(layers), rng.uniform(-2, 2, size=(60, 2))


NETWORKS = {"fast_kan": fast_kan, "kagn": kagn, "images": images, "py_kan": py_kan}
NO_EDGES = ("layer_norm", "product", "pooling")
LIBRARIES = (
    "efficient_kan_digits",
    "fast_kan_digits",
    "kagn_digits",
    "kagn_conv_digits",
    "pykan_wine",
    "pykan_formula",
)


@functools.cache
def quantized(network, **options):
    model, x = NETWORKS[network]()
    return model, x, kanhw.quantize(model, x, **options)


def dequantized(model, x, **options):
    """The model with the weights that its quantization rounded it to, and the Program."""
    quant = quantize_model(model, x, QuantConfig(**options))
    weights = {
        layer.name: (layer.spline.dequantize(), layer.base.dequantize())
        for layer in quant.layers
        if hasattr(layer, "spline")
    }

    def rounded(layer):
        if isinstance(layer, PoolLayer):
            return layer
        if isinstance(layer, ConvLayer):
            return replace(layer, taps=rounded(layer.taps))
        spline, base = weights[layer.name]
        return replace(layer, coefficients=spline, base_weights=base)

    layers = tuple(rounded(layer) for layer in model.layers)
    return KanModel(layers, model.source, model.shape), lower(quant)


def traces_of(curves):
    return [(plot, trace) for plot in curves.plots for trace in plot.traces]


def design_of(program, folder):
    save_program(program, folder / "program.safetensors")
    return Design(
        path=folder,
        top="kan",
        verilog="kan.v",
        program_file="program.safetensors",
        schedule=Schedule(),
        latency_cycles=40,
        initiation_interval=25,
        input=Port.input_of(program),
        output=Port.output_of(program),
    )


@pytest.fixture(params=NETWORKS)
def network(request):
    return quantized(request.param)


class TestCurves:
    @pytest.mark.parametrize("name", NETWORKS)
    def test_tables_of_dequantized_weights_are_half_a_step_off(self, name):
        model, program = dequantized(*NETWORKS[name](), realisation="edge_table")
        curves = network_curves(program, model)
        assert all(layer.step_name == "table step" for layer in curves)
        for layer in curves:
            assert len(layer.plots) == layer.active > 0
            worst = max(trace.error / trace.step for _, trace in traces_of(layer))
            assert 0.4 < worst <= 0.5 + 1e-6

    @pytest.mark.parametrize("name", NETWORKS)
    @pytest.mark.parametrize("realisation", ["edge_table", "basis_table"])
    def test_quantized_weights_are_near(self, name, realisation):
        model, _, program = quantized(name, realisation=realisation)
        for layer in network_curves(program, model):
            widest = max(np.ptp(trace.y) for _, trace in traces_of(layer))
            for plot, trace in traces_of(layer):
                assert 0 < trace.error < 0.02 * widest
                assert plot.error_steps >= trace.error / trace.step

    def test_only_layers_with_edges(self, network):
        model, _, program = network
        names = [layer.name for layer in program.layers if layer.kind not in NO_EDGES]
        assert [layer.name for layer in network_curves(program, model)] == names
        assert [layer.name for layer in network_curves(program)] == names

    def test_without_a_model_the_integers_are_the_same(self, network):
        model, _, program = network
        for plain, drawn in zip(
            network_curves(program), network_curves(program, model), strict=True
        ):
            for (_, a), (_, b) in zip(traces_of(plain), traces_of(drawn), strict=True):
                assert a.error is None and a.fine_y is None
                np.testing.assert_array_equal(a.integers, b.integers)
                np.testing.assert_array_equal(a.x, b.x)
                np.testing.assert_array_equal(a.y, b.y)

    def test_branches_behind_a_norm(self):
        model, _, program = quantized("fast_kan")
        normalised, layer = program.layers[:2]
        exact, hand_on = model.layers[0], layer.requantizers[0]
        curves = network_curves(program, model)[0]
        codes = np.tile(np.arange(256)[:, None], (1, 4))
        z = normalised.requantizers[0].decode(codes)
        x = program.input.decode(codes)
        spline, base = exact.spline_edges(z), exact.base_edges(x)
        unit = hand_on.scale / 2.0**hand_on.shift
        assert "spline branch reads the normalised value" in curves.note
        for plot in curves.plots:
            (first, second), (j, i) = plot.traces, (plot.output, plot.input)
            assert (first.branch, second.branch) == ("spline", "base")
            np.testing.assert_array_equal(first.x, z[:, i])
            np.testing.assert_array_equal(second.x, x[:, i])
            np.testing.assert_array_equal(first.integers, layer.spline_tables[j, i])
            np.testing.assert_array_equal(second.integers, layer.base_tables[j, i])
            np.testing.assert_allclose(second.y, layer.base_tables[j, i] * unit[j], rtol=1e-12)
            assert first.error == pytest.approx(np.abs(spline[j, i] - first.y).max())
            assert second.error == pytest.approx(np.abs(base[j, i] - second.y).max())

    def test_passed_streams_keep_their_scale(self):
        """The second layer's base branch reads what the norm in front of it passed on."""
        model, _, program = quantized("fast_kan")
        _, first, second_norm, second = program.layers
        assert second_norm.passes == (1,) and second.base_stream == 1
        codes = np.tile(np.arange(256)[:, None], (1, 6))
        x = first.requantizers[1].decode(codes)
        for plot in network_curves(program, model)[1].plots:
            np.testing.assert_array_equal(plot.traces[1].x, x[:, plot.input])

    def test_activation_in_front_of_a_layer(self):
        model, _, program = quantized("kagn")
        codes = np.tile(np.arange(256)[:, None], (1, 5))
        value = program.layers[1].requantizers[0].decode(codes)
        edges = model.layers[1].edges(SILU(value))
        curves = network_curves(program, model)[1]
        assert curves.note == (
            "The tables contain the silu in front of the layer: x is the value before it."
        )
        for plot, trace in traces_of(curves):
            j, i = plot.output, plot.input
            np.testing.assert_array_equal(trace.x, value[:, i])
            assert trace.error == pytest.approx(np.abs(edges[j, i] - trace.y).max())
            fine = np.tile(trace.fine_x[:, None], (1, 5))
            np.testing.assert_allclose(trace.fine_y, model.layers[1].edges(SILU(fine))[j, i])

    def test_activation_at_the_end(self):
        model, _, program = quantized("kagn")
        curves = network_curves(program, model)[-1]
        assert curves.name == "activation" and curves.active == 3
        assert sorted((p.output, p.input) for p in curves.plots) == [(0, 0), (1, 1), (2, 2)]
        for plot, trace in traces_of(curves):
            assert plot.error_steps <= 0.5 + 1e-9
            np.testing.assert_allclose(trace.fine_y, SILU(trace.fine_x))
        (bare,) = {p.traces[0].fine_y for p in network_curves(program)[-1].plots}
        assert bare is None

    def test_symbolic_edges(self):
        model, _, program = quantized("py_kan")
        codes = np.tile(np.arange(256)[:, None], (1, 2))
        x = program.input.decode(codes)
        edges = model.layers[0].edges(x)
        sine = 1.5 * np.sin(2 * x[:, 0] + 0.5) + 0.1 + x[:, 0] ** 2
        (plot,) = (
            p for p in network_curves(program, model)[0].plots if (p.output, p.input) == (1, 0)
        )
        without = replace(model.layers[0], symbolic=()).edges(x)[1, 0]
        np.testing.assert_allclose(edges[1, 0] - without, sine)
        assert plot.error == pytest.approx(np.abs(edges[1, 0] - plot.traces[0].y).max())

    def test_pole_between_two_codes(self):
        layer = KanLayer(
            NoBasis(1), np.zeros((1, 1, 0)), np.zeros((1, 1)), SILU, np.zeros(1), "layer",
            symbolic=(SymbolicEdge(0, 0, "1/x", 1.0, 0.0, 1.0, 0.0),),
        )  # fmt: skip
        # Code 0, the middle of the range, is the pole.
        join = Requantizer(np.ones((1, 1), int), np.zeros(1, int), scale=np.array([0.1]))
        tables = np.floor(10 / np.arange(-8, 8).clip(0.9) + 0.5).astype(int)[None, None]
        program = Program((EdgeTableLayer(tables, (join,)),), InputEncoder(S4, 1, scale=1.0))
        (curves,) = network_curves(program, KanModel((layer,)))
        ((_, trace),) = traces_of(curves)
        assert np.isfinite(trace.error) and np.isfinite(trace.fine_y).all()
        assert len(trace.fine_x) == len(trace.fine_y) >= 128

    def test_convolution(self):
        model, _, program = quantized("images")
        layer, exact = program.layers[1], model.layers[1]
        curves = network_curves(program, model)[1]
        assert (curves.kind, curves.n_in, curves.n_out) == ("convolution", 18, 2)
        assert curves.window == exact.window
        made = program.layers[0].taps.requantizers[0]
        hand_on = layer.taps.requantizers[0]
        unit = hand_on.scale / 2.0**hand_on.shift
        codes = np.arange(256)
        for plot, trace in traces_of(curves):
            channel, row, column = plot.tap
            assert plot.input == (channel * 2 + row) * 3 + column
            value = made.scale[channel] * (codes - made.zero_point[channel])
            np.testing.assert_allclose(trace.x, value, rtol=1e-12)
            np.testing.assert_array_equal(
                trace.integers, layer.taps.tables[plot.output, plot.input]
            )
            np.testing.assert_allclose(trace.y, trace.integers * unit[plot.output])
            edges = exact.taps.edges(np.tile(SILU(value)[:, None], (1, 18)))
            expected = np.abs(edges[plot.output, plot.input] - trace.y).max()
            assert trace.error == pytest.approx(expected)

    @pytest.mark.parametrize("realisation", ["edge_table", "basis_table"])
    def test_convolution_traces_add_up(self, realisation):
        """The traces of the taps inside the image make the sums of every position."""
        model, x, program = quantized("images", realisation=realisation)
        layer = program.layers[0]
        curves = network_curves(program, model)[0]
        codes = program.input.encode(x.reshape(40, 40))[:5]
        address = codes - program.input.format.lo
        total = np.zeros((5, 3, layer.window.positions), np.int64)
        for plot in curves.plots:
            pixel = layer.window.index[:, plot.input]
            values = sum(t.integers for t in plot.traces)[address[:, np.maximum(pixel, 0)]]
            total[:, plot.output] += np.where(pixel >= 0, values, 0)
        requantizer = layer.requantizers[0]
        sums = requantizer.sums(layer.accumulate((address,) * len(layer.streams)))
        expected = total.reshape(5, -1) + requantizer.bias
        np.testing.assert_array_equal(sums, expected)

    def test_pixels_with_scales_of_their_own(self):
        """A tap reads several pixels: with different scales its codes stand for nothing."""
        window = Window((1, 2, 2), (1, 1))
        tables = np.arange(16)[None, None]
        join = Requantizer(np.ones((1, 1), int), np.zeros(1, int), scale=np.array([0.1]))
        taps = EdgeTableLayer(tables, (join,), name="0")
        for scale, shown in ((0.5, 0.5 * np.arange(16)), (np.arange(1, 5), np.arange(16))):
            encoder = InputEncoder(CodeFormat(4, False), 4, scale=scale)
            program = Program((ConvolutionLayer(taps, window),), encoder)
            (curves,) = network_curves(program)
            np.testing.assert_array_equal(curves.plots[0].traces[0].x, shown)

    def test_steps_of_branches_with_factors_of_their_own(self):
        rng = np.random.default_rng(0)
        join = Requantizer(
            np.array([[3, 3], [-5, 5]]), np.zeros(2, int), shift=4, format=S6,
            scale=np.array([0.5, 0.25]),
        )  # fmt: skip
        layer = BranchEdgeTableLayer(
            rng.integers(-9, 9, (2, 2, 16)), rng.integers(-9, 9, (2, 2, 8)), (join,), base_stream=1
        )
        streams = tuple(
            Requantizer(np.ones((1, 2), int), np.zeros(2, int), 0, f, np.full(2, 0.5))
            for f in (S4, U3)
        )
        first = EdgeTableLayer(rng.integers(-9, 9, (2, 2, 16)), streams)
        program = Program((first, layer), InputEncoder(S4, 2, scale=0.1))
        for plot in network_curves(program)[1].plots:
            spline, base = plot.traces
            unit = (0.5, 0.25)[plot.output] / 16
            assert (spline.step, base.step) == (3 * unit, 5 * unit)
            assert plot.step == 5 * unit
            sign = (-5, 5)[plot.output]
            np.testing.assert_array_equal(
                base.integers, sign * layer.base_tables[plot.output, plot.input]
            )

    def test_basis_tables_that_hand_out_their_sums(self):
        """There is no output code whose step could measure errors: a weight's step does."""
        model, _, program = quantized("py_kan", realisation="basis_table")
        layer, curves = program.layers[-1], network_curves(program, model)[-1]
        assert curves.step_name == "weight step"
        hand_on = layer.requantizers[0]
        peaks = np.array([np.abs(layer.basis).max(), np.abs(layer.base).max()])
        steps = (hand_on.multipliers * peaks[:, None]).max(axis=0) * hand_on.scale
        for plot in curves.plots:
            assert plot.step == pytest.approx(steps[plot.output])
            assert plot.error_steps < 2

    def test_planted_fault_shows(self):
        model, _, program = quantized("images")
        layer = program.layers[1]
        tables = np.array(layer.taps.tables)
        tables[1, 7, 30] += 40
        faulty = replace(layer, taps=replace(layer.taps, tables=tables))
        layers = (program.layers[0], faulty, *program.layers[2:])
        curves = network_curves(Program(layers, program.input), model)[1]
        worst = max(curves.plots, key=lambda plot: plot.error)
        assert (worst.output, worst.input, worst.tap) == (1, 7, (1, 0, 1))


class TestFrozenNorms:
    def test_kan_layers_behind_norms_have_no_float_curve(self):
        model, _, program = quantized("fast_kan", norms="frozen")
        for layer in network_curves(program, model):
            assert {trace.branch for _, trace in traces_of(layer)} == {"edge"}
            assert all(trace.error is None for _, trace in traces_of(layer))
            assert "frozen to calibration data are not drawn" in layer.note

    def test_norms_behind_sums(self):
        model, _, program = quantized("kagn", norms="frozen")
        *layers, activation = network_curves(program, model)
        assert all(t.error is None for layer in layers for _, t in traces_of(layer))
        assert all(t.error is not None for _, t in traces_of(activation))

    @pytest.mark.parametrize("name", ["fast_kan", "kagn"])
    def test_the_frozen_model_can_be_drawn(self, name):
        model, x, program = quantized(name, norms="frozen")
        frozen = freeze_norms(model, x).model
        for layer in network_curves(program, frozen):
            widest = max(np.ptp(trace.y) for _, trace in traces_of(layer))
            assert all(trace.error < 0.02 * widest for _, trace in traces_of(layer))


class TestWrongModels:
    def test_model_without_the_norms(self):
        model, x, program = quantized("kagn")
        with pytest.raises(InputError, match=r"^The model has layers \[\(4, 5\), \(5, 3\), \(3, 3"):
            network_curves(program, freeze_norms(model, x).model)

    def test_other_windows(self):
        model, _, program = quantized("images")
        first = model.layers[0]
        window = Window((2, 5, 4), (3, 3), padding=(2, 1), dilation=(2, 1))
        other = replace(model, layers=(replace(first, window=window), *model.layers[1:]))
        with pytest.raises(
            InputError, match=r"^Layer '0': the model has Window\(.*dilation=\(2, 1"
        ):
            network_curves(program, other)


class TestFacts:
    def test_norm(self):
        _, _, program = quantized("fast_kan")
        norm, layer, second, _ = program.layers
        facts = program_facts(program)
        assert (facts[0].kind, facts[0].n_in, facts[0].n_out) == ("layer_norm", 4, 4)
        assert facts[0].edges == facts[0].active_edges == 0
        assert facts[0].inputs == {"norm": program.input.format}
        assert facts[0].accumulators == {"norm": norm.accumulator_formats[0]}
        assert facts[0].details == {"fraction_bits": norm.fraction_bits, "epsilon": norm.epsilon}
        own = norm.requantizers[0].output_format
        assert facts[0].outputs == (own, program.input.format)
        assert facts[0].passed == (program.input.format,)
        # The passed stream reaches the layer behind.
        assert facts[1].inputs == {"spline": own, "base": program.input.format}
        passed = layer.requantizers[1].output_format
        assert facts[2].passed == (passed,) and second.passes == (1,)
        assert facts[3].inputs["base"] == passed
        assert facts[1].outputs == tuple(r.output_format for r in layer.requantizers)

    def test_parameter_bits_of_a_norm(self):
        join = Requantizer(
            np.ones((1, 3), int), np.array([-5, 0, 100]), shift=2, format=S6, scale=np.ones(3)
        )
        norm = NormLayer(np.array([3, -4, 1]), 1, 8, 4, (join,))
        (facts,) = program_facts(Program((norm,), InputEncoder(S4, 3, scale=1.0)))
        assert facts.parameter_bits == 3 * 3 + 3 * 8

    def test_parameter_bits_of_joins(self):
        """Zeros, ones and what is the same for every output cost less than one per output."""
        tables = np.full((2, 1, 16), 5)
        tables[:, :, 0] = 0

        def bits(multipliers, bias):
            join = Requantizer(np.array([multipliers]), np.array(bias), 0, S6, np.ones(2))
            program = Program((EdgeTableLayer(tables, (join,)),), InputEncoder(S4, 1, scale=1.0))
            return program_facts(program)[0].parameter_bits - 2 * 16 * 3

        assert bits([1, 1], [0, 0]) == 0
        assert bits([7, 7], [0, 0]) == 3
        assert bits([7, 6], [0, 3]) == 2 * 3 + 2 * 2

    def test_products(self):
        _, _, program = quantized("py_kan")
        layer, facts = program.layers[1], program_facts(program)[1]
        assert (facts.name, facts.kind) == ("act_fun.0.products", "product")
        assert (facts.n_in, facts.n_out, facts.edges) == (4, 3, 0)
        assert facts.details == {"factors": [1, 1, 2]}
        assert facts.accumulators == {"product": layer.accumulator_formats[0]}
        assert facts.inputs["product"].width == layer.width

    def test_images(self):
        _, _, program = quantized("images")
        layer, facts = program.layers[0], program_facts(program)
        assert (facts[0].in_shape, facts[0].out_shape) == ((2, 5, 4), (3, 5, 4))
        assert (facts[0].active_edges, facts[0].edges) == (54, 54)
        assert facts[0].window == layer.window
        assert facts[0].details == {"taps": "edge_table"}
        tables, bias = layer.taps.tables, layer.taps.requantizers[0].bias
        widths = [format_for(v.min(), v.max()).width for v in (tables, bias)]
        assert facts[0].parameter_bits == 54 * 256 * widths[0] + 3 * widths[1]
        assert (facts[1].in_shape, facts[1].out_shape) == ((3, 5, 4), (2, 2, 4))
        assert (facts[2].in_shape, facts[2].out_shape) == ((2, 2, 4), (2, 1, 2))
        assert facts[2].details == {"mode": "sum"}
        assert facts[2].inputs == {"pool": facts[1].outputs[0]}
        assert (facts[3].n_in, facts[3].edges) == (4, 12)

    def test_round_trip(self, network, tmp_path):
        summary = summarise(design_of(network[2], tmp_path))
        document = json.loads(json.dumps(summary.to_json()))
        assert Summary.from_json(document) == summary

    def test_summary_of_an_earlier_format_of_layers(self, tmp_path):
        document = summarise(design_of(quantized("py_kan")[2], tmp_path)).to_json()
        for layer in document["layers"]:
            del layer["window"], layer["details"]
        assert Summary.from_json(document).layers[0].window is None


class TestWords:
    def test_norms_and_activations_are_no_stations(self, tmp_path):
        summary = summarise(design_of(quantized("kagn")[2], tmp_path))
        assert summary.shape == (4, 5, 3)
        text = summary_text(summary)
        assert "4 → 5 → 3, 38 active edges" in text
        assert "layers.0.norm: layer norm (" in text
        assert "1 inference per 25 clocks" in text and "tables unrolled" in text

    def test_passed_streams(self, tmp_path):
        text = summary_text(summarise(design_of(quantized("fast_kan")[2], tmp_path)))
        assert "out u8, u8 passed on" in " ".join(text.split())

    def test_images(self, tmp_path):
        summary = summarise(design_of(quantized("images")[2], tmp_path))
        text = " ".join(summary_text(summary).split())
        assert "2×5×4 → 3×5×4 → 2×2×4 → 2×1×2 → 3" in text
        assert "0: convolution (edge tables on 20 windows of 3×3, padding 1)" in text
        assert "1: convolution (edge tables on 8 windows of 2×3, stride 2×1, padding 0×1)" in text
        assert "2: pooling (sum of 2 windows of 2×2, stride 1×2), 2×2×4 → 2×1×2, codes" in text
        assert "54 edges per window" in text

    def test_products(self, tmp_path):
        summary = summarise(design_of(quantized("py_kan")[2], tmp_path))
        assert "product (products of 2; 2 handed on), 4 → 3, codes" in summary_text(summary)

    def test_lines_are_short(self, network, tmp_path):
        text = summary_text(summarise(design_of(network[2], tmp_path)))
        assert max(map(len, text.splitlines())) <= 100

    def test_html(self, network, tmp_path):
        model, _, program = network
        curves = network_curves(program, model)
        summary = summarise(design_of(program, tmp_path))
        page = write_html(summary, curves, tmp_path / "r.html").read_text(encoding="utf-8")
        assert page.count("<figure>") == sum(layer.active for layer in curves)
        assert not re.search(r"\b(nan|inf)\b", page)
        assert all(layer.name in page for layer in summary.layers)
        assert "&lt;svg" not in page

    def test_html_of_images(self, tmp_path):
        model, _, program = quantized("images")
        summary = summarise(design_of(program, tmp_path))
        page = write_html(summary, network_curves(program, model), tmp_path / "r.html").read_text()
        assert "0: 18 taps → 3 channels, the same at 20 positions" in page
        assert "in 1 [2, 0] → out 2" in page
        assert "Channel 1, row 2, column 0 of the window to channel 2: largest" in page
        assert "takes 20 pixels of 2 codes" in page
        assert "The edges of a convolution are those of one window." in page

    def test_names_are_escaped(self, tmp_path):
        model, x = NETWORKS["py_kan"]()
        layers = (replace(model.layers[0], name="<script>"), model.layers[1])
        model = KanModel(layers)
        program = kanhw.quantize(model, x)
        summary = summarise(design_of(program, tmp_path))
        page = write_html(summary, network_curves(program, model), tmp_path / "r.html").read_text()
        assert "<script>" not in page and "&lt;script&gt;" in page

    def test_picture(self, network, tmp_path):
        model, _, program = network
        summary = summarise(design_of(program, tmp_path))
        picture = readme_picture(summary, network_curves(program, model))
        assert "active edges" in picture and "nan" not in picture


class TestScores:
    def scored(self, data, folder, model=None):
        program = quantized("images")[2]
        summary = summarise(design_of(program, folder), model=model, data=data)
        return {(s.stage, s.metric): s.value for s in summary.scores}

    def test_images_in_any_shape(self, tmp_path):
        model, x, _ = quantized("images")
        labels = model(x).argmax(axis=1)
        scores = self.scored((x, labels), tmp_path, model)
        assert scores["float", "accuracy"] == 1.0
        assert scores == self.scored((x.reshape(40, 40), labels), tmp_path, model)
        assert (
            scores["quantized", "accuracy"]
            == self.scored((x, labels), tmp_path)["quantized", "accuracy"]
        )

    @pytest.mark.parametrize("with_model", [False, True])
    def test_channels_last_is_refused(self, tmp_path, with_model):
        model, x, _ = quantized("images")
        with pytest.raises(InputError, match=r"^Features must have shape \[N, 2, 5, 4\], not \[40"):
            self.scored((x.transpose(0, 2, 3, 1), None), tmp_path, model if with_model else None)

    def test_images_of_a_network_of_vectors(self, tmp_path):
        model, x, program = quantized("kagn")
        design = design_of(program, tmp_path)
        flat = summarise(design, model=model, data=(x, None)).scores
        assert summarise(design, model=model, data=(x.reshape(60, 1, 2, 2), None)).scores == flat
        with pytest.raises(InputError, match=r"^Features must have shape \[N, 4\], not \[48, 1, 1"):
            summarise(design, model=model, data=(x.reshape(48, 1, 1, 5), None))


@pytest.mark.parametrize("library", LIBRARIES)
def test_real_networks(shared_folder, library, tmp_path):
    folder = shared_folder / "fixtures" / "kan_libraries" / library
    model, vectors = kanhw.load(folder), np.load(folder / "vectors.npz")
    x = vectors["x"][:64]
    rounded, program = dequantized(model, x, realisation="edge_table")
    for layer in network_curves(program, rounded, limit=40):
        worst = max(trace.error / trace.step for _, trace in traces_of(layer))
        assert 0.4 < worst <= 0.5 + 1e-6
    curves = network_curves(program, model, limit=40)
    for layer in curves:
        widest = max(np.ptp(trace.y) for _, trace in traces_of(layer))
        assert all(0 <= trace.error < 0.02 * widest for _, trace in traces_of(layer))
    data = (x, vectors["labels"][:64])
    summary = summarise(design_of(program, tmp_path), model=model, data=data)
    assert {score.stage for score in summary.scores} == {"float", "quantized"}
    page = write_html(summary, curves, tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.count("<figure>") == sum(len(layer.plots) for layer in curves)
