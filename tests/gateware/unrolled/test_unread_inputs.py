"""Inputs that no edge reads: their port stays, and nothing of their encoder or registers does."""

import numpy as np
import pytest

from kanhw.estimation import estimate_verilog
from kanhw.formats import CodeFormat
from kanhw.gateware import generate_verilog
from kanhw.program import EdgeTableLayer, InputConversion, InputEncoder, Program, Requantizer
from kanhw.schedule.schedule import Schedule

CODE = CodeFormat(4, False)
ADC = CodeFormat(8, False)


def _network(n_in, *, unread):
    """Features of an ADC, converted on chip; one more that is read or not."""
    tables = np.random.default_rng(0).integers(1, 20, (2, 3, CODE.count))
    tables[:, 2] *= not unread
    join = Requantizer(np.ones((1, 2), int), np.zeros(2, int))
    factors = np.array([3, 2, 5])[:n_in]
    conversion = InputConversion(InputEncoder(CODE, n_in), factors, factors, 4)
    layer = EdgeTableLayer(tables[:, :n_in], (join,))
    return Program((layer,), InputEncoder(ADC, n_in), conversion=conversion)


def _resources(program, folder):
    design = generate_verilog(program, Schedule())
    path = folder / "kan.v"
    path.write_text(design.text)
    found = estimate_verilog(path, design.top, "ice40", jobs=1)
    return design.input.count, found.lut, found.ff


@pytest.mark.slow
def test_what_nobody_reads_takes_nothing(tmp_path):
    without = _resources(_network(2, unread=False), tmp_path)
    unread = _resources(_network(3, unread=True), tmp_path)
    read = _resources(_network(3, unread=False), tmp_path)
    assert unread == (3, *without[1:])
    assert read[1] > unread[1]
    assert read[2] > unread[2]
