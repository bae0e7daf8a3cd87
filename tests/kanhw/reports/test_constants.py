"""Curves of edges whose constants quantization moved into the bias."""

import numpy as np
import pytest
from offset_networks import REALISATIONS, with_offset

import kanhw
from kanhw.reports import network_curves, write_html
from kanhw.reports.constants import moved_constant
from kanhw.reports.summary import summarise


@pytest.mark.some(3)
@pytest.mark.parametrize("realisation", REALISATIONS)
@pytest.mark.parametrize("layer", [0, 1], ids=["hidden", "last"])
def test_curves_are_compared_less_a_moved_constant(layer, realisation):
    model, x = with_offset(layer)
    program = kanhw.quantize(model, x, realisation=realisation)
    curves = network_curves(program, model)[layer]
    assert "a constant: quantization moved it out of the integers into the" in curves.note
    for plot in curves.plots:
        # The weights were normal(0, 0.3), plus 25. Without the constant the error is 25 too.
        assert plot.constant == pytest.approx(25, abs=1)
        assert plot.error < 0.05
        (trace,) = plot.traces
        assert np.abs(trace.fine_y - np.interp(trace.fine_x, trace.x, trace.y)).max() < 0.05


def test_what_was_not_moved_is_drawn_as_it_is():
    model, x = with_offset(1)
    program = kanhw.quantize(model, x, realisation="basis_table")
    curves = network_curves(program, model)[0]
    assert curves.note == "" and all(plot.constant == 0 for plot in curves.plots)


def test_only_a_constant_is_taken_away():
    rng = np.random.default_rng(0)
    rounding = rng.uniform(-0.5, 0.5, 64)
    assert moved_constant(rounding + 25, 1.0) == pytest.approx(25, abs=0.5)
    assert moved_constant(rounding, 1.0) == 0
    # Within four LSBs it may be rounding; a slope, a wrong entry and wrong halves are faults.
    assert moved_constant(rounding + 3, 1.0) == 0
    assert moved_constant(np.linspace(0, 50, 64), 1.0) == 0
    assert moved_constant(np.where(np.arange(64) == 7, 90.0, rounding), 1.0) == 0
    assert moved_constant(np.where(np.arange(64) < 32, 90.0, 10.0), 1.0) == 0
    # The outermost code may stand for a value beyond the grid.
    assert moved_constant(np.where(np.arange(64) == 63, 3.0, rounding + 25), 1.0) > 24


@pytest.mark.wide
def test_the_page_says_so(tmp_path):
    model, x = with_offset(0)
    design = kanhw.generate(kanhw.quantize(model, x), tmp_path / "design")
    curves = network_curves(design.load_program(), model)
    page = write_html(summarise(design), curves, tmp_path / "report.html").read_text()
    assert "moved it out of the integers into the layer" in page
    assert "float less 25" in page
