"""A family that this package does not know: one record, and every verb takes it by its name."""

import json
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import kanhw
import kanhw.sim
from kanhw.cli import main
from kanhw.errors import InputError
from kanhw.estimation import estimate_verilog
from kanhw.estimation.resource_model import model_design, resources_of
from kanhw.formats import CodeFormat
from kanhw.gateware.parts.costs import HardwareCosts, MemoryShape
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer
from kanhw.targets.table import TARGETS
from kanhw.targets.target import CellLibrary, PlaceAndRoute

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "own_family.py"


@pytest.fixture(scope="module")
def own():
    """The documentation's example, which registers itself; out of the table again."""
    family = runpy.run_path(str(EXAMPLE))["FOURS"]
    assert TARGETS.pop("fours") is family
    return family


@pytest.fixture
def plain(own):
    """The same family without a resource model."""
    return replace(own, block_rams=None, weights=None)


@pytest.fixture
def fours(monkeypatch, plain):
    """The family registered."""
    monkeypatch.setitem(TARGETS, plain.name, plain)


@pytest.fixture(scope="module")
def program():
    tables = np.random.default_rng(0).integers(-8, 8, (2, 3, 8))
    requantizer = Requantizer(np.ones((1, 2), np.int64), np.zeros(2, np.int64), 0, None)
    layer = EdgeTableLayer(tables, (requantizer,))
    return Program((layer,), InputEncoder(CodeFormat(3, signed=True), 3))


@pytest.fixture(scope="module")
def design(program, tmp_path_factory):
    return kanhw.generate(program, tmp_path_factory.mktemp("family") / "design")


def test_it_is_estimated_by_its_name(fours, design, capsys):
    assert main(["estimate", str(design.path), "--target", "fours", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["target"], found["recipe"]) == ("fours", "generic")
    assert found["bram_unit"] == "RAM4K"
    assert found["lut"] > 20 and found["ff"] > 20 and found["other"] == {}
    assert found["lut_by_size"] == {"4": found["lut"]}
    assert kanhw.estimate(design, "fours").lut == found["lut"]


def test_its_cells_are_counted(fours, tmp_path):
    path = tmp_path / "adder.v"
    path.write_text(
        "module adder(input clk, input [7:0] a, b, output reg [8:0] y, input t, output x);\n"
        "always @(posedge clk) y <= a + b;\nassign x = ^{a[3:0]} & t;\nendmodule\n"
    )
    found = estimate_verilog(path, "adder", "fours")
    assert found.ff == 9 and found.lut >= 9


def test_the_command_line_lists_it(fours, capsys):
    with pytest.raises(SystemExit):
        main(["estimate", "--help"])
    assert "fours (Four Inputs)" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(InputError, match=r"the targets are xcup, .*, fours$"):
        kanhw.estimate("nowhere", "virtex")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["estimate", "{}", "--target", "fours", "--fmax"],
            (
                "Fmax needs placing and routing, which there is for ecp5 only, not fours: estimate "
                "fours without it, or with --board one of its boards ('kanhw boards')"
            ),
        ),
        (
            ["simulate", "{}", "--vectors", "v.npz", "--netlist", "fours"],
            (
                "A netlist of fours cannot be simulated, since there are no models of its cells: "
                "take xcup, ecp5, ice40, or simulate the Verilog itself"
            ),
        ),
    ],
)
def test_what_it_lacks_is_said_in_a_line(
    options, message, fours, design, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    np.savez("v.npz", x=np.zeros((2, 3), np.int64))
    assert main([option.format(design.path) for option in options]) == 2
    assert capsys.readouterr().err == f"kanhw: error: {message}\n"


def test_there_is_a_resource_model_only_where_it_was_fitted(fours, own, program, monkeypatch):
    fitted = "xcup, ecp5, ice40, xc7"
    message = rf"^There is no resource model of fours, it was fitted for {fitted} only: "
    with pytest.raises(InputError, match=message):
        model_design(program, kanhw.Schedule(), "fours")
    with pytest.raises(InputError, match=r"^There is no resource model of fours, "):
        kanhw.schedule_for(program, kanhw.Budget(lut=9999), target="fours")
    monkeypatch.setitem(TARGETS, "fours", own)
    costs = HardwareCosts(adder_bits=10, table_luts=4, memories=(MemoryShape(8192, 1),))
    # Two blocks of 4,096 words of a bit, and one LUT that chooses between them.
    expected = 2 * 10 + 5 * 4 + 1
    assert resources_of(costs, "fours").lut == expected
    assert resources_of(costs, "fours").bram == 2
    chosen = kanhw.schedule_for(program, kanhw.Budget(lut=9999), target="fours")
    assert chosen.resources == model_design(program, chosen.schedule, "fours")
    assert chosen.resources != model_design(program, chosen.schedule)


def test_it_is_placed_by_the_nextpnr_that_it_names(plain, design, monkeypatch):
    placing = PlaceAndRoute(tool="nextpnr-fours", device="F4", flags=("--four",))
    monkeypatch.setitem(TARGETS, "fours", replace(plain, place_and_route=placing))
    monkeypatch.delenv("NEXTPNR_FOURS", raising=False)
    message = r"^nextpnr-fours was not found: install it with 'pip install yowasp-nextpnr-fours'"
    with pytest.raises(kanhw.ToolNotFound, match=message):
        kanhw.estimate(design, "fours", fmax=True)


@pytest.mark.wide
def test_its_netlist_is_simulated_with_models_of_its_cells(plain, design, program, monkeypatch):
    pytest.importorskip("cocotb")
    try:
        kanhw.sim.find_simulator()
    except kanhw.ToolNotFound as error:
        pytest.skip(str(error))
    library = CellLibrary("simcells.v")
    monkeypatch.setitem(TARGETS, "fours", replace(plain, library=library))
    codes = np.random.default_rng(1).integers(-4, 4, (40, 3))
    result = kanhw.simulate(design, codes, netlist="fours")
    assert result.passed and result.netlist == "fours" and result.equivalence.vectors == 40
