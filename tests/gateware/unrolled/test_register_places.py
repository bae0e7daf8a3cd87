"""Registers behind the tables of some layers only: every number of stages, the same numbers."""

from dataclasses import replace

import numpy as np
import pytest

from kanhw.cli import main
from kanhw.design.design import load_design
from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.gateware.top.stream_top import StreamTop
from kanhw.gateware.unrolled.unrolled_layers import ProgramCore
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer, save_program
from kanhw.schedule.layout import lay_out
from kanhw.schedule.schedule import Schedule

CODE = CodeFormat(3, False)
NAMES = ("layers.0", "layers.1")


@pytest.fixture(scope="module")
def program():
    rng = np.random.default_rng(0)
    layers = [
        EdgeTableLayer(
            rng.integers(0, 12, (n_out, n_in, CODE.count)),
            (Requantizer(np.ones((1, n_out), int), np.zeros(n_out, int), shift, code),),
            name,
        )
        for name, n_in, n_out, shift, code in [(NAMES[0], 5, 4, 3, CODE), (NAMES[1], 4, 2, 0, None)]
    ]
    return Program(tuple(layers), InputEncoder(CODE, 5))


def _registers(*names):
    return {name: False for name in NAMES if name not in names}


# Stages, adder levels, the layers with registers behind their tables.
PLACES = [
    (2, 0, ()),
    (3, 0, NAMES[:1]),
    (3, 0, NAMES[1:]),
    (4, 0, NAMES),
    (5, 2, NAMES),
    (6, 1, NAMES[1:]),
]


def _check(program, schedule, stages, run_core, stimulus):
    codes = stimulus(program, np.random.default_rng(0), 40)
    np.testing.assert_array_equal(run_core(program, schedule, codes), program(codes))
    assert ProgramCore(program, schedule).latency == stages
    assert StreamTop(program, replace(schedule, handshake=True)).latency == stages


@pytest.mark.some(2)
@pytest.mark.parametrize(("stages", "levels", "names"), PLACES)
def test_every_number_of_stages(stages, levels, names, program, run_core, stimulus):
    schedule = Schedule(
        adder_levels=levels, table_registers=_registers(*names), handshake=False
    )
    _check(program, schedule, stages, run_core, stimulus)


def test_places_on_the_tuned_fabric(program, run_core, stimulus):
    schedule = Schedule(
        adder_levels=0,
        table_registers={NAMES[0]: False},
        fabric="ultrascale+",
        merge_tables="xcup",
        handshake=False,
    )
    _check(program, schedule, 3, run_core, stimulus)


def test_names_are_checked_and_kept(program, tmp_path, capsys):
    schedule = Schedule(table_registers={NAMES[1]: False})
    assert Schedule.from_json(schedule.to_json()) == schedule
    assert schedule.of_layer(NAMES[1]).table_registers is False
    assert schedule.of_layer(NAMES[0]).table_registers is True
    with pytest.raises(InputError, match=r"names layer 'first', but .* 'layers.0', 'layers.1'"):
        lay_out(program, Schedule(table_registers={"first": False}))
    with pytest.raises(TypeError, match=r"\Atable_registers must be True or False, or these"):
        Schedule(table_registers={NAMES[1]: 0})
    source, out = tmp_path / "kan.safetensors", tmp_path / "design"
    save_program(program, source)
    arguments = ["generate", str(source), "--out", str(out), "--no-table-registers", NAMES[1]]
    assert main(arguments) == 0
    assert load_design(out).schedule == schedule
    assert main([*arguments[:-1], "none", "--force"]) != 0
    assert "names layer 'none'" in capsys.readouterr().err
