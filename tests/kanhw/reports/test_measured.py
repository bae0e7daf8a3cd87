"""What a report shows of a Program on data."""

import re
from dataclasses import replace

import numpy as np
import pytest
from reported_designs import ESTIMATE, design_of, integer_network

import kanhw
from kanhw.estimation.place_and_route import PlacedTiming
from kanhw.model.network import KanModel
from kanhw.reports import network_curves, summarise, write_html
from kanhw.reports.measured.charts import histogram_svg, parity_svg
from kanhw.reports.measured.layer_errors import layer_errors
from kanhw.reports.measured.measured import measured
from kanhw.reports.measured.scales import end_scales
from kanhw.reports.measured.timing import rate_text, timing_sentence

TIMING = PlacedTiming(
    fmax_mhz=200.0,
    fmax_by_seed=(190.0, 200.0, 210.0),
    device="LFE5U-85F",
    tool="nextpnr 0.7",
    flags="",
    seconds=1.0,
)


@pytest.fixture(scope="module")
def regression(request):
    from reported_designs import float_layer

    rng = np.random.default_rng(3)
    model = KanModel((float_layer(rng, 3, 4, "layers.0"), float_layer(rng, 4, 2, "layers.1")))
    x = rng.uniform(-1.9, 1.9, (300, 3))
    return model, kanhw.quantize(model, x), x


def page(tmp_path, model, program, data, **changes):
    design = design_of(program, tmp_path)
    summary = replace(summarise(design, model=model, data=data), **changes)
    found = measured(program, model, data)
    out = tmp_path / "report.html"
    curves = network_curves(program, model)
    return write_html(
        summary, curves, out, scales=end_scales(program), measured=found
    ).read_text()


def test_errors_grow_from_layer_to_layer(regression):
    model, program, x = regression
    first, last = layer_errors(program, model, x)
    assert (first.name, last.name) == ("layers.0", "layers.1")
    codes = program.input.encode(x)
    error = program.decode_output(program(codes)) - model(x)
    assert last.rms == pytest.approx(np.sqrt(np.square(error).mean()))
    assert last.share == pytest.approx(last.rms / model(x).std())
    hidden = program.layers[0].requantizers[0].decode(program.activations(codes)[0][0])
    difference = hidden - model.layer_inputs(x)[1]
    assert first.rms == pytest.approx(np.sqrt(np.square(difference).mean()))


def test_scales_are_those_of_the_codes(regression):
    _, program, x = regression
    ends = end_scales(program)
    assert [end.name for end in ends] == ["input 0", "input 1", "input 2", "output 0", "output 1"]
    q = program.input.encode(x)
    for i, end in enumerate(ends[:3]):
        np.testing.assert_allclose(
            end.scale * (q[:, i] - end.zero_point), program.input.decode(q)[:, i]
        )
        assert end.lowest <= x[:, i].min() + end.scale
    out = program(q)
    np.testing.assert_allclose(
        ends[4].scale * (out[:, 1] - ends[4].zero_point), program.decode_output(out)[:, 1]
    )
    assert end_scales(integer_network()) == ()


@pytest.mark.parametrize("with_targets", [False, True])
def test_a_regression_has_a_parity_plot(regression, with_targets, tmp_path):
    model, program, x = regression
    data = (x, model(x) + 0.5 if with_targets else None)
    found = measured(program, model, data)
    assert len(found.parity) == 2 and len(found.histograms) == 3
    text = page(tmp_path, model, program, data)
    assert f"Answers over the {'targets' if with_targets else 'float model'}" in text
    for words in ("Error of every output", "Error behind every layer", "Codes in use", "Scales"):
        assert words in text
    assert text.count('class="points"') == 2 and text.count('class="bars"') == 3


def test_a_classifier_has_none(regression, tmp_path):
    model, program, x = regression
    data = (x, model(x).argmax(axis=1))
    assert measured(program, model, data).parity == ()
    assert measured(program.with_argmax(), model, data).parity == ()
    assert "Answers over" not in page(tmp_path, model, program, data)


def test_nothing_is_measured_without_a_model_or_data(regression):
    model, program, x = regression
    assert measured(program, None, (x, None)) is None
    assert measured(program, model, None) is None


def test_charts_draw_what_there_is():
    codes = np.array([0, 0, 1, 255])
    path = re.search(r'class="bars" d="([^"]*)"', histogram_svg(codes, 0, 255, "a<b"))[1]
    assert path.count("M") == 2  # 64 bars of four codes, two of them not empty
    assert "a&lt;b" in histogram_svg(codes, 0, 255, "a<b")
    narrow = re.search(r'class="bars" d="([^"]*)"', histogram_svg(np.array([1, 2]), 0, 3, ""))[1]
    assert narrow.count("M") == 2
    wanted = np.arange(5000.0)
    points = re.search(r'class="points" d="([^"]*)"', parity_svg(wanted, wanted, ""))[1]
    assert points.count("M") == 1500
    # What is right is on the diagonal, from the lower left to the upper right.
    assert points.startswith("M6.0,165.0h0") and points.endswith("M174.0,13.0h0")


def test_no_chart_of_one_bar(regression, tmp_path):
    model, program, x = regression
    one = replace(ESTIMATE, lut=7, lut_by_size={6: 7})
    text = page(tmp_path, model, program, (x, None), resources=(one,))
    assert '<svg class="bar"' not in text and "7" in text
    (tmp_path / "two").mkdir()
    text = page(tmp_path / "two", model, program, (x, None), resources=(ESTIMATE,))
    assert '<svg class="bar"' in text
    single = KanModel(model.layers[:1])
    program = kanhw.quantize(single, x)
    (tmp_path / "one").mkdir()
    text = page(tmp_path / "one", single, program, (x, None))
    assert "Error behind every layer" in text and 'class="row"' not in text


def test_clock_in_nanoseconds_and_inferences(regression, tmp_path):
    model, program, x = regression
    placed = replace(ESTIMATE, timing=TIMING)
    design = design_of(program, tmp_path)
    summary = replace(summarise(design), latency_cycles=9, initiation_interval=2)
    assert rate_text(summary, 200.0) == "45 ns, 100 million inferences/s"
    assert rate_text(replace(summary, initiation_interval=400), 200.0).endswith(
        ", 500,000 inferences/s"
    )
    assert "200 MHz between registers on LFE5U-85F" in timing_sentence(summary, placed)
    (tmp_path / "page").mkdir()
    text = page(tmp_path / "page", model, program, (x, None), resources=(placed,), latency_cycles=9)
    assert "45 ns, 200 million inferences/s at 200 MHz" in text
    assert "No clock frequency is claimed" not in text
