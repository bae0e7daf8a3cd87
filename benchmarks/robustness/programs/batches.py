"""Many designs in one simulation, each with the testbench that `kanhw generate` wrote for it.

Simulators take long to start and to compile, and hardly any time for a small design.
"""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from kanhw.design.design import Design
from kanhw.sim.compiled import shared_objects
from kanhw.tools.simulators import Simulator, find_simulator

__all__ = ["faults"]

# Processor seconds that compiling and simulating a batch may take, for every design in it.
SECONDS = 60

# Clocks of its testbench's patience that a design does not need to show what it has.
IDLE = 900

_OPTIONS = ("-Wno-fatal", "-Wno-lint", "-Wno-style", "--x-assign", "fast", "--x-initial", "fast")
# The designs are small and run for a moment: compiling them is what they cost.
_MAKEFLAGS = "OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0"


def faults(designs: Sequence[Design], folder: Path) -> Mapping[str, str]:
    """What the testbenches of designs say that do not pass, by the name of the design's top.

    Parameters
    ----------
    designs
        Each with a testbench, and a top of another name, in a folder of its own in ``folder``.
    folder
        Where they are, and where the simulation is built.

    Raises
    ------
    RuntimeError
        If the simulation cannot be built, or does not end.
    """
    simulator = find_simulator()
    (folder / "all.v").write_text(_joined(designs, folder))
    sources = ["all.v", *(str((d.path / d.verilog).relative_to(folder)) for d in designs)]
    for words in _commands(simulator, sources):
        said = _run(words, folder, simulator, SECONDS * len(designs))
    told = _by_top(said)
    return {
        design.top: "; ".join(told.get(design.top, [])) or "its testbench said nothing"
        for design in designs
        if [line[:5] for line in told.get(design.top, [])] != ["PASS:"]
    }


def _by_top(said: str) -> dict[str, list[str]]:
    """The lines of every testbench."""
    told: dict[str, list[str]] = {}
    for line in said.splitlines():
        if line.startswith(("PASS: ", "FAIL: ")):
            told.setdefault(line[6:].partition(",")[0], []).append(line)
    return told


def _joined(designs: Sequence[Design], folder: Path) -> str:
    """The testbenches, of which none ends the simulation before the others have spoken."""
    texts = []
    for design in designs:
        place = design.path.relative_to(folder)
        text = (design.path / f"{design.top}_tb.v").read_text()
        for old, new in (
            (f"module {design.top}_tb;", f"module {design.top}_tb;\n  reg done = 0;"),
            ("always #5 clk", "always #5 if (!done) clk"),
            ("$finish(0);", "done = 1;"),
            ('"in.hex"', f'"{place}/in.hex"'),
            ('"expected.hex"', f'"{place}/expected.hex"'),
            # Without pauses of hundreds of clocks at either end, so many more are of no use.
            ("quiet == PATIENCE", f"quiet == PATIENCE - {IDLE}"),
        ):
            if not design.schedule.handshake and "PATIENCE" in old:
                continue
            if text.count(old) != 1:
                raise RuntimeError(f"the testbench of {design.path} has no single {old!r}")
            text = text.replace(old, new)
        texts.append(text)
    benches = "".join(f"  {design.top}_tb {design.top}_bench();\n" for design in designs)
    done = ", ".join(f"{design.top}_bench.done" for design in designs)
    texts.append(
        f"module all_tb;\n{benches}  wire [{len(designs) - 1}:0] done = {{{done}}};\n"
        "  always @(done) if (&done) $finish(0);\nendmodule\n"
    )
    return "\n".join(texts)


def _commands(simulator: Simulator, sources: Sequence[str]) -> list[list[str]]:
    tool = str(simulator.executable)
    if simulator.name == "icarus":
        beside = str(simulator.executable.with_name("vvp"))
        return [[tool, "-g2005", "-s", "all_tb", "-o", "all.vvp", *sources], [beside, "all.vvp"]]
    built = ["--binary", "--timing", "-O0", "-j", "1", "--top-module", "all_tb", *_OPTIONS]
    return [
        [tool, *built, "--output-split", "20000", "-MAKEFLAGS", _MAKEFLAGS, *sources],
        ["obj_dir/Vall_tb", "+verilator+quiet"],
    ]


def _run(words: Sequence[str], folder: Path, simulator: Simulator, seconds: int) -> str:
    """What a command says; it may take so many seconds of a processor."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))

    done = subprocess.run(
        words, cwd=folder, env=simulator.process_environment(shared_objects()),
        capture_output=True, text=True,
        check=False, preexec_fn=limit,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{words[0]}: {(done.stdout + done.stderr).strip()[-500:]}")
    return done.stdout
