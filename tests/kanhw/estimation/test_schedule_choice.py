"""Budgets: how they are written, and that nothing better fits than what is chosen."""

import itertools

import numpy as np
import pytest

import kanhw
from kanhw.cli import main
from kanhw.errors import InputError
from kanhw.estimation.resource_model import Resources, model_design, resources_of
from kanhw.estimation.schedule_choice import schedule_for
from kanhw.estimation.unbuilt import unbuilt
from kanhw.formats import CodeFormat
from kanhw.gateware.top.stage_costs import layer_option
from kanhw.program import (
    BasisTableLayer,
    EdgeTableLayer,
    InputEncoder,
    Program,
    Requantizer,
)
from kanhw.schedule.budget import Budget
from kanhw.schedule.schedule import Schedule
from kanhw.targets.memories import MappedMemory
from kanhw.targets.ultrascale_plus import ULTRASCALE_PLUS

CODE = CodeFormat(4, True)


def _basis_layer(rng, n_in, n_out, name, *, last):
    tables = np.zeros((1, 16, 4), int)
    for code in range(16):
        tables[0, code, code // 8 : code // 8 + 3] = rng.integers(1, 8, 3)
    factors = rng.integers(9000, 32000, (2, n_out))
    zero = np.zeros(n_in, int)
    return BasisTableLayer(
        *(tables, zero, rng.integers(-8, 8, (n_out, n_in, 4))),
        *(rng.integers(-9, 128, (1, 16, 1)), zero, rng.integers(-8, 8, (n_out, n_in, 1))),
        (
            Requantizer(
                factors, rng.integers(-99, 99, n_out), 0 if last else 20, None if last else CODE
            ),
        ),
        name,
    )


@pytest.fixture(scope="module")
def program():
    rng = np.random.default_rng(0)
    layers = (_basis_layer(rng, 9, 6, "a", last=False), _basis_layer(rng, 6, 3, "b", last=True))
    return Program(layers, InputEncoder(CODE, 9))


@pytest.fixture(scope="module")
def folds(program):
    """Clocks and resources of every folded design."""
    schedule, layers = Schedule(kind="folded"), []
    with unbuilt():
        for k, layer in enumerate(program.layers):
            lanes = itertools.product(range(1, layer.n_in + 1), range(1, layer.n_out + 1))
            options = [layer_option(program, k, schedule, parallel) for parallel in lanes]
            layers.append([(option.clocks, resources_of(option.costs)) for option in options])
    return [
        (max(own[0] for own in chosen), sum((own[1] for own in chosen), Resources()))
        for chosen in itertools.product(*layers)
    ]


@pytest.mark.some(2)
@pytest.mark.parametrize(
    "limits", [{"lut": 900}, {"lut": 1200, "dsp": 8}, {"lut": 1000, "bram": 3}, {"lut": 100_000}]
)
def test_nothing_quicker_fits(program, folds, limits):
    budget = Budget(**limits)
    choice = schedule_for(program, budget)
    assert budget.allows(choice.resources)
    assert not choice.missed(budget)
    assert choice.resources == model_design(program, choice.schedule)
    if choice.schedule.kind == "unrolled":
        assert choice.clocks == 1
        return
    quickest = min(clocks for clocks, resources in folds if budget.allows(resources))
    assert choice.clocks == quickest


@pytest.mark.parametrize("clocks", [14, 3])
def test_fewest_luts_within_clocks(program, folds, clocks):
    choice = schedule_for(program, Budget(clocks=clocks))
    assert choice.clocks <= clocks
    fewest = min(resources.lut for own, resources in folds if own <= clocks)
    assert choice.resources.lut <= fewest


@pytest.mark.wide
def test_what_was_chosen_is_what_is_made(program, tmp_path):
    choice = kanhw.schedule_for(program, kanhw.Budget(lut=800))
    design = kanhw.generate(program, tmp_path / "design", schedule=choice.schedule)
    assert design.initiation_interval == choice.clocks


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"lut": 50}, r"LUT missed by \d+ \(\d+ of 50\) in the smallest design, which takes"),
        (
            {"lut": 50, "dsp": 1},
            r"LUT missed by .*, DSP missed by \d+ \(\d+ of 1\) in the smallest design",
        ),
        (
            {"lut": 900, "clocks": 3},
            r"clocks missed by \d+ \(\d+ of 3\) in the quickest design within the other limits",
        ),
    ],
)
def test_what_does_not_fit_is_refused(program, limits, message):
    with pytest.raises(InputError, match=rf"\ANothing fits the budget .*: {message}"):
        schedule_for(program, Budget(**limits))


def test_without_a_handshake_nothing_is_folded(program):
    with pytest.raises(InputError, match="in the bare core, which has no folded schedule"):
        schedule_for(program, Budget(lut=300), Schedule(handshake=False))


def test_schedule_for_refuses_other_types(program):
    with pytest.raises(TypeError, match="needs a Program"):
        schedule_for("program", Budget(lut=1))
    with pytest.raises(TypeError, match=r"must be a kanhw\.Budget, not dict"):
        schedule_for(program, {"lut": 1})


def test_budget_as_text():
    text = "lut=3546,bram=147,dsp=32,clocks=1700"
    budget = Budget.from_text(text)
    assert budget == Budget(lut=3546, bram=147, dsp=32, clocks=1700)
    assert str(budget) == text
    assert Budget.from_text(" dsp = 0 ").limits == {"dsp": 0}


@pytest.mark.parametrize(
    "text", ["lut", "lut=", "lut=-1", "lut=1,lut=2", "ff=3", "lut=1;dsp=2", ""]
)
def test_budget_refuses_text(text):
    with pytest.raises(InputError, match=r"\AA budget is written as lut=3546"):
        Budget.from_text(text)


def test_budget_refuses_values():
    with pytest.raises(InputError, match="lut of a budget must be at least 1, not 0"):
        Budget(lut=0)
    with pytest.raises(InputError, match="needs at least one limit of lut, bram, dsp, clocks"):
        Budget()
    with pytest.raises(TypeError, match=r"dsp of a budget must be an integer, not 1\.5"):
        Budget(dsp=1.5)


def test_exceeded_limits_are_named():
    budget = Budget(lut=10, dsp=3, clocks=5)
    assert budget.exceeded(Resources(12, 99, 3), 9) == (
        "LUT missed by 2 (12 of 10), clocks missed by 4 (9 of 5)"
    )
    assert budget.exceeded(Resources(10, 99, 3), 5) == ""


# What Yosys made of these memories (synth_xilinx -family xcup).
@pytest.mark.parametrize(
    ("words", "width", "ports", "bram"),
    [
        (3136, 32, 1, 7),
        (1568, 32, 1, 4),
        (3136, 16, 1, 4),
        (4704, 16, 1, 5),
        (3792, 16, 1, 4),
        (1568, 160, 1, 18),
        (512, 8, 2, 1),
        (2560, 4, 1, 1),
    ],
)
def test_block_rams(words, width, ports, bram):
    assert ULTRASCALE_PLUS.block_rams.mapped(words, width, ports).bram == bram


def test_small_memories_are_luts():
    assert ULTRASCALE_PLUS.block_rams.mapped(256, 4) == MappedMemory(table=(8, 4), registers=4)
    assert ULTRASCALE_PLUS.block_rams.mapped(64, 32).table == (6, 32)
    assert ULTRASCALE_PLUS.block_rams.mapped(128, 16, written=True).bram == 0


def test_command_chooses(program, tmp_path, capsys):
    source = tmp_path / "program.safetensors"
    kanhw.save_program(program, source)
    out = tmp_path / "design"
    assert main(["generate", str(source), "--out", str(out), "--schedule", "lut=800"]) == 0
    text = capsys.readouterr().out
    assert "chosen for lut=800: " in text
    assert "as with --parallel-inputs a=" in text
    again = ["generate", str(source), "--out", str(out), "--schedule", "lut=20,clocks=9"]
    assert main(again) != 0
    assert "Nothing fits the budget lut=20,clocks=9" in capsys.readouterr().err


def test_unrolled_layers_are_modelled():
    rng = np.random.default_rng(0)
    tables = rng.integers(-20, 20, (4, 3, 16))
    requantizer = Requantizer(np.ones((1, 4), int), np.zeros(4, int))
    layer = EdgeTableLayer(tables, (requantizer,), "layer")
    own = Program((layer,), InputEncoder(CODE, 3))
    twice = EdgeTableLayer(np.tile(tables, (1, 2, 1)), (requantizer,), "layer")
    larger = Program((twice,), InputEncoder(CODE, 6))
    assert 0 < model_design(own, Schedule()).lut < model_design(larger, Schedule()).lut
    assert schedule_for(own, Budget(clocks=1)).schedule.kind == "unrolled"
