"""Running a design's own testbench, in Verilator or Icarus Verilog."""

import shutil
import subprocess

from kanhw.sim.compiled import shared_objects
from kanhw.tools.simulators import find_verilator


def run_testbench(folder, top, build):
    """What the testbench of a design says, and its status.

    Verilator builds it in another folder if it is not there yet.
    """
    simulator = find_verilator()
    environment = simulator.process_environment(shared_objects())
    files = [f"{top}.v", f"{top}_tb.v"]
    command = [simulator.executable, "--binary", "--timing", "-Wno-fatal", "-O0", "-j", "1"]
    command += ["--top-module", f"{top}_tb", "-MAKEFLAGS", "OPT_FAST=-O0 OPT_GLOBAL=-O0", *files]
    if not build.exists():
        shutil.copytree(folder, build)
        _built(command, build, environment)
    return _said([build / "obj_dir" / f"V{top}_tb", "+verilator+quiet"], build, environment)


def run_in_icarus(folder, top, build):
    """The same in Icarus Verilog, as an engineer types it; nothing but these two programs runs."""
    if not build.exists():
        shutil.copytree(folder, build)
        files = [f"{top}.v", f"{top}_tb.v"]
        _built(["iverilog", "-g2005", "-Wall", "-s", f"{top}_tb", "-o", "sim.vvp", *files], build)
    return _said(["vvp", "-n", "sim.vvp"], build)


def _built(command, folder, environment=None):
    done = _run(command, folder, environment)
    assert done.returncode == 0, done.stdout + done.stderr


def _said(command, folder, environment=None):
    """What the testbench printed itself, and its status."""
    done = _run(command, folder, environment)
    # Simulators themselves say where they were told to stop.
    lines = done.stdout.splitlines(True)
    own = [line for line in lines if line.startswith(("PASS", "FAIL"))]
    return "".join(own), done.returncode


def _run(command, folder, environment):
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
