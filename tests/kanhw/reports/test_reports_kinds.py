"""Reports of every kind of layer: facts, words, scores."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from reported_kinds import LIBRARIES, NETWORKS, S4, S6, dequantized, design_of, quantized, traces_of

import kanhw
from kanhw import InputError
from kanhw.formats import format_for
from kanhw.model.network import KanModel
from kanhw.program import (
    EdgeTableLayer,
    InputEncoder,
    NormLayer,
    Program,
    Requantizer,
)
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
from kanhw.windows import Window


@pytest.fixture(params=NETWORKS)
def network(request):
    return quantized(request.param)


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

    @pytest.mark.some(2)
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


@pytest.mark.some(2)
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
