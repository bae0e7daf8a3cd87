"""Simulating a whole design with cocotb, under stalls and with the stream rules checked."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.design.design import Design, load_design
from kanhw.design.packing import checked_codes, pack_codes, unpack_codes
from kanhw.errors import InputError, ToolFailed, ToolNotFound
from kanhw.formats import IntArray
from kanhw.interruption import temporary_folder
from kanhw.places import check_place, move_whole
from kanhw.sim import bench_job
from kanhw.sim.bench_job import BENCH_FOLDER, BenchJob, BenchResult
from kanhw.sim.compiled import MAKEFLAGS, build_digest, compiled_simulators, shared_objects
from kanhw.sim.processes import last_lines, run_tool
from kanhw.tools.cache import Cache
from kanhw.tools.simulators import Simulator, find_simulator

__all__ = ["SimulationRun", "run_cocotb"]

# Warnings about style only; Amaranth's adders are one bit wider than their operands by design.
_QUIET = ("-Wno-fatal", "-Wno-lint", "-Wno-style")


@dataclass(frozen=True)
class SimulationRun:
    """What a simulation gave and measured.

    Parameters
    ----------
    outputs
        int64 ``[M, n_out]`` in order; M differs from the number of inputs if any were lost or
        came twice.
    passed
        Whether the cocotb test passed: rules kept, counts right and, where expected outputs were
        given, all of them equal.
    violations
        Broken stream rules, lost or extra outputs; the first ten.
    latency_cycles
        Clock edges from the one that accepted (the last beat of) the first input to the one that
        handed out (the last beat of) its output, without stalls. The declared one for a design
        without handshake.
    cycles_per_inference
        In the unstalled start, in steady state; None with too few vectors for one.
    cycles, seconds
        Of the whole simulation, without the build.
    simulator
        What ran it.
    stalls, seed, reset_midstream
        How it was driven.
    waves
        The wave file, if one was asked for.
    """

    outputs: IntArray
    passed: bool
    violations: tuple[str, ...]
    latency_cycles: int | None
    cycles_per_inference: float | None
    cycles: int
    seconds: float
    simulator: Simulator
    stalls: bool
    seed: int
    reset_midstream: bool
    waves: Path | None = None


def run_cocotb(
    design_dir: str | Path,
    codes: npt.ArrayLike,
    *,
    heads: npt.ArrayLike | None = None,
    expected: npt.ArrayLike | None = None,
    simulator: str | Path | Simulator | None = None,
    stalls: bool = True,
    seed: int = 1,
    reset_midstream: bool = False,
    waves: str | Path | None = None,
    timeout: float = 1800.0,
    build_dir: str | Path | None = None,
) -> SimulationRun:
    """Drive a design with ``codes`` and collect its outputs.

    The first vectors are sent without stalls, to measure latency and throughput; then both ends
    pause at random.

    Parameters
    ----------
    design_dir
        A generated design.
    codes
        int ``[N, n_in]``, N >= 1, within the input format.
    heads
        ``[N]``: which head each vector is for; None is head 0.
    expected
        int ``[N, n_out]``: outputs that the cocotb test must see.
    simulator
        See :func:`kanhw.sim.find_simulator`.
    stalls
        Whether both ends pause (a design without handshake cannot be stalled).
    seed
        Of the stalls.
    reset_midstream
        Reset once with a full pipeline; vectors that it throws away are sent again, and none of
        them may appear.
    waves
        Where to write the wave file; gets the simulator's suffix (.fst or .vcd).
    timeout
        Seconds for building and simulating.
    build_dir
        Keep the built simulation here, and use it again while the Verilog is the same; by default
        in the user's cache (``$KANHW_CACHE``).

    Raises
    ------
    InputError
        If the codes do not fit the design, or there are none.
    ToolNotFound
        If there is no simulator, or cocotb is not installed.
    ToolFailed
        If the build fails or the simulation ends without a result.
    """
    design = load_design(design_dir)
    array = checked_codes(codes, design.input)
    if not len(array):
        raise InputError("There are no vectors to simulate: pass at least one row of codes")
    if reset_midstream and not design.schedule.handshake:
        raise InputError("A design without handshake has no reset: leave out reset_midstream")
    if importlib.util.find_spec("cocotb") is None:
        raise ToolNotFound("Simulating needs cocotb: pip install cocotb")
    found = simulator if isinstance(simulator, Simulator) else find_simulator(simulator)
    stalls = stalls and design.schedule.handshake
    job = BenchJob.for_design(design, stalls=stalls, seed=seed, reset_midstream=reset_midstream)
    with temporary_folder("kanhw-cocotb-") as work:
        job.save(work)
        np.save(work / bench_job.INPUTS, pack_codes(array, design.input, heads))
        if expected is not None:
            rows = checked_codes(expected, design.output, "Expected outputs")
            if len(rows) != len(array):
                raise InputError(f"There are {len(rows)} expected outputs for {len(array)} inputs")
            np.save(work / bench_job.EXPECTED, pack_codes(rows, design.output))
        with _written_waves(waves, found, work) as (dump, wave_file):
            result = _simulate(design, found, work, seed, dump, timeout, build_dir)
        outputs = unpack_codes(np.load(work / bench_job.OUTPUTS), design.output)
    return SimulationRun(
        outputs=outputs,
        passed=result.passed,
        violations=result.violations,
        latency_cycles=result.latency_cycles,
        cycles_per_inference=result.cycles_per_inference,
        cycles=result.cycles,
        seconds=result.seconds,
        simulator=found,
        stalls=stalls,
        seed=seed,
        reset_midstream=reset_midstream,
        waves=wave_file,
    )


@contextlib.contextmanager
def _written_waves(
    waves: str | Path | None, simulator: Simulator, work: Path
) -> Iterator[tuple[Path | None, Path | None]]:
    """Where the simulator writes its waves, and the file that they become, whole."""
    if waves is None:
        yield None, None
        return
    suffix = ".fst" if simulator.name == "icarus" else ".vcd"
    path, dump = Path(waves).absolute(), work / f"waves{suffix}"
    check_place(path)
    path = path.with_suffix(suffix)
    check_place(path)
    try:
        yield dump, path
    except ToolFailed:
        # What there is of them may show why.
        if dump.is_file():
            move_whole(dump, path)
        raise
    if dump.is_file():
        move_whole(dump, path)


def _simulate(
    design: Design,
    simulator: Simulator,
    work: Path,
    seed: int,
    waves: Path | None,
    timeout: float,
    build_dir: str | Path | None,
) -> BenchResult:
    build = work / "build"
    build.mkdir()
    arguments = _arguments(design, simulator, build, waves)
    builds, key = compiled_simulators(build_dir), _build_key(design, simulator, arguments)
    kept = builds.find(key) if builds else None
    places = {"work": str(work), "build": str(kept or build), "built": kept is not None}
    file = work / "arguments.json"
    file.write_text(json.dumps({**arguments, **places, "seed": seed}), encoding="utf-8")
    log = run_tool(
        [sys.executable, "-m", "kanhw.sim.cocotb_child", file],
        f"The simulation of {design.path} with {simulator}",
        environment=_environment(simulator, work),
        folder=work,
        timeout=timeout,
    )
    if builds and kept is None:
        _keep(builds, key, build / ("sim.vvp" if simulator.name == "icarus" else design.top))
    return _checked_result(work, log)


def _keep(builds: Cache, key: str, program: Path) -> None:
    """Keep what was compiled: of the folder of a build it is all that a simulation needs."""
    lone = program.parent.with_name("kept")
    lone.mkdir()
    shutil.copy2(program, lone)
    builds.keep(key, lone)


def _checked_result(work: Path, log: str) -> BenchResult:
    """Read the testbench's result, if cocotb agrees with it."""
    results = work / "results.xml"
    report = results.read_text(encoding="utf-8") if results.is_file() else ""
    failed = "<failure" in report or "<error" in report
    if "<testcase" not in report or not (work / bench_job.RESULT).is_file():
        raise ToolFailed(f"The simulation gave no result; its last lines:\n{last_lines(log)}")
    result = BenchResult.load(work)
    if failed == result.passed:
        raise ToolFailed(f"The cocotb test ended with an error; its last lines:\n{last_lines(log)}")
    return result


def _arguments(
    design: Design, simulator: Simulator, build: Path, waves: Path | None
) -> dict[str, Any]:
    # A copy, because make cannot work with spaces in the path of a source.
    source = build / "design.v"
    shutil.copyfile(design.verilog_path, source)
    sources, build_args, test_args, plusargs = [source], [], [], []
    if simulator.name == "verilator":
        build_args = ["--no-timing", "--x-assign", "fast", "--output-split", "20000", *_QUIET]
        if waves is None:
            # cocotb would make every signal public, which keeps Verilator from optimising.
            build_args.append("--no-public-flat-rw")
            sources.insert(0, _public_ports(design, build))
        else:
            test_args = ["--trace-file", str(waves)]
    elif waves is not None:
        plusargs = [f"+dumpfile_path={waves}"]
    return {
        "simulator": simulator.name,
        "sources": [str(path) for path in sources],
        "build_args": build_args,
        "test_args": test_args,
        "plusargs": plusargs,
        "top": design.top,
        "waves": waves is not None,
    }


def _public_ports(design: Design, build: Path) -> Path:
    lines = [f'public_flat_rw -module "{design.top}" -var "{port}"' for port in design.wires.names]
    path = build / "ports.vlt"
    path.write_text("\n".join(["`verilator_config", *lines, ""]), encoding="utf-8")
    return path


def _environment(simulator: Simulator, work: Path) -> dict[str, str]:
    extra = {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        BENCH_FOLDER: str(work),
        # The testbench needs neither pytest's rewritten asserts nor colours in its log.
        "COCOTB_REWRITE_ASSERTION_FILES": "",
        "NO_COLOR": "1",
    }
    if simulator.name == "verilator":
        flags = simulator.environment.get("MAKEFLAGS", "")
        # cocotb calls make itself.
        extra["MAKEFLAGS"] = f"{flags} {MAKEFLAGS}".strip()
        extra |= shared_objects()
    environment = simulator.process_environment(extra)
    # An outer pytest or cocotb must not steer this run.
    foreign = ("WAVES", "GUI", "PYTEST_CURRENT_TEST", "COCOTB_TEST_FILTER", "COCOTB_TESTCASE")
    return {name: value for name, value in environment.items() if name not in foreign}


def _build_key(design: Design, simulator: Simulator, arguments: Mapping[str, Any]) -> str:
    # Where sources lie and waves go is another folder each time.
    settings = [arguments[name] for name in ("build_args", "top", "waves")]
    return "cocotb-" + build_digest(
        *(design.verilog_path.read_bytes(), list(design.wires.names), settings, str(simulator)),
        *(importlib.metadata.version("cocotb"), sys.prefix),
    )
