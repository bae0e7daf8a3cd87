"""Clocks and resources that are counted from the C++ of a design."""

import numpy as np
import pytest
from hls_programs import FOLDED, NAMES, ONE_BY_ONE, codebook_program, edge_program, programs

from kanhw.formats import CodeFormat
from kanhw.hls import model_of
from kanhw.hls.costs.block_rams import bram18, memory_luts
from kanhw.hls.costs.operators import adder
from kanhw.hls.costs.streams import stream_costs
from kanhw.hls.costs.work import Function, Register, Taken
from kanhw.hls.files.scripts import Target
from kanhw.hls.generate import write_cpp
from kanhw.hls.model.design_model import LUT_BAND, facts_of_model
from kanhw.hls.model.energy import inference_energy
from kanhw.program import (
    EdgeTableLayer,
    InputEncoder,
    NormLayer,
    Program,
    Requantizer,
    ResidentLayer,
)
from kanhw.schedule.schedule import Schedule


@pytest.mark.parametrize(
    ("words", "bits", "blocks"),
    [(512, 36, 1), (513, 36, 2), (1024, 19, 2), (4096, 4, 1), (16384, 1, 1),
     # As Vivado HLS 2019.1 reports of FuncCode's memories.
     (50176, 32, 91), (50176, 16, 49), (50176, 5, 17), (50176, 4, 13), (6272, 32, 14),
     (4608, 32, 11), (4608, 16, 7), (4608, 6, 3), (1568, 4, 1), (3136, 4, 1),
     (3136, 32, 8), (3136, 28, 7), (1568, 32, 4), (784, 32, 2),
     (257, 14, 1), (64, 38, 2), (576, 32, 2)],
)  # fmt: skip
def test_blocks_of_a_memory(words, bits, blocks):
    assert bram18(words, bits) == blocks


def test_a_memory_of_two_ports_that_write_has_no_widest_shape():
    assert bram18(11, 32) == 1 and bram18(11, 32, true_dual_port=True) == 2


@pytest.mark.parametrize(
    ("words", "bits", "luts"), [(16, 15, 4), (16, 10, 3), (64, 13, 13), (18, 32, 9), (12, 32, 6)]
)
def test_look_up_tables_of_a_small_memory(words, bits, luts):
    assert memory_luts(words, bits) == luts


def test_an_unrolled_network_takes_a_vector_a_clock_and_no_block():
    report = model_of(edge_program(), Schedule())
    assert (report.kind, report.interval_min, report.interval_max, report.bram18) == (
        "model", 1, 1, 0,
    )  # fmt: skip
    # What is not counted is not known.
    assert report.latency_max is None and report.uram is None


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


def work_of(program, schedule):
    """The work of every process by its name."""
    design = write_cpp(program, schedule, "kan", Target())
    return {process.name: process.work for process in design.chain.processes}


def test_operators_are_those_of_the_lanes():
    work = work_of(edge_program(), FOLDED)["layer0_add"]
    (loop,) = work.loops
    (sums,) = edge_program().layers[0].accumulator_formats
    # Two inputs meet two of four outputs: their sum, and that with what was there before.
    lanes = 2
    assert loop.uses[adder(sums.width)] == 2 * lanes
    assert (loop.turns, loop.interval) == (4, 1)
    assert Register(lanes, sums.width) in work.registers


def test_edges_that_are_absent_take_nothing():
    program = edge_program()
    tables = program.layers[0].tables.copy()
    tables[1, 2] = 0
    pruned = EdgeTableLayer(tables, program.layers[0].requantizers, "layers.0")
    fewer = model_of(Program((pruned, program.layers[1]), program.input), Schedule())
    assert fewer.lut < model_of(program, Schedule()).lut


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_layer_is_counted(name):
    program = programs()[name]
    folded_only = any(isinstance(layer, ResidentLayer) for layer in program.layers)
    for schedule in (ONE_BY_ONE,) if folded_only else (Schedule(), ONE_BY_ONE):
        report = model_of(program, schedule)
        assert min(report.lut, report.ff) > 0 and min(report.dsp, report.bram18) >= 0
        # Sums are kept somewhere, and something adds to them.
        works = work_of(program, schedule).values()
        assert any(loop.uses for work in works for loop in work.loops)
        energy = inference_energy(Function("top", list(works)), report.interval_min)
        assert energy["dynamic"].high > energy["dynamic"].low > 0


def test_more_lanes_take_more_and_fewer_clocks():
    program = codebook_program()
    one, several = model_of(program, ONE_BY_ONE), model_of(program, FOLDED)
    assert several.interval_min < one.interval_min
    assert several.lut > one.lut and several.dsp >= one.dsp


@pytest.mark.parametrize(("bits", "luts"), [(32, 44), (72, 84)])
def test_a_stream_is_that_of_reports(bits, luts):
    assert stream_costs(bits) == Taken(lut=luts, ff=5)


def test_a_bit_of_a_root_waits_for_the_one_before():
    """Two products and a comparison, so a turn every three clocks, in the interval as well."""
    program = programs()["fast_kan"]
    norm = next(own for own in program.layers if isinstance(own, NormLayer))
    design = write_cpp(program, ONE_BY_ONE, "kan", Target())
    process = next(own for own in design.chain.processes if len(own.work.loops) == 3)
    sums, root, scale = process.work.loops
    assert (root.turns, root.interval) == (norm.fraction_bits + 1, 3)
    assert (sums.starts, scale.starts) == (norm.n_in, norm.n_in)
    assert process.clocks == 3 * (norm.fraction_bits + 1) + 2 * norm.n_in
    assert model_of(program, ONE_BY_ONE).interval_min == design.interval >= process.clocks


def test_a_manifest_tells_the_range_of_its_luts():
    report = model_of(edge_program(), Schedule())
    facts = facts_of_model(report)
    low, high = facts["ranges"]["lut"]
    assert low < report.lut == facts["lut"] < high
    assert high / report.lut == pytest.approx(LUT_BAND, rel=0.01)
    assert "uram" not in facts
