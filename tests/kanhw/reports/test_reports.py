import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from kanhw.design.design import Design, Port
from kanhw.errors import InputError
from kanhw.estimation.resources import ResourceEstimate
from kanhw.formats import CodeFormat
from kanhw.model.activation import Activation
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.network import KanLayer, KanModel
from kanhw.program import (
    BasisTableLayer,
    EdgeTableLayer,
    InputEncoder,
    Program,
    Requantizer,
    save_program,
)
from kanhw.reports import (
    Summary,
    network_curves,
    readme_picture,
    summarise,
    summary_table,
    summary_text,
    write_html,
)
from kanhw.reports.text import NOTHING_ESTIMATED, NOTHING_SCORED, NOTHING_VERIFIED, real
from kanhw.schedule.schedule import Schedule

SIGNED6, SIGNED5 = CodeFormat(6, signed=True), CodeFormat(5, signed=True)
GRID, ORDER = 5, 3

CHECK = {
    "engine": "cocotb",
    "simulator": "icarus",
    "simulator_version": "11.0",
    "vectors": 1200,
    "mismatches": 0,
    "expected_mismatches": None,
    "problems": [],
    "latency_cycles": 9,
    "cycles_per_inference": 1.0,
    "inferences_per_second": 812.3,
    "stalls": True,
    "seed": 7,
    "reset_midstream": True,
}

ESTIMATE = ResourceEstimate(
    target="xcup",
    lut=1519,
    lut_by_size={2: 207, 6: 1312},
    lut_memory=0,
    lut_carry=0,
    ff=1832,
    carry=140,
    mux=55,
    inverters=3,
    dsp=0,
    bram=0,
    bram_unit="BRAM18",
    other={},
    recipe="abc",
    alternatives={"abc9": 1702},
    tool="pyosys: Yosys 0.70",
    script="synth_xilinx -top kan\n",
    seconds=12.5,
)


def float_layer(rng, n_in, n_out, name, density=0.8):
    step = 4.0 / GRID
    knots = np.tile(-2 + step * np.arange(-ORDER, GRID + ORDER + 1), (n_in, 1))
    kept = rng.random((n_out, n_in)) < density
    kept[:, 0] = True
    return KanLayer(
        BSplineBasis(knots, ORDER),
        rng.normal(size=(n_out, n_in, GRID + ORDER)) * kept[..., None],
        rng.normal(size=(n_out, n_in)) * kept,
        Activation("silu"),
        rng.normal(size=n_out),
        name,
    )


def requantizer(n_out, shift, format, scale, multipliers=None, zero_point=None):
    return Requantizer(
        np.ones((1, n_out), np.int64) if multipliers is None else multipliers,
        np.zeros(n_out, np.int64),
        shift,
        format,
        scale=scale,
        zero_point=zero_point,
    )


def rounded(x):
    return np.floor(x + 0.5).astype(np.int64)


def positions(decode, format, count):
    return decode(np.tile(format.codes()[:, None], (1, count)))


def edge_table_network(sizes=(4, 3, 3), density=0.8, seed=1):
    """A float network and the tables that round its edges."""
    rng = np.random.default_rng(seed)
    pairs = list(pairwise(sizes))
    model = KanModel(
        tuple(float_layer(rng, a, b, f"layers.{i}", density) for i, (a, b) in enumerate(pairs))
    )
    encoder = InputEncoder(SIGNED6, sizes[0], scale=np.linspace(0.05, 0.07, sizes[0]))
    layers, decode = [], encoder.decode
    for index, layer in enumerate(model.layers):
        last = index == len(model.layers) - 1
        scale = np.linspace(0.02, 0.03, layer.n_out) if last else np.full(layer.n_out, 0.1)
        shift = 0 if last else 3
        edges = layer.edges(positions(decode, SIGNED6, layer.n_in))
        tables = rounded(edges / (scale / 2**shift)[:, None, None])
        hand_on = requantizer(
            layer.n_out,
            shift,
            None if last else SIGNED6,
            scale,
            zero_point=np.full(layer.n_out, 0 if last else 2),
        )
        layers.append(EdgeTableLayer(tables, (hand_on,), name=layer.name))
        decode = hand_on.decode
    return model, Program(tuple(layers), encoder, source="a random network")


def basis_table_network(*, shared):
    """One layer of tables in front of a BasisTableLayer with one or two streams."""
    model, program = edge_table_network((3, 4, 2), seed=2)
    first, layer = program.layers[0], model.layers[1]
    streams = (requantizer(4, 3, SIGNED6, np.full(4, 0.1)),)
    base_format = SIGNED6
    if not shared:
        base_format = SIGNED5
        streams += (requantizer(4, 4, SIGNED5, np.full(4, 0.2)),)
    spline_x = positions(streams[0].decode, SIGNED6, 4)
    base_x = positions(streams[-1].decode, base_format, 4)
    basis = np.stack(
        [rounded(15 * layer.basis.evaluate_input(i, spline_x[:, i])) for i in range(4)]
    )
    base = np.stack([rounded(20 * layer.base_activation(base_x[:, i]))[:, None] for i in range(4)])
    scale, shift = np.array([0.05, 0.08]), 14
    unit = scale / 2**shift
    # A coefficient is c * 32, a basis value B * 15; the multipliers make both units of t.
    multipliers = rounded(np.stack([1 / (32 * 15) / unit, 1 / (32 * 20) / unit]))
    second = BasisTableLayer(
        basis=basis,
        basis_index=np.arange(4),
        coefficients=rounded(32 * layer.coefficients),
        base=base,
        base_index=np.arange(4),
        base_weights=rounded(32 * layer.base_weights)[:, :, None],
        requantizers=(requantizer(2, shift, CodeFormat(9, True), scale, multipliers),),
        name=layer.name,
        base_stream=0 if shared else 1,
    )
    first = replace(first, requantizers=streams)
    return model, Program((first, second), program.input)


def integer_network():
    rng = np.random.default_rng(5)
    hand_on = requantizer(2, 0, SIGNED6, None)
    tables = rng.integers(-9, 9, (2, 3, 16))
    return Program((EdgeTableLayer(tables, (hand_on,)),), InputEncoder(CodeFormat(4, False), 3))


def design_of(program, folder):
    save_program(program, folder / "program.safetensors")
    return Design(
        path=folder,
        top="kan",
        verilog="kan.v",
        program_file="program.safetensors",
        schedule=Schedule(),
        latency_cycles=9,
        initiation_interval=1,
        input=Port(program.n_in, program.input.format),
        output=Port(program.n_out, program.output_format),
    )


@pytest.fixture(scope="module")
def network():
    return edge_table_network()


@pytest.fixture
def full_summary(network, tmp_path):
    model, program = network
    x = np.random.default_rng(0).uniform(-1, 1, (300, 4))
    labels = model(x).argmax(axis=1)
    return summarise(
        design_of(program, tmp_path),
        model=model,
        data=(x, labels),
        checks=[CHECK],
        estimates=[ESTIMATE],
        hardware_outputs=program(program.input.encode(x))[:200],
        title="A <b>title</b> & [red]more",
        date="2026-01-02",
        tools={"torch": "2.13.0"},
    )


@dataclass
class FakeReport:
    vectors: int

    def to_json(self):
        return {**CHECK, "vectors": self.vectors, "mismatches": np.int64(0), "first": (1, 2)}


class TestSummary:
    def test_round_trip(self, full_summary):
        text = json.dumps(full_summary.to_json())
        assert Summary.from_json(json.loads(text)) == full_summary
        assert json.dumps(Summary.from_json(json.loads(text)).to_json()) == text

    def test_round_trip_of_reports(self, network, tmp_path):
        summary = summarise(design_of(network[1], tmp_path), checks=[FakeReport(5)])
        assert Summary.from_json(json.loads(json.dumps(summary.to_json()))) == summary
        assert summary.checks[0]["mismatches"] == 0

    def test_facts(self, network, full_summary):
        program = network[1]
        layer, facts = program.layers[0], full_summary.layers[0]
        assert (facts.n_in, facts.n_out, facts.kind) == (4, 3, "edge_table")
        assert facts.active_edges == int(layer.active.sum()) < 12
        assert facts.inputs == {"edge": SIGNED6}
        assert facts.outputs == (SIGNED6,)
        assert facts.accumulators == {"edge": layer.accumulator_formats[0]}
        assert facts.sums == (layer.requantizers[0].sum_format,)
        width = max(int(np.abs(2 * layer.tables + 1).max()).bit_length(), 1)
        assert facts.parameter_bits == facts.active_edges * 64 * width
        assert full_summary.shape == (4, 3, 3)
        assert full_summary.tools["icarus"] == "11.0"
        assert full_summary.tools["synthesis"] == "pyosys: Yosys 0.70"

    def test_facts_of_two_streams(self, tmp_path):
        _, program = basis_table_network(shared=False)
        facts = summarise(design_of(program, tmp_path)).layers
        assert facts[0].outputs == (SIGNED6, SIGNED5)
        assert facts[1].inputs == {"spline": SIGNED6, "base": SIGNED5}
        assert set(facts[1].accumulators) == {"spline", "base"}

    def test_title_falls_back_to_the_source(self, network, tmp_path):
        assert summarise(design_of(network[1], tmp_path)).title == "a random network"

    @pytest.mark.parametrize("data", [{}, {"format": 1}, {"format": 1, "layers": 3}])
    def test_not_a_summary(self, data):
        with pytest.raises(InputError, match=r"^This is not a summary of this version"):
            Summary.from_json(data)

    def test_newer_format(self, full_summary):
        with pytest.raises(InputError, match=r"^This summary has format 2; .*upgrade kanhw$"):
            Summary.from_json({**full_summary.to_json(), "format": 2})

    def test_check_without_vectors(self, network, tmp_path):
        with pytest.raises(InputError, match=r"^A check must name its vectors, mismatches: "):
            summarise(design_of(network[1], tmp_path), checks=[{"engine": "fast"}])

    def test_check_of_wrong_type(self, network, tmp_path):
        with pytest.raises(TypeError, match=r"^A check must be an equivalence report"):
            summarise(design_of(network[1], tmp_path), checks=[3])


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


class TestCurves:
    def test_edge_tables_against_direct_computation(self, network):
        model, program = network
        curves = network_curves(program, model)
        decodes = [program.input.decode, program.layers[0].requantizers[0].decode]
        for index, layer in enumerate(curves):
            record, exact = program.layers[index], model.layers[index]
            hand_on = record.requantizers[0]
            x = positions(decodes[index], SIGNED6, record.n_in)
            edges = exact.edges(x)
            assert layer.active == len(layer.plots) == int(record.active.sum())
            for plot in layer.plots:
                (trace,) = plot.traces
                j, i = plot.output, plot.input
                unit = hand_on.scale[j] / 2**hand_on.shift
                np.testing.assert_array_equal(trace.integers, record.tables[j, i])
                np.testing.assert_allclose(trace.y, record.tables[j, i] * unit, rtol=1e-12)
                np.testing.assert_array_equal(trace.x, x[:, i])
                assert plot.error == pytest.approx(np.abs(edges[j, i] - trace.y).max(), rel=1e-9)
                assert plot.error_steps <= 0.5 + 1e-9
                fine = np.repeat(trace.fine_x[:, None], record.n_in, axis=1)
                np.testing.assert_allclose(trace.fine_y, exact.edges(fine)[j, i], atol=1e-12)
                assert (trace.fine_x[0], trace.fine_x[-1]) == (x[0, i], x[-1, i])

    def test_planted_fault_shows(self, network):
        model, program = network
        layer = program.layers[0]
        j, i = np.argwhere(layer.active)[0]
        tables = np.array(layer.tables)
        tables[j, i, 10] += 7
        faulty = Program((replace(layer, tables=tables), program.layers[1]), program.input)
        (plot,) = (
            p for p in network_curves(faulty, model)[0].plots if (p.output, p.input) == (j, i)
        )
        assert plot.error_steps > 6

    def test_basis_tables_of_one_stream(self):
        model, program = basis_table_network(shared=True)
        layer = program.layers[1]
        hand_on = layer.requantizers[0]
        x = positions(program.layers[0].requantizers[0].decode, SIGNED6, 4)
        edges = model.layers[1].edges(x)
        curves = network_curves(program, model)[1]
        assert curves.step_name == "step of the layer's output code"
        for plot in curves.plots:
            (trace,) = plot.traces
            j, i = plot.output, plot.input
            expected = hand_on.multipliers[0, j] * sum(
                layer.coefficients[j, i, k] * layer.basis[i, :, k] for k in range(GRID + ORDER)
            )
            expected = expected + hand_on.multipliers[1, j] * (
                layer.base_weights[j, i, 0] * layer.base[i, :, 0]
            )
            np.testing.assert_array_equal(trace.integers, expected)
            assert plot.error == pytest.approx(np.abs(edges[j, i] - trace.y).max())
            assert plot.error < 0.3  # the integers do approximate the edge
            assert plot.step == pytest.approx(hand_on.scale[j])

    def test_basis_tables_sum_up_to_the_layer(self):
        """All traces at one input's codes, added up, are the sums of the Program."""
        model, program = basis_table_network(shared=False)
        layer = program.layers[1]
        curves = network_curves(program, model)[1]
        codes = np.random.default_rng(1).integers(-32, 32, (20, 3))
        spline, base = program.activations(codes)[0]
        total = np.zeros((20, 2), np.int64)
        for plot in curves.plots:
            assert [t.branch for t in plot.traces] == ["spline", "base"]
            j, i = plot.output, plot.input
            total[:, j] += plot.traces[0].integers[spline[:, i] + 32]
            total[:, j] += plot.traces[1].integers[base[:, i] + 16]
        sums = layer.requantizers[0].sums(layer.accumulate((spline + 32, base + 16)))
        np.testing.assert_array_equal(total, sums)

    def test_basis_tables_of_two_streams_against_the_branches(self):
        model, program = basis_table_network(shared=False)
        exact = model.layers[1]
        for plot in network_curves(program, model)[1].plots:
            j, i = plot.output, plot.input
            spline, base = plot.traces
            assert (len(spline.x), len(base.x)) == (64, 32)
            value = exact.basis.evaluate_input(i, spline.x) @ exact.coefficients[j, i]
            assert spline.error == pytest.approx(np.abs(value - spline.y).max())
            value = exact.base_weights[j, i] * exact.base_activation(base.x)
            assert base.error == pytest.approx(np.abs(value - base.y).max())
            assert plot.error == max(spline.error, base.error)

    def test_widest_first_and_limit(self, network):
        program = network[1]
        layer = network_curves(program, limit=4)[0]
        ranges = [np.ptp(plot.traces[0].y) for plot in layer.plots]
        assert len(ranges) == 4
        assert ranges == sorted(ranges, reverse=True)
        unit = program.layers[0].requantizers[0].scale[0] / 8
        assert ranges[0] == pytest.approx(np.ptp(program.layers[0].tables, axis=2).max() * unit)

    def test_integer_network(self):
        program = integer_network()
        (layer,) = network_curves(program)
        plot = layer.plots[0]
        assert not layer.real
        assert plot.error is None
        np.testing.assert_array_equal(plot.traces[0].x, np.arange(16))
        np.testing.assert_array_equal(
            plot.traces[0].y, program.layers[0].tables[plot.output, plot.input]
        )

    def test_model_of_other_sizes(self, network):
        model, _ = edge_table_network((4, 2, 3))
        with pytest.raises(InputError, match=r"^The model has layers \[\(4, 2\), \(2, 3\)\]"):
            network_curves(network[1], model)

    def test_limit_of_zero(self, network):
        with pytest.raises(InputError, match=r"^limit must be at least 1, not 0$"):
            network_curves(network[1], limit=0)


VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Checks that tags are balanced, and keeps what a test asks for."""

    def __init__(self, text):
        super().__init__()
        self.open, self.attributes, self.tags, self.words = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "title"):
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", "".join(self.words))


class TestHtml:
    def page(self, summary, curves, folder):
        path = write_html(summary, curves, folder / "report.html")
        return Page(path.read_text(encoding="utf-8"))

    def test_self_contained(self, network, full_summary, tmp_path):
        path = write_html(full_summary, network_curves(network[1], network[0]), tmp_path / "r.html")
        document = path.read_text(encoding="utf-8")
        page = Page(document)
        assert "http:" not in document and "https:" not in document
        assert "@import" not in document and "url(" not in document
        names = {name for name, _ in page.attributes}
        assert not names & {"src", "href", "srcset", "onclick"}
        assert "script" not in page.tags and "link" not in page.tags
        assert not list(tmp_path.glob(".*partial"))

    def test_text_is_escaped(self, network, full_summary, tmp_path):
        page = self.page(full_summary, [], tmp_path)
        assert "b" not in page.tags[: page.tags.index("h1") + 2]
        assert "A <b>title</b> & [red]more" in page.text

    def test_says_what_was_measured(self, network, full_summary, tmp_path):
        text = self.page(full_summary, network_curves(network[1], network[0]), tmp_path).text
        assert "1,200 input vectors through the cocotb testbench" in text
        assert "in Icarus 11.0, random stalls, seed 7, a reset in mid-stream" in text
        assert "0 mismatches" in text
        assert "Post-synthesis estimate" in text
        assert "1,519" in text and "abc; abc9 gives 1,702 LUT" in text
        assert "agree on all 200 samples" in text
        assert "100.00%" in text  # the labels are the float model's own
        assert "2026-01-02" in text and "torch 2.13.0" in text

    def test_missing_parts_are_said(self, network, tmp_path):
        summary = summarise(design_of(network[1], tmp_path))
        text = self.page(summary, [], tmp_path).text
        for sentence in (NOTHING_VERIFIED, NOTHING_SCORED, NOTHING_ESTIMATED):
            assert sentence in text
            assert sentence in re.sub(r"\s+", " ", summary_text(summary))
        assert "bit for bit" not in text
        assert "Edge functions" not in text

    def test_missing_stages_are_said(self, network, tmp_path):
        data = (np.zeros((5, 4)), np.zeros(5, int))
        summary = summarise(design_of(network[1], tmp_path), data=data)
        text = self.page(summary, [], tmp_path).text
        assert "Not measured: float model, hardware (simulated Verilog)." in text

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"mismatches": 3}, "3 output codes differ from the Program's"),
            ({"vectors": 0}, "nothing was compared"),
            ({"problems": ["payload changed while stalled"]}, "Payload changed while stalled."),
            ({"expected_mismatches": 2, "problems": ["x differ"]}, "2 outputs of the Program"),
        ],
    )
    def test_failed_checks_are_not_passed(self, network, tmp_path, change, words):
        summary = summarise(design_of(network[1], tmp_path), checks=[{**CHECK, **change}])
        text = self.page(summary, [], tmp_path).text
        assert "FAILED" in text and words in text
        assert "bit for bit" not in text
        assert "FAILED" in summary_text(summary)

    def test_disagreeing_hardware_is_said(self, network, tmp_path):
        data = (np.zeros((5, 4)), np.zeros(5, int))
        hardware = np.array(network[1](network[1].input.encode(data[0]))) + 1
        summary = summarise(design_of(network[1], tmp_path), data=data, hardware_outputs=hardware)
        summary = replace(summary, checks=(CHECK,))
        text = self.page(summary, [], tmp_path).text
        assert "disagree on 5 of 5 samples" in text
        assert "bit for bit" not in text
        assert "FAILED" in summary_text(summary)

    def test_matrix_of_a_small_layer(self, network, tmp_path):
        model, program = network
        summary = summarise(design_of(program, tmp_path))
        page = self.page(summary, network_curves(program, model), tmp_path)
        absent = sum(int((~layer.active).sum()) for layer in program.layers)
        assert absent > 0
        assert page.text.count("no edge") == absent
        assert page.tags.count("figure") == program.active_edges

    def test_many_edges(self, tmp_path):
        model, program = edge_table_network((16, 12, 5), density=1.0)
        summary = summarise(design_of(program, tmp_path))
        path = write_html(summary, network_curves(program, model, limit=180), tmp_path / "r.html")
        page = Page(path.read_text(encoding="utf-8"))
        assert "The 24 edges with the widest range, of 192 active edges." in page.text
        assert "The next 156 edges" in page.text
        assert "The 12 edges with the narrowest range are not drawn." in page.text
        assert page.tags.count("figure") == 180 + 60
        assert path.stat().st_size < 1_500_000

    def test_two_branches(self, tmp_path):
        model, program = basis_table_network(shared=False)
        summary = summarise(design_of(program, tmp_path))
        text = self.page(summary, network_curves(program, model), tmp_path).text
        assert "integers, base branch" in text
        assert "spline s6, base s5" in text

    def test_integer_network(self, tmp_path):
        program = integer_network()
        summary = summarise(design_of(program, tmp_path))
        text = self.page(summary, network_curves(program), tmp_path).text
        assert "Values are integers: this network has no real scale." in text
        assert "float function" not in text

    def test_same_bytes_twice(self, network, full_summary, tmp_path):
        curves = network_curves(network[1], network[0])
        first = write_html(full_summary, curves, tmp_path / "a.html").read_bytes()
        assert write_html(full_summary, curves, tmp_path / "b.html").read_bytes() == first

    @pytest.mark.parametrize(
        ("place", "message"),
        [
            ("absent/r.html", r"cannot be written: choose a folder that"),
            ("program.safetensors/r.html", r"cannot be written: choose a folder that"),
            ("folder", r"is not a file: name one to write"),
        ],
    )
    def test_unwritable(self, full_summary, tmp_path, place, message):
        (tmp_path / "folder").mkdir()
        with pytest.raises(InputError, match=message):
            write_html(full_summary, [], tmp_path / place)
        assert not list(Path(tmp_path).glob(".*partial"))


class TestTerminal:
    def test_text(self, full_summary):
        text = summary_text(full_summary)
        assert max(map(len, text.splitlines())) <= 100
        assert "4 → 3 → 3" in text
        assert "latency 9 cycles, 1 inference per clock" in text
        assert "xcup: 1,519 LUT, 1,832 FF" in text and "post-synthesis" in text
        assert "\x1b" not in text

    def test_table(self, full_summary):
        from rich.console import Console

        console = Console(width=100)
        with console.capture() as captured:
            console.print(summary_table(full_summary))
        assert "A <b>title</b> & [red]more" in captured.get()
        assert "1,200 input vectors" in captured.get()


class TestPicture:
    def test_shows_measured_figures(self, network, full_summary):
        picture = readme_picture(full_summary, network_curves(network[1], network[0]))
        root = ET.fromstring(picture)
        assert root.attrib["viewBox"] == "0 0 1000 330"
        text = " ".join(
            "".join(e.itertext()) for e in root.iter("{http://www.w3.org/2000/svg}text")
        )
        assert "1,519" in text and "latency 9 cycles" in text and "100.00%" in text
        assert "1,200 vectors" in text
        assert "bit for bit" in text
        assert "href" not in picture and "url(" not in picture

    def test_makes_nothing_up(self, network, tmp_path):
        summary = summarise(design_of(network[1], tmp_path))
        picture = readme_picture(summary, network_curves(network[1], network[0]))
        assert "bit for bit" not in picture and "LUT" not in picture
        assert (
            "not measured" in picture and "not verified" in picture and "not estimated" in picture
        )

    def test_failed_check(self, network, tmp_path):
        check = {**CHECK, "mismatches": 1}
        summary = summarise(design_of(network[1], tmp_path), checks=[check])
        picture = readme_picture(summary, network_curves(network[1], network[0]))
        assert "FAILED" in picture and "bit for bit" not in picture

    def test_without_float_curves(self, network, full_summary):
        with pytest.raises(InputError, match=r"^The picture needs an edge with a float curve"):
            readme_picture(full_summary, network_curves(network[1]))


def test_heavy_packages_wait():
    code = "import sys, kanhw.reports; print({'torch', 'rich', 'jinja2'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.00582, "0.00582"),
        (-1.9375, "−1.94"),
        (1234.5, "1234"),
        (1.234e-5, "1.2e−5"),
        (9e-4, "9e−4"),
        (123456.0, "1.2e5"),
        (999.99, "1000"),
    ],
)
def test_numbers(value, text):
    assert real(value) == text
