"""Two simulations of one design at the same time, with an empty cache between them."""

import os
import subprocess
import sys

import numpy as np
import pytest

import kanhw
from kanhw.errors import ToolNotFound
from kanhw.formats import CodeFormat
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer
from kanhw.tools.simulators import find_simulator, find_verilator

SCRIPT = "import sys; from kanhw.cli import main; sys.exit(main())"


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["cocotb", "fast"])
def test_both_pass_and_keep_one_simulator(engine, tmp_path):
    try:
        find_simulator() if engine == "cocotb" else find_verilator()
    except ToolNotFound as error:
        pytest.skip(str(error))
    rng = np.random.default_rng(0)
    join = Requantizer(np.ones((1, 2), int), np.zeros(2, int))
    layer = EdgeTableLayer(rng.integers(-9, 10, (2, 3, 16)), (join,))
    kanhw.generate(Program((layer,), InputEncoder(CodeFormat(4, True), 3)), tmp_path / "design")
    np.savez(tmp_path / "data.npz", x=rng.integers(-8, 8, (50, 3)))
    words = ["simulate", "design", "--vectors", "data.npz", "--engine", engine, "--out"]
    both = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, *words, f"{name}.json"],
            cwd=tmp_path, env={**os.environ, "KANHW_CACHE": str(tmp_path / "cache")},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for name in "ab"
    ]  # fmt: skip
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    kept = list((tmp_path / "cache" / "simulators").iterdir())
    assert [path.name.partition("-")[0] for path in kept] == [engine]
