"""Hardware of conversions equals their integers at every code."""

import numpy as np
import pytest
from physical_programs import physical_image, physical_program

from kanhw.design.packing import ints_to_words, pack_codes, payload_ints, unpack_codes
from kanhw.gateware.stream.code_conversion import CodeConversion
from kanhw.gateware.stream.input_conversion import ConversionStage
from kanhw.gateware.top.generator import ports_of
from kanhw.gateware.top.stream_top import StreamTop
from kanhw.program import with_formats
from kanhw.schedule.schedule import Schedule

FORMATS = ["q4.4", "uq6.2", "u9:0..511=-10..50", "s8:-9..100=-0.2..3.3"]


@pytest.mark.some(3)
@pytest.mark.parametrize("levels", [0, 1])
@pytest.mark.parametrize("text", FORMATS)
def test_every_code_of_one_feature(text, levels, simulate):
    program = with_formats(physical_program(1), inputs=text)
    codes = program.input.format.codes()
    for feature in (0, 3):
        unit = CodeConversion(program.conversion, program.input, np.array([feature]), levels)
        found = simulate(unit, [unit.i], [(k,) for k in range(len(codes))])
        whole = np.repeat(codes[:, np.newaxis], program.n_in, axis=1)
        expected = program.conversion(whole)[:, feature] - program.grid.format.lo
        assert found == expected.tolist()


@pytest.mark.some(2)
@pytest.mark.parametrize("text", ["q8.8", "uq4.4", "q8.12"])
def test_features_that_take_turns(text, simulate):
    program = with_formats(physical_program(2), inputs=text)
    rng = np.random.default_rng(0)
    features = np.array([0, 2, 4, -1])
    unit = CodeConversion(program.conversion, program.input, features, 1)
    assert unit.turns == 4
    turns = rng.integers(0, 3, 600)
    form = program.input.format
    codes = rng.integers(form.lo, form.hi + 1, (600, program.n_in))
    chosen = codes[np.arange(600), features[turns]]
    words = list(zip(turns.tolist(), (chosen - form.lo).tolist(), strict=True))
    found = simulate(unit, [unit.turn, unit.i], words)
    expected = program.conversion(codes)[np.arange(600), features[turns]]
    assert found == (expected - program.grid.format.lo).tolist()


SCHEDULES = [
    Schedule(),
    Schedule(fabric="ultrascale+", adder_levels=0),
    Schedule(kind="folded"),
    Schedule(kind="folded", parallel_inputs=2, parallel_outputs=2),
    Schedule(kind="folded", parallel_inputs=9, parallel_outputs=9),
]


@pytest.mark.some(3)
@pytest.mark.parametrize(
    ("make", "schedule"),
    [
        (physical_program, SCHEDULES[0]),
        (physical_program, SCHEDULES[1]),
        (physical_program, SCHEDULES[3]),
        (physical_program, SCHEDULES[4]),
        (physical_image, SCHEDULES[0]),
        (physical_image, SCHEDULES[2]),
        (physical_image, SCHEDULES[3]),
    ],
)
def test_whole_designs(make, schedule, stream_run):
    program = with_formats(make(5), inputs="u10:0..1023=-1..5", outputs="q6.6")
    top = StreamTop(program, schedule)
    assert isinstance(top.stages[0], ConversionStage)
    inputs, outputs = ports_of(top, program)
    count, rng = 8, np.random.default_rng(0)
    codes = rng.integers(0, 1024, (count, program.n_in))
    words = payload_ints(pack_codes(codes, inputs))
    for chances in ((1.0, 1.0), (0.6, 0.5)):
        run = stream_run(top, words, count * outputs.beats, chances=chances)
        found = unpack_codes(ints_to_words(run.words, outputs), outputs)
        np.testing.assert_array_equal(found, program(codes))
        if chances == (1.0, 1.0):
            ends = run.taken[outputs.beats - 1 :: outputs.beats]
            assert ends[0] - run.accepted[inputs.beats - 1] == top.latency


def test_a_core_without_a_handshake(run_core):
    program = with_formats(physical_program(4), inputs="q4.4", outputs="q6.6")
    codes = np.random.default_rng(0).integers(-128, 128, (40, program.n_in))
    found = run_core(program, Schedule(), codes)
    np.testing.assert_array_equal(found, program(codes))
