"""What the commands say of boards before anything is built."""

import json
from dataclasses import replace

import numpy as np
import pytest

from kanhw.boards import listing
from kanhw.boards.build.schedules import fit_of, schedules_for
from kanhw.boards.catalogue import table
from kanhw.boards.catalogue.table import BOARDS, board_named
from kanhw.cli import main
from kanhw.errors import InputError, ToolNotFound
from kanhw.estimation.resource_model import model_design
from kanhw.formats import CodeFormat
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer, save_program
from kanhw.tools.tool import FoundTool, Tool


def test_what_the_link_leaves_is_said(small):
    for ask in (fit_of, lambda program, board: next(schedules_for(program, board))):
        with pytest.raises(InputError) as found:
            ask(small, board_named("icestick"))
        assert str(found.value) == (
            "The link takes 1,200 of the 1,280 LUTs of iCE40HX1K-TQ144 and leaves 80, too few for "
            "a network: take a larger board ('kanhw fits PROGRAM' lists those that will do)"
        )


def test_of_an_unknown_device_no_schedule_is_chosen(small):
    stranger = replace(board_named("icebreaker"), budget={}, device="iCE40XX9")
    with pytest.raises(InputError, match=r"^What iCE40XX9 holds is not known .*--schedule"):
        next(schedules_for(small, stranger))


def test_where_memories_are_short_less_of_them_is_tried():
    """Place and route may find no room for what the model gives all memories of a board."""
    tables = np.random.default_rng(0).integers(-99, 100, (12, 12, 64))
    requantizer = Requantizer(np.ones((1, 12), int), np.zeros(12, int), 6, CodeFormat(8, True))
    program = Program(
        (EdgeTableLayer(tables, (requantizer,)),), InputEncoder(CodeFormat(6, True), 12)
    )
    budget = {"TRELLIS_COMB": 8000, "DP16KD": 24, "MULT18X18D": 0}
    schedules = schedules_for(program, replace(board_named("ulx3s-85f"), budget=budget))
    blocks = [model_design(program, schedule).bram for schedule in schedules]
    assert len(blocks) > 2 and blocks == sorted(set(blocks), reverse=True), blocks


def test_every_board_has_a_row(small, tmp_path, capsys, monkeypatch):
    names = ("icestick", "icebreaker", "arty-a7-35t")
    monkeypatch.setattr(table, "BOARDS", {name: board_named(name) for name in names})
    program = tmp_path / "program.safetensors"
    save_program(small, program)
    assert main(["fits", str(program), "--json"]) == 0
    rows = {row["board"]: row for row in json.loads(capsys.readouterr().out)["boards"]}
    assert tuple(rows) == names
    assert [name for name, row in rows.items() if not row["fits"]] == ["icestick"]
    assert rows["arty-a7-35t"]["logic_share"] < rows["icebreaker"]["logic_share"] < 1


@pytest.fixture
def tools(monkeypatch):
    """All programs are there, but for those of these names."""

    def use(*absent):
        def find(tool):
            if tool.program in absent:
                raise ToolNotFound(f"{tool.title} was not found: buy it")
            return FoundTool(tool.program, (tool.program,), "1.0")

        monkeypatch.setattr(Tool, "find", find)
        monkeypatch.setattr(listing.importlib.util, "find_spec", lambda module: object())

    return use


def test_boards_are_listed_with_what_they_are_built_with(tools, capsys):
    tools("vivado", "prjoxide")
    assert main(["boards", "--json"]) == 0
    listed = {each["name"]: each for each in json.loads(capsys.readouterr().out)["boards"]}
    assert set(listed) == set(BOARDS)
    nexus = listed["crosslink-nx-evn"]
    assert nexus["built_with"] == ["yosys", "nextpnr-nexus", "prjoxide"]
    assert nexus["missing"] == ["prjoxide"]
    assert nexus["tools"]["prjoxide"] == "not there: prjoxide was not found: buy it"
    assert listed["arty-z7"]["loaded_with"] == ["openfpgaloader", "vivado"]
    assert listed["gatemate-evb"]["missing"] == []
    assert main(["boards"]) == 0
    text = capsys.readouterr().out
    assert "lacks vivado: the project is written; built with vivado" in text
    assert "lacks prjoxide; built with yosys, nextpnr-nexus, prjoxide" in text
    assert "can be built here; built with yosys, nextpnr-ice40, icepack" in text
