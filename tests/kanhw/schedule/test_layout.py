"""Planned stages: what each takes and gives, without Amaranth, and as gateware builds them."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.gateware.top.chain import stages_of
from kanhw.gateware.top.stage_costs import layer_option
from kanhw.program import (
    ConvolutionLayer,
    EdgeTableLayer,
    InputEncoder,
    NormLayer,
    PoolingLayer,
    Program,
    Requantizer,
    with_formats,
)
from kanhw.schedule.layer_layouts import LAYER_LAYOUTS, LayerLayout
from kanhw.schedule.layout import lay_out, planned_alone
from kanhw.schedule.schedule import Schedule
from kanhw.schedule.transfer import Transfer
from kanhw.windows import Window

CODE = CodeFormat(3, True)


def _join(n_out):
    return (Requantizer(np.ones((1, n_out), int), np.zeros(n_out, int), 2, CODE),)


def _edges(n_in, n_out, name="edges"):
    tables = np.arange(n_out * n_in * 8).reshape(n_out, n_in, 8) % 7
    return EdgeTableLayer(tables, _join(n_out), name)


def _program(*layers, **options):
    return Program(layers, InputEncoder(CODE, layers[0].n_in, **options))


def _pooling(channels, side, size):
    window = Window((channels, side, side), (size, size), stride=(size, size))
    return PoolingLayer(np.arange(8), "sum", window, _join(channels * window.positions))


def _convolution(channels, n_out, side, size=2):
    window = Window((channels, side, side), (size, size))
    return ConvolutionLayer(_edges(channels * size * size, n_out, "taps"), window)


def _folded(inputs, outputs):
    return Schedule(kind="folded", parallel_inputs=inputs, parallel_outputs=outputs)


DENSE = _program(_edges(5, 6, "first"), _edges(6, 3, "last"))
NORMED = _program(
    _edges(4, 4, "first"),
    NormLayer(np.full(4, 200), 30, 16, 3, (Requantizer([[1] * 4], [0] * 4, 20, CODE),)),
    _edges(4, 2, "last"),
)
IMAGE = _program(_convolution(1, 4, 5), _pooling(4, 4, 2), _edges(16, 3))
WHOLE = _program(_convolution(1, 4, 5), _pooling(4, 4, 4), _edges(4, 3))
# More windows than pixels to a column, so that a line buffer has empty slots: 18 for 9 pixels.
PADDED = _program(
    ConvolutionLayer(_edges(4, 2, "taps"), Window((1, 3, 3), (2, 2), (1, 3), (2, 0))),
    _edges(12, 2),
)
TWICE = _program(_convolution(1, 4, 5), _convolution(4, 3, 4), _edges(27, 3))
RANGED = _program(_edges(5, 6), lo=-3, hi=3)
RANGED_NORM = _program(
    NormLayer(np.full(4, 200), 30, 16, 3, (Requantizer([[1] * 4], [0] * 4, 20, CODE),)),
    _edges(4, 2),
    lo=-3,
    hi=3,
)
CONVERTED = with_formats(
    replace(RANGED, input=replace(RANGED.input, scale=np.full(5, 0.25))), inputs="q4.4"
)


def _kinds(program, schedule):
    return [stage.kind for stage in lay_out(program, schedule).stages]


@pytest.mark.parametrize(
    ("program", "schedule", "kinds"),
    [
        (DENSE, Schedule(), ["pipeline"]),
        (DENSE, _folded(2, 2), ["folded", "collect", "folded"]),
        (DENSE.with_argmax(True), _folded(1, 1), ["folded", "folded", "serial_argmax"]),
        (DENSE.with_argmax(True), _folded(5, 6), ["folded", "split", "folded", "pipeline"]),
        (NORMED, Schedule(), ["pipeline", "layer_norm", "pipeline"]),
        (NORMED, _folded(2, 1), ["folded", "collect", "layer_norm", "split", "folded"]),
        (IMAGE, Schedule(), ["convolution", "pooling", "gather", "pipeline"]),
        (WHOLE, Schedule(), ["convolution", "global_pooling", "pipeline"]),
        (WHOLE, _folded(1, 1), ["folded_convolution", "folded_pooling", "folded"]),
        (TWICE, _folded(2, 4), ["folded_convolution", "folded_convolution"]),
        (RANGED, Schedule(), ["input_ranges", "pipeline"]),
        (RANGED, _folded(2, 2), ["folded"]),
        (RANGED_NORM, _folded(2, 2), ["input_ranges", "layer_norm", "split", "folded"]),
        (CONVERTED, _folded(2, 2), ["input_conversion", "folded"]),
        (CONVERTED, Schedule(), ["input_conversion", "pipeline"]),
    ],
)
def test_the_stages_of_a_program(program, schedule, kinds):
    assert _kinds(program, schedule)[: len(kinds)] == kinds
    layout = lay_out(program, schedule)
    # Every layer once and in order, and what one stage gives the next one takes.
    numbers = [number for stage in layout.stages for number in stage.layers]
    assert numbers == list(range(len(program.layers)))
    ends = [layout.inputs, *(stage.outputs for stage in layout.stages)]
    assert [stage.inputs for stage in layout.stages] == ends[:-1]
    assert layout.outputs == ends[-1]


@pytest.mark.some(14)
@pytest.mark.parametrize("program", [DENSE, NORMED, IMAGE, WHOLE, TWICE, PADDED, RANGED, CONVERTED])
@pytest.mark.parametrize("parallel", [None, (1, 1), (2, 3), (3, 2), (16, 16)])
def test_gateware_builds_what_is_planned(program, parallel):
    schedule = Schedule() if parallel is None else _folded(*parallel)
    for each in (program, program.with_argmax(True)):
        planned, built = lay_out(each, schedule).stages, stages_of(each, schedule)
        # Narrow tables contain the clamp of the input: then nothing is built for it.
        planned = planned[len(planned) - len(built) :]
        assert [p.inputs for p in planned] == [stage.inputs.transfer for stage in built]
        assert [p.outputs for p in planned] == [stage.outputs.transfer for stage in built]
        for plan, stage in zip(planned, built, strict=True):
            # A norm may wait for its root, and folded windows for words.
            waits = plan.kind in ("layer_norm", "folded_convolution")
            assert stage.initiation_interval >= plan.interval
            assert waits or stage.initiation_interval == plan.interval
            if plan.kind == "layer_norm":
                option = layer_option(each, plan.layer, schedule, (1, 1))
                assert stage.initiation_interval == option.clocks


def test_a_plan_says_which_inputs_meet_when():
    first, _, last = lay_out(DENSE, _folded(2, 2)).stages
    assert (first.layer, first.folds.steps, first.interval) == (0, 9, 9)
    np.testing.assert_array_equal(first.folds.inputs, [[0, 1], [2, 3], [4, -1]])
    assert first.inputs == Transfer(2, 3, length=5)
    assert last.inputs.count == 2
    assert last.as_codes == ((True,),)
    (pipeline,) = lay_out(DENSE, Schedule()).stages
    assert (pipeline.layers, pipeline.as_codes) == ((0, 1), ((False,), (True,)))
    with pytest.raises(ValueError, match="unpack"):
        _ = pipeline.layer
    with pytest.raises(TypeError, match=r"^a stage of kind 'pipeline' has no fold$"):
        _ = pipeline.folds


def test_slots_of_a_line_buffer_are_part_of_a_plan():
    stage = lay_out(PADDED, Schedule()).stages[0]
    assert (stage.inputs.beats, stage.outputs.beats, stage.interval) == (9, 6, 18)
    assert planned_alone(PADDED.layers[0], Schedule(), (1, 1)).interval == 18


def test_windows_are_part_of_a_plan():
    stage = lay_out(TWICE, _folded(2, 4)).stages[1]
    assert stage.reads.channels == 2
    assert stage.interval == 9 * 2 * 4
    alone = planned_alone(TWICE.layers[1], _folded(1, 1), (2, 4))
    assert (alone.kind, alone.interval, alone.inputs) == ("folded_convolution", 72, stage.inputs)


def test_kinds_without_a_record_are_named(monkeypatch):
    monkeypatch.delitem(LAYER_LAYOUTS, "edge_table")
    message = r"\ALayer 'first': nothing says how layers of kind 'edge_table' are laid out: add a "
    with pytest.raises(InputError, match=message):
        lay_out(DENSE, Schedule())


def test_a_stage_that_nobody_builds_is_named(monkeypatch):
    monkeypatch.setitem(LAYER_LAYOUTS, "edge_table", LayerLayout("unheard_of"))
    assert _kinds(DENSE, Schedule()) == ["unheard_of", "unheard_of"]
    with pytest.raises(InputError, match=r"\AThere is no hardware for stages of kind 'unheard_of'"):
        stages_of(DENSE, Schedule())


def test_images_do_not_follow_vectors():
    program = _program(_edges(4, 16), _convolution(1, 2, 4))
    with pytest.raises(InputError, match=r"\(1, 4, 4\) cannot come from a layer that hands out"):
        lay_out(program, Schedule())


def test_planning_needs_no_amaranth():
    script = "import sys; import kanhw.schedule.layout; print('amaranth' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout == "False\n"


def test_beats_that_cannot_be_are_refused():
    with pytest.raises(InputError, match=r"\ATo split a vector of 4 in 1 beats"):
        Transfer(4).split(4)
    with pytest.raises(InputError, match=r"\A2 of 6 codes a beat cannot be collected to 3"):
        Transfer(2, 3, length=6).collected(3)
