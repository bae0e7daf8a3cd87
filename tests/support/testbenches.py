"""Running a design's own testbench, in Verilator or Icarus Verilog."""

import shutil
import subprocess

from kanhw.sim.compiled import shared_objects
from kanhw.tools.simulators import find_verilator


def run_testbench(folder, top, build):
    """What the testbench of a design says, built by Verilator in another folder if not yet."""
    simulator = find_verilator()
    environment = simulator.process_environment(shared_objects())
    files = [f"{top}.v", f"{top}_tb.v"]
    command = [simulator.executable, "--binary", "--timing", "-Wno-fatal", "-O0", "-j", "1"]
    command += ["--top-module", f"{top}_tb", "-MAKEFLAGS", "OPT_FAST=-O0 OPT_GLOBAL=-O0", *files]
    steps = [[build / "obj_dir" / f"V{top}_tb", "+verilator+quiet"]]
    if not build.exists():
        shutil.copytree(folder, build)
        steps.insert(0, command)
    for each in steps:
        done = subprocess.run(
            each, cwd=build, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    # Verilator itself says where it was told to finish.
    return "".join(line for line in done.stdout.splitlines(True) if not line.startswith("- "))


def run_in_icarus(folder, top, build):
    """The same in Icarus Verilog, as an engineer types it; nothing but these two programs runs."""
    if not build.exists():
        shutil.copytree(folder, build)
        files = [f"{top}.v", f"{top}_tb.v"]
        _said(["iverilog", "-g2005", "-Wall", "-s", f"{top}_tb", "-o", "sim.vvp", *files], build)
    return _said(["vvp", "-n", "sim.vvp"], build)


def _said(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
