"""What alkaid needs to simulate its Verilog."""

import subprocess

import pytest

from benchmarks.fabric.hgq.verilog import verilator_on_path
from kanhw.errors import ToolNotFound
from kanhw.tools.simulators import find_verilator


def test_a_verilator_on_path_that_tells_its_version():
    try:
        find_verilator()
    except ToolNotFound as error:
        pytest.skip(str(error))
    with verilator_on_path():
        told = subprocess.run(
            ["verilator", "--version"], capture_output=True, text=True, check=True
        )
        helps = subprocess.run(["verilator", "--help"], capture_output=True, text=True, check=True)
    assert told.stdout.startswith("Verilator 5.") and "--lint-only" in helps.stdout
