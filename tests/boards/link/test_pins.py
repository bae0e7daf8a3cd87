"""The top at its pins under cocotb, with a UART model that is not ours."""

import os
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

import kanhw
from kanhw.boards.build.building import build_for_board
from kanhw.boards.built import TOP_VERILOG, load_built
from kanhw.boards.catalogue.table import board_named
from kanhw.errors import ToolNotFound
from kanhw.importers.load import load_model
from kanhw.schedule.schedule import Schedule
from kanhw.sim.compiled import shared_objects
from kanhw.sim.netlist import cell_library
from kanhw.sim.vectors import stimulus
from kanhw.targets.table import library_of
from kanhw.tools.simulators import find_verilator
from kanhw.tools.yosys import run_script

pytest.importorskip("cocotbext.uart")
pytest.importorskip("amaranth_boards")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _verilator():
    try:
        find_verilator()
    except ToolNotFound as error:
        pytest.skip(str(error))


def simulated(folder, work, codes, verilog=None):
    """Run the bench on a build, or on other Verilog of its ports; raises where it fails."""
    from cocotb_tools.runner import get_runner

    # Icarus 11 never evaluates logic of which no input changes after time 0.
    simulator = find_verilator()
    np.save(work / "codes.npy", codes)
    runner = get_runner(simulator.name)
    extra = {
        **shared_objects(),
        "KANHW_TEST_BUILD": str(folder),
        "KANHW_TEST_CODES": str(work / "codes.npy"),
    }
    before = dict(os.environ)
    os.environ.update({**simulator.process_environment(), **extra})
    try:
        runner.build(
            sources=[verilog or folder / TOP_VERILOG],
            hdl_toplevel="link_top",
            build_dir=work / "sim",
            build_args=["-Wno-fatal", "--no-timing"],
            timescale=("1ps", "1ps"),
        )
        results = runner.test(
            hdl_toplevel="link_top",
            test_module="pins_bench",
            build_dir=work / "sim",
            test_dir=work,
            timescale=("1ps", "1ps"),
        )
    finally:
        os.environ.clear()
        os.environ.update(before)
    tree = ElementTree.parse(results)
    assert tree.findall(".//testcase") and not tree.findall(".//failure")


@pytest.fixture
def bench(monkeypatch, tmp_path):
    """Builds without tools for a board, and runs the bench on it."""
    # cocotb's runner hands this on to the simulator.
    monkeypatch.syspath_prepend(str(Path(__file__).parent))

    def run(program, schedule, board, codes, baud=None, verilog_of=None):
        folder = tmp_path / "build"
        build_for_board(program, schedule, board_named(board), folder, baud=baud, project=True)
        built = load_built(folder)
        simulated(built.path, tmp_path, codes, verilog_of(built) if verilog_of else None)

    return run


def dry_bean(shared_folder):
    folder = shared_folder / "peers" / "kanele" / "dry_bean"
    return load_model(folder), np.load(folder / "vectors.npz")["x"]


@pytest.mark.parametrize("board", ["icebreaker", "ulx3s-25f"])
def test_a_small_network(small_program, board, bench):
    codes = np.random.default_rng(1).integers(-8, 8, (200, 3))
    bench(small_program, Schedule(), board, codes)


# The clocks of the five boards; a bit of as few clocks as there can be, and other numbers.
@pytest.mark.parametrize(
    ("board", "baud"),
    [
        ("icebreaker", 1_000_000),
        ("ulx3s-25f", 5_000_000),
        ("orangecrab-25f", 12_000_000),
        ("tang-nano-9k", 3_000_000),
        ("gatemate-evb", 2_000_000),
    ],
)
def test_dry_bean(shared_folder, board, baud, bench):
    program, codes = dry_bean(shared_folder)
    bench(program, Schedule(), board, codes[:200], baud)


def test_digits_folded(shared_folder, bench):
    images, _ = load_digits(return_X_y=True)
    model = load_model(shared_folder / "fixtures" / "kan_libraries" / "efficient_kan_digits")
    program = kanhw.quantize(model, images[:400] / 16).with_argmax()
    codes = stimulus(program, images[400:600] / 16, None, integers="reals")
    bench(program, Schedule(kind="folded", parallel_inputs=4), "ulx3s-25f", codes, 5_000_000)


def netlist_of(built):
    """What Yosys makes of the top with the options of the board, and its models of the cells."""
    options = " ".join(board_named(built.board).synthesis)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "top.v").write_bytes((built.path / TOP_VERILOG).read_bytes())
        run_script(
            f"read_verilog top.v\nsynth_ice40 {options} -top link_top\n"
            "write_verilog -noattr netlist.v\n",
            work,
        )
        netlist = (work / "netlist.v").read_text(encoding="utf-8")
    assert netlist.count("SB_LUT4 #") > 500 and "always" not in netlist
    path = built.path.parent / "netlist.v"
    path.write_text(netlist + cell_library(netlist, library_of("ice40")), encoding="utf-8")
    return path


def test_a_netlist_of_a_small_network(small_program, bench):
    codes = np.random.default_rng(1).integers(-8, 8, (60, 3))
    bench(small_program, Schedule(), "icebreaker", codes, 2_000_000, netlist_of)


def test_a_netlist_of_dry_bean(shared_folder, bench):
    program, codes = dry_bean(shared_folder)
    bench(program, Schedule(), "icebreaker", codes[:200], 2_000_000, netlist_of)
