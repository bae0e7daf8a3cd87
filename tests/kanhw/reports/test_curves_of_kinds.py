"""Curves of every kind of layer."""

from dataclasses import replace

import numpy as np
import pytest
from reported_kinds import NETWORKS, NO_EDGES, S4, S6, SILU, U3, dequantized, quantized, traces_of

from kanhw.formats import CodeFormat
from kanhw.model.bases.basis import NoBasis
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel
from kanhw.model.symbolic import SymbolicEdge
from kanhw.program import (
    BranchEdgeTableLayer,
    ConvolutionLayer,
    EdgeTableLayer,
    InputEncoder,
    Program,
    Requantizer,
)
from kanhw.reports import (
    network_curves,
)
from kanhw.windows import Window


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

    @pytest.mark.some(3)
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
        codes = np.tile(program.input.format.codes()[:, None], (1, 2))
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
