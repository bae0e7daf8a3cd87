"""Simulating a whole test set: Verilator with a C++ main, no Python in the loop."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.design.design import Design, load_design
from kanhw.design.packing import checked_codes, pack_codes, payload_bytes, unpack_codes
from kanhw.errors import InputError, ToolFailed
from kanhw.formats import IntArray
from kanhw.interruption import temporary_folder
from kanhw.sim.compiled import MAKEFLAGS, build_digest, compiled_simulators, shared_objects
from kanhw.sim.processes import run_tool
from kanhw.tools.simulators import Simulator, find_verilator

__all__ = ["FastRun", "run_fast"]

_HARNESS = Path(__file__).with_name("fast_harness.cpp")

_OPTIONS = (
    *("--cc", "--exe", "--build", "-j", "2", "-O3", "--no-timing", "--quiet"),
    *("--x-assign", "fast", "--x-initial", "fast", "--output-split", "20000"),
    *("-Wno-fatal", "-Wno-lint", "-Wno-style", "-MAKEFLAGS", MAKEFLAGS),
)


@dataclass(frozen=True)
class FastRun:
    """What a fast simulation gave.

    Parameters
    ----------
    outputs
        int64 ``[M, n_out]`` in order; M is less than the number of inputs if outputs were lost.
    violations
        Broken stream rules, lost or extra outputs.
    seconds_simulating, inferences_per_second
        Of the simulation loop alone.
    seconds_building
        0 where an earlier build was used.
    cycles
        Clock cycles simulated.
    latency_cycles
        Clock edges from the one that accepted (the last beat of) the first input to the one that
        handed out (the last beat of) its output, before the first stall. None with stalls and
        less than 4 inputs; the declared one for a design without handshake.
    cycles_per_inference
        In steady state; None with stalls, or with too few inputs.
    simulator
        The Verilator that built it.
    stalls, seed
        How it was driven.
    """

    outputs: IntArray
    violations: tuple[str, ...]
    seconds_simulating: float
    inferences_per_second: float
    seconds_building: float
    cycles: int
    latency_cycles: int | None
    cycles_per_inference: float | None
    simulator: Simulator
    stalls: bool
    seed: int


def run_fast(
    design_dir: str | Path,
    codes: npt.ArrayLike,
    *,
    heads: npt.ArrayLike | None = None,
    stalls: bool = False,
    seed: int = 1,
    build_dir: str | Path | None = None,
    simulator: Simulator | None = None,
    timeout: float = 3600.0,
) -> FastRun:
    """Stream ``codes`` through a design.

    Parameters
    ----------
    design_dir
        A generated design.
    codes
        int ``[N, n_in]``, N >= 1, within the input format.
    heads
        ``[N]``: which head each vector is for; None is head 0.
    stalls
        Whether both ends pause at random (a design without handshake cannot be stalled).
    seed
        Of the stalls.
    build_dir
        Keep the built simulation here, and use it again while the Verilog is the same; by default
        in the user's cache (``$KANHW_CACHE``).
    simulator
        A Verilator; by default the one that is found.
    timeout
        Seconds for the build, and again for the simulation.

    Raises
    ------
    InputError
        If the codes do not fit the design, or there are none.
    ToolNotFound
        If there is no Verilator.
    ToolFailed
        If the build or the simulation fails.
    """
    design = load_design(design_dir)
    array = checked_codes(codes, design.input)
    if not len(array):
        raise InputError("There are no vectors to simulate: pass at least one row of codes")
    verilator = simulator or find_verilator()
    if verilator.name != "verilator":
        raise InputError(f"Fast simulation needs Verilator, not {verilator.name}")
    stalls = stalls and design.schedule.handshake
    with temporary_folder("kanhw-fast-") as work:
        start = time.perf_counter()
        program, built = _build(design, verilator, work, build_dir, timeout)
        building = time.perf_counter() - start if built else 0.0
        _words(pack_codes(array, design.input, heads), design).tofile(work / "in.bin")
        beats = (design.input.beats, design.output.beats)
        timing = (design.latency_cycles, design.initiation_interval)
        arguments = [len(array), *beats, *timing, int(stalls), seed % 2**64]
        log = run_tool(
            [program, work / "in.bin", work / "out.bin", *map(str, arguments)],
            f"The simulation of {design.path}",
            environment=verilator.process_environment(),
            folder=work,
            timeout=timeout,
        )
        report: dict[str, Any] = json.loads(log.splitlines()[-1])
        words = np.fromfile(work / "out.bin", "<u4").view(np.uint8)
    expected = len(array) * design.output.beats
    words = words.reshape(expected, -1)
    received = min(report["received"], expected)
    octets = np.ascontiguousarray(words[:received, : payload_bytes(design.output)])
    return FastRun(
        outputs=unpack_codes(octets, design.output),
        violations=_violations(report, expected),
        seconds_simulating=report["seconds"],
        inferences_per_second=received / design.output.beats / max(report["seconds"], 1e-9),
        seconds_building=building,
        cycles=report["cycles"],
        latency_cycles=report["latency"],
        cycles_per_inference=None if stalls else report["interval"],
        simulator=verilator,
        stalls=stalls,
        seed=seed,
    )


def _violations(report: dict[str, Any], count: int) -> tuple[str, ...]:
    found = []
    if report["wrong_last"]:
        found.append(f"the last beat of an output was marked wrongly, {report['wrong_last']} times")
    if report["dropped_valid"]:
        found.append(f"o__valid fell before the output was taken, {report['dropped_valid']} times")
    if report["changed_payload"]:
        found.append(f"o__payload changed while stalled, {report['changed_payload']} times")
    if report["received"] < count:
        found.append(
            f"{report['received']} of {count} outputs came ({report['accepted']} inputs were "
            "accepted): a transfer was lost"
        )
    if report["received"] > count:
        found.append(f"{report['received'] - count} outputs more than inputs")
    return tuple(found)


def _words(octets: npt.NDArray[np.uint8], design: Design) -> npt.NDArray[np.uint8]:
    """Payloads as whole 32-bit words, as Verilator keeps them; a head of its own in a word more."""
    port, user = design.input, bool(design.wires.input.user)
    # Then lanes are bytes, so that the head begins with one.
    data = port.data_width // 8 if user else octets.shape[1]
    size = 4 * -(-data // 4)
    words = np.zeros((len(octets), size + 4 * user), np.uint8)
    words[:, :data] = octets[:, :data]
    words[:, size : size + octets.shape[1] - data] = octets[:, data:]
    return words


def _build(
    design: Design, verilator: Simulator, work: Path, build_dir: str | Path | None, timeout: float
) -> tuple[Path, bool]:
    """Give the simulation program, and whether it had to be built."""
    key = f"fast-{_build_key(design, verilator)}"
    builds = compiled_simulators(build_dir)
    kept = builds.find(key) if builds else None
    if kept is not None:
        return kept, False
    program = _compile(design, verilator, work / "build", timeout)
    return builds.keep(key, program) if builds else program, True


def _compile(design: Design, verilator: Simulator, build: Path, timeout: float) -> Path:
    if " " in str(build):
        raise InputError(f"make cannot build in {build}: set TMPDIR to a folder without spaces")
    build.mkdir()
    # Copies, because make cannot work with spaces in the path of a source.
    shutil.copyfile(design.verilog_path, build / "design.v")
    shutil.copyfile(_HARNESS, build / "harness.cpp")
    command: list[str | Path] = [
        verilator.executable,
        *_OPTIONS,
        *("-CFLAGS", " ".join(_definitions(design))),
        *("--prefix", "Vdut", "--top-module", design.top, "--Mdir", build / "obj"),
        *(build / "design.v", build / "harness.cpp"),
    ]
    environment = verilator.process_environment(shared_objects())
    run_tool(
        command, f"Verilator on {design.path}", environment=environment, folder=build,
        timeout=timeout,
    )
    program = build / "obj" / "Vdut"
    if not program.is_file():
        raise ToolFailed(f"Verilator built no program from {design.verilog_path}")
    return program


def _definitions(design: Design) -> list[str]:
    """What the harness has to know of the ports."""
    wires = design.wires
    names = {"CLOCK": wires.clock, "RESET": wires.reset}
    for side, stream in (("IN", wires.input), ("OUT", wires.output)):
        names |= {f"{side}_{field.upper()}": name for field, name in asdict(stream).items()}
    given = [f"-DKANHW_{key}={_member(name)}" for key, name in names.items() if name]
    handshake, level = int(design.schedule.handshake), wires.reset_level
    return [f"-DKANHW_HANDSHAKE={handshake}", f"-DKANHW_RESET_LEVEL={level}", *given]


def _member(port: str) -> str:
    """What Verilator calls a port: it writes the second of two underscores as a code."""
    return port.replace("__", "___05F")


def _build_key(design: Design, verilator: Simulator) -> str:
    return build_digest(
        *(design.verilog_path.read_bytes(), _HARNESS.read_bytes()),
        *(design.top, _definitions(design), str(verilator), _OPTIONS),
    )
