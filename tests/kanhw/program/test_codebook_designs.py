"""Codebooks in convolutions and in reports."""

import json
from dataclasses import replace

import numpy as np
import pytest
from codebook_layers import SIGNED4, codebook, ones, random_addresses, two_streams

from kanhw.design.design import Design, Port
from kanhw.formats import CodeFormat
from kanhw.program import (
    CodebookLayer,
    ConvolutionLayer,
    EdgeTableLayer,
    InputEncoder,
    Interval,
    Program,
    Requantizer,
    golden,
    load_program,
    save_program,
)
from kanhw.reports import Summary, network_curves, summarise, summary_text, write_html
from kanhw.reports.layer_facts import program_facts
from kanhw.schedule.schedule import Schedule
from kanhw.windows import Window


class TestConvolution:
    WINDOW = Window((2, 4, 3), (2, 3), (1, 1), (1, 1))

    def taps(self, *, biased=True):
        taps = codebook(12, 2, seed=4, biased=biased)
        shared = Requantizer(ones(2), np.array([3, -3]), 2, SIGNED4)
        return replace(taps, requantizers=(shared,))

    @pytest.mark.parametrize("biased", [True, False])
    def test_padded_taps_add_nothing(self, biased):
        taps = self.taps(biased=biased)
        layer = ConvolutionLayer(taps, self.WINDOW)
        addresses = np.random.default_rng(0).integers(0, 4, (30, layer.n_in))
        one = Requantizer(ones(2, 1), np.zeros(2, int))
        for values, tables in zip(
            layer.accumulate((addresses, addresses)), taps.edge_tables(), strict=True
        ):
            alone = ConvolutionLayer(EdgeTableLayer(tables, (one,)), self.WINDOW)
            np.testing.assert_array_equal(values, alone.accumulate((addresses,))[0])
        image = Interval(np.full(layer.n_in, 0), np.full(layer.n_in, 3))
        for interval, tables in zip(
            layer.accumulator_intervals((image, image)), taps.edge_tables(), strict=True
        ):
            alone = ConvolutionLayer(EdgeTableLayer(tables, (one,)), self.WINDOW)
            expected = alone.accumulator_intervals((image,))[0]
            np.testing.assert_array_equal(interval.lo, expected.lo)
            np.testing.assert_array_equal(interval.hi, expected.hi)

    def test_file_and_golden_model(self, tmp_path):
        layer = ConvolutionLayer(self.taps(), self.WINDOW)
        program = Program((layer,), InputEncoder(CodeFormat(2, signed=True), layer.n_in))
        back = load_program(save_program(program, tmp_path / "p.safetensors"))
        assert isinstance(back.layers[0].taps, CodebookLayer)
        codes = np.random.default_rng(1).integers(-2, 2, (20, layer.n_in))
        outputs = program(codes)
        assert len(np.unique(outputs)) > 4
        np.testing.assert_array_equal(back(codes), outputs)
        np.testing.assert_array_equal(golden.run(back, codes), outputs)


def design_of(program, folder):
    save_program(program, folder / "program.safetensors")
    return Design(
        path=folder,
        top="kan",
        verilog="kan.v",
        program_file="program.safetensors",
        schedule=Schedule(),
        latency_cycles=4,
        initiation_interval=1,
        input=Port.input_of(program),
        output=Port.output_of(program),
    )


def width_of(values):
    """Bits of the narrowest two's complement, or unsigned, integer that holds all values."""
    lo, hi = int(values.min()), int(values.max())
    if lo < 0:
        return max(hi.bit_length(), (-lo - 1).bit_length()) + 1
    return max(hi.bit_length(), 1)


class TestReports:
    def program(self, *, shared=True, format=SIGNED4, **changes):
        shift = 3 if format else 0
        hand_on = Requantizer(np.array([[2, 1], [1, -3]]), np.zeros(2, int), shift, format, 0.5)
        layer = codebook(size=5, requantizers=(hand_on,), **changes)
        if not shared:
            return two_streams(layer)
        return Program((layer,), InputEncoder(CodeFormat(2, signed=True), 3, 0.25))

    @pytest.mark.parametrize("biased", [True, False])
    def test_facts(self, biased):
        program = self.program(biased=biased)
        layer, facts = program.layers[0], program_facts(program)[0]
        assert (facts.kind, facts.edges) == ("codebook", 6)
        assert facts.details == {"shapes": 5, "index_bits": 3}
        active = layer.active
        assert facts.active_edges == int(active.sum())
        expected = sum(
            values.size * width_of(values)
            for values in (
                layer.shapes, layer.base, layer.index[active], layer.gains[active],
                layer.base_weights[active], *layer.requantizers[0].multipliers,
            )
        )  # fmt: skip
        if biased:
            expected += layer.offsets.size * width_of(layer.offsets)
            expected += int(active.sum()) * width_of(layer.biases[active])
        assert facts.parameter_bits == expected

    def test_a_base_branch_inside_the_shapes_counts_nothing(self):
        """And shapes are not taken for edges where their counts agree."""
        gains = np.array([[1, 0, 2], [0, 3, 1]])
        plain = codebook(
            size=2, widths=(2, 2), biased=False, gains=gains, index=np.array([[0, 1, 1]] * 2),
            base=np.zeros((1, 4, 1), int), base_index=np.zeros(3, int),
            base_weights=np.zeros((2, 3, 1), int),
            requantizers=(Requantizer(ones(2), np.zeros(2, int)),),
        )  # fmt: skip
        program = Program((plain,), InputEncoder(CodeFormat(2, signed=True), 3))
        bits = program_facts(program)[0].parameter_bits
        assert bits == 8 * width_of(plain.shapes) + 4 * 1 + 4 * 2
        square = replace(
            plain, shapes=plain.shapes[:, :2], base=plain.base[:, :2], gains=np.array([[1, 0]] * 2),
            index=np.array([[0, 1]] * 2), base_index=np.zeros(2, int),
            base_weights=np.zeros((2, 2, 1), int),
        )  # fmt: skip
        program = Program((square,), InputEncoder(CodeFormat(1, signed=True), 2))
        # Two edges with an index that is 0 for both.
        bits = program_facts(program)[0].parameter_bits
        assert bits == 4 * width_of(square.shapes) + 2 * 1

    def test_words(self, tmp_path):
        summary = summarise(design_of(self.program(), tmp_path))
        text = " ".join(summary_text(summary).split())
        assert "codes: codebook (5 shapes, 3 index bits per edge), 3 → 2, " in text
        assert Summary.from_json(json.loads(json.dumps(summary.to_json()))) == summary
        page = write_html(summary, network_curves(self.program()), tmp_path / "r.html").read_text()
        assert 'codebook<span class="detail">5 shapes, 3 index bits per edge</span>' in page

    @pytest.mark.parametrize(
        ("shapes", "words"),
        [(1, "1 shape, 0 index bits per edge"), (2, "2 shapes, 1 index bit per edge")],
    )
    def test_words_of_small_codebooks(self, shapes, words, tmp_path):
        taps = replace(
            codebook(4, size=shapes, biased=False),
            requantizers=(Requantizer(ones(2), np.zeros(2, int)),),
        )
        layer = ConvolutionLayer(taps, Window((1, 3, 3), (2, 2)))
        program = Program((layer,), InputEncoder(CodeFormat(2, signed=True), 9))
        details = program_facts(program)[0].details
        assert details == {"taps": "codebook", "shapes": shapes, "index_bits": shapes - 1}
        text = " ".join(summary_text(summarise(design_of(program, tmp_path))).split())
        assert f"convolution (codebooks of {words} on 4 windows of 2×2)" in text

    @pytest.mark.parametrize("shared", [True, False])
    def test_curves_add_up_to_the_layer(self, shared):
        program = self.program(shared=shared)
        layer, (*_, curves) = program.layers[-1], network_curves(program)
        assert (curves.kind, curves.active) == ("codebook", int(layer.active.sum()))
        assert len(curves.plots) == curves.active
        rng = np.random.default_rng(1)
        addresses = random_addresses(rng, layer)
        if shared:
            addresses = addresses[:1] * 2
        total = np.zeros((12, 2), np.int64)
        for plot in curves.plots:
            assert [t.branch for t in plot.traces] == (["edge"] if shared else ["spline", "base"])
            for trace, address in zip(plot.traces, addresses, strict=not shared):
                total[:, plot.output] += trace.integers[address[:, plot.input]]
        sums = layer.requantizers[0].sums(layer.accumulate(addresses))
        np.testing.assert_array_equal(total, sums)

    def test_steps(self):
        curves = network_curves(self.program())[0]
        assert curves.step_name == "step of the layer's output code"
        assert {plot.step for plot in curves.plots} == {0.5}
        program = self.program(format=None)
        layer, curves = program.layers[0], network_curves(program)[0]
        assert curves.step_name == "weight step"
        peaks = [int(np.abs(layer.shapes).max()), int(np.abs(layer.base).max())]
        factors = [max(2 * peaks[0], 1 * peaks[1]), max(1 * peaks[0], 3 * peaks[1])]
        for plot in curves.plots:
            assert plot.step == 0.5 * factors[plot.output]
