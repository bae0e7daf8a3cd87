"""The top at its pins under cocotb, with a UART model that is not ours."""

import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from kanhw.boards.build.building import build_for_board
from kanhw.boards.built import TOP_VERILOG, load_built
from kanhw.boards.catalogue.table import board_named
from kanhw.errors import ToolNotFound
from kanhw.schedule.schedule import Schedule
from kanhw.tools.simulators import find_verilator

pytest.importorskip("cocotbext.uart")
pytest.importorskip("amaranth_boards")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _verilator():
    try:
        find_verilator()
    except ToolNotFound as error:
        pytest.skip(str(error))


def simulated(folder, work, codes):
    """Run the bench on a build; raises where it fails."""
    from cocotb_tools.runner import get_runner

    # Icarus 11 never evaluates logic of which no input changes after time 0.
    simulator = find_verilator()
    np.save(work / "codes.npy", codes)
    runner = get_runner(simulator.name)
    extra = {
        "KANHW_TEST_BUILD": str(folder),
        "KANHW_TEST_CODES": str(work / "codes.npy"),
    }
    before = dict(os.environ)
    os.environ.update({**simulator.process_environment(), **extra})
    try:
        runner.build(
            sources=[folder / TOP_VERILOG],
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


@pytest.mark.parametrize("board", ["icebreaker", "ulx3s-25f"])
def test_a_small_network(small_program, board, tmp_path, monkeypatch):
    # cocotb's runner hands this on to the simulator.
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    folder = tmp_path / "build"
    build_for_board(small_program, Schedule(), board_named(board), folder, project=True)
    codes = np.random.default_rng(1).integers(-8, 8, (200, 3))
    simulated(load_built(folder).path, tmp_path, codes)
