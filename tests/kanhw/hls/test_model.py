"""Clocks and block RAMs that are counted from the C++ of a design."""

import numpy as np
import pytest
from hls_programs import FOLDED, ONE_BY_ONE, edge_program

from kanhw.formats import CodeFormat
from kanhw.hls import model_of
from kanhw.hls.model.block_rams import bram18
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer
from kanhw.schedule.schedule import Schedule


@pytest.mark.parametrize(
    ("words", "bits", "blocks"),
    [(512, 36, 1), (513, 36, 2), (1024, 19, 2), (4096, 4, 1), (16384, 1, 1), (50176, 4, 16),
     (401408, 32, 800)],
)  # fmt: skip
def test_blocks_of_a_memory(words, bits, blocks):
    assert bram18(words, bits) == blocks


def test_an_unrolled_network_takes_a_vector_a_clock_and_no_block():
    report = model_of(edge_program(), Schedule())
    assert (report.kind, report.interval_min, report.interval_max, report.bram18) == (
        "model", 1, 1, 0,
    )  # fmt: skip
    # What is not counted is not known.
    assert report.latency_max is None and report.lut is None and report.dsp is None


def test_a_folded_network_is_counted_loop_by_loop():
    form = CodeFormat(6, signed=True)
    rng = np.random.default_rng(0)
    layer = EdgeTableLayer(rng.integers(-99, 100, (6, 40, 64)), (Requantizer([[1] * 6], [0] * 6),))
    program = Program((layer,), InputEncoder(form, 40))
    one = model_of(program, ONE_BY_ONE)
    assert one.interval_min == 240 and one.latency_min == 240
    # 240 tables of 64 entries of 8 bits in one memory: 15,360 words, 8 blocks of a bit.
    assert one.bram18 == 8
    several = model_of(program, FOLDED)
    assert several.interval_min == 40
    # Six memories, a lane of outputs and inputs each, of 40 x 64 words: 4,096 x 4 twice.
    assert several.bram18 == 12
