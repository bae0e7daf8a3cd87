"""Whether the Verilog computes exactly what its Program computes."""

from __future__ import annotations

import importlib.util
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from kanhw.design.design import Design, load_design
from kanhw.design.packing import checked_codes, checked_heads
from kanhw.errors import InputError
from kanhw.formats import IntArray
from kanhw.sim.cocotb_run import SimulationRun, run_cocotb
from kanhw.sim.fast import FastRun, run_fast
from kanhw.sim.mismatches import Mismatch, first_mismatches
from kanhw.tools.simulators import Simulator

if TYPE_CHECKING:
    from kanhw.program import Program

__all__ = ["EquivalenceReport", "check_design", "expected_mismatches", "golden_outputs"]

Engine = Literal["cocotb", "fast"]


@dataclass(frozen=True)
class EquivalenceReport:
    """The outcome of comparing a design with its Program, without tolerance.

    Parameters
    ----------
    design
        The design's folder.
    engine
        "cocotb" or "fast"; of C++ for HLS "exact" or "native", the integers that it ran with.
    simulator, simulator_version
        What ran the Verilog, or compiled the C++.
    vectors
        Input vectors that were simulated and compared.
    mismatches
        Output codes that differ.
    first_mismatches
        The first of them.
    expected_mismatches
        Outputs of the Program that differ from the ``expected_y`` of the caller; None without one.
    problems
        Everything that makes the check fail, in words; empty if it passed.
    latency_cycles, declared_latency
        Measured without stalls (None where it could not be) and from the manifest (None for C++).
    cycles_per_inference
        Measured without stalls; None where it could not be.
    cycles, seconds
        Simulated clock cycles (None for C++, which has none), and how long that took.
    inferences_per_second
        Of the simulation.
    stalls, seed, reset_midstream
        How the design was driven.
    outputs
        What the simulated Verilog gave: int64 ``[M, n_out]``, in order.
    """

    design: str
    engine: str
    simulator: str
    simulator_version: str
    vectors: int
    mismatches: int
    first_mismatches: tuple[Mismatch, ...]
    expected_mismatches: int | None
    problems: tuple[str, ...]
    latency_cycles: int | None
    declared_latency: int | None
    cycles_per_inference: float | None
    cycles: int | None
    seconds: float
    inferences_per_second: float
    stalls: bool
    seed: int
    reset_midstream: bool
    outputs: IntArray = field(repr=False, compare=False)

    @property
    def passed(self) -> bool:
        """Whether at least one vector was compared and nothing was wrong."""
        return self.vectors > 0 and self.mismatches == 0 and not self.problems

    def to_json(self) -> dict[str, Any]:
        """Everything but the outputs, as plain JSON values."""
        values = asdict(replace(self, outputs=np.empty((0, 0), np.int64)))
        del values["outputs"]
        return {**values, "problems": list(self.problems), "passed": self.passed}


def golden_outputs(
    program: Program, codes: IntArray, heads: npt.ArrayLike | None = None
) -> IntArray:
    """Run the golden model ``[N, n_in] -> [N, n_out]``: torch if it is installed, else numpy.

    ``heads`` ``[N]`` says which head every vector is for.
    """
    if heads is not None:
        return np.asarray(program(codes, head=heads), np.int64)
    if importlib.util.find_spec("torch") is None:
        return np.asarray(program(codes), np.int64)
    from kanhw.program.golden import run

    return np.asarray(run(program, codes), np.int64)


def check_design(
    design_dir: str | Path,
    codes: npt.ArrayLike,
    expected_y: npt.ArrayLike | None = None,
    *,
    heads: npt.ArrayLike | None = None,
    engine: Engine = "cocotb",
    simulator: str | Path | Simulator | None = None,
    stalls: bool = True,
    seed: int = 1,
    reset_midstream: bool = False,
    waves: str | Path | None = None,
    build_dir: str | Path | None = None,
    timeout: float = 1800.0,
) -> EquivalenceReport:
    """Simulate a design and compare every output with its Program.

    Parameters
    ----------
    design_dir
        A generated design.
    codes
        int ``[N, n_in]`` within the input format. With no rows the check fails.
    expected_y
        int ``[N, n_out]`` that the Program itself must reproduce (published vectors).
    heads
        ``[N]``: which head each vector is for; None is head 0.
    engine
        "cocotb" for a few thousand vectors with every stream rule checked; "fast" for whole test
        sets, with Verilator.
    simulator, stalls, seed, reset_midstream, waves, build_dir, timeout
        See :func:`kanhw.sim.run_cocotb`. "fast" has neither a reset in mid-stream nor waves, and
        measures no throughput while it stalls.

    Raises
    ------
    InputError, ToolNotFound, ToolFailed
        If the comparison cannot be made. A comparison that was made and failed is reported.
    """
    if engine not in ("cocotb", "fast"):
        raise InputError(f"Unknown engine {engine!r}: use 'cocotb' or 'fast'")
    design = load_design(design_dir)
    array = checked_codes(codes, design.input)
    if not len(array):
        return _nothing_compared(design, engine, stalls, seed)
    if heads is not None:
        heads = checked_heads(heads, len(array), design.input.heads)
    golden = golden_outputs(design.load_program(), array, heads)
    missed, lines = None, list[str]()
    if expected_y is not None:
        missed = expected_mismatches(str(design.path), golden, expected_y, lines)
    run: SimulationRun | FastRun
    if engine == "cocotb":
        run = run_cocotb(
            design.path,
            array,
            heads=heads,
            expected=golden,
            simulator=simulator,
            stalls=stalls,
            seed=seed,
            reset_midstream=reset_midstream,
            waves=waves,
            build_dir=build_dir,
            timeout=timeout,
        )
    else:
        if reset_midstream or waves is not None:
            raise InputError("The engine 'fast' has neither reset_midstream nor waves: use cocotb")
        run = run_fast(
            design.path,
            array,
            heads=heads,
            stalls=stalls,
            seed=seed,
            build_dir=build_dir,
            simulator=_as_verilator(simulator),
            timeout=timeout,
        )
    return _report(design, engine, run, golden, missed, lines)


def _as_verilator(simulator: str | Path | Simulator | None) -> Simulator | None:
    from kanhw.tools.simulators import find_simulator

    if simulator is None or isinstance(simulator, Simulator):
        return simulator
    return find_simulator(simulator)


def _report(
    design: Design,
    engine: Engine,
    run: SimulationRun | FastRun,
    golden: IntArray,
    missed: int | None,
    lines: list[str],
) -> EquivalenceReport:
    count, first = first_mismatches(run.outputs, golden)
    problems = list(run.violations)
    if count:
        problems.append(f"{count} output codes differ from the Program; first: {first[0]}")
    if len(run.outputs) != len(golden):
        problems.append(f"{len(run.outputs)} outputs came for {len(golden)} inputs")
    if run.latency_cycles not in (None, design.latency_cycles):
        problems.append(
            f"the latency is {run.latency_cycles} cycles, but the manifest says "
            f"{design.latency_cycles}"
        )
    interval, declared = run.cycles_per_inference, design.initiation_interval
    # Some chains of line buffers take turns between two intervals; the declared one is their
    # average rounded up. One input a clock cannot be beaten, and pauses of our own end are not the
    # design's.
    low = declared - 1 if declared > 1 else 0
    if interval is not None and not low < interval <= declared:
        problems.append(
            f"an inference takes {interval:g} cycles, but the manifest says "
            f"{declared}"
        )
    if isinstance(run, SimulationRun) and not run.passed and not problems:
        problems.append("the cocotb test failed")
    seconds = run.seconds if isinstance(run, SimulationRun) else run.seconds_simulating
    return EquivalenceReport(
        design=str(design.path),
        engine=engine,
        simulator=run.simulator.name,
        simulator_version=run.simulator.version,
        vectors=len(golden),
        mismatches=count,
        first_mismatches=first,
        expected_mismatches=missed,
        problems=(*problems, *lines),
        latency_cycles=run.latency_cycles,
        declared_latency=design.latency_cycles,
        cycles_per_inference=interval,
        cycles=run.cycles,
        seconds=seconds,
        inferences_per_second=len(run.outputs) / max(seconds, 1e-9),
        stalls=run.stalls,
        seed=run.seed,
        reset_midstream=isinstance(run, SimulationRun) and run.reset_midstream,
        outputs=run.outputs,
    )


def expected_mismatches(
    design: str, golden: IntArray, expected_y: npt.ArrayLike, problems: list[str]
) -> int:
    """Count the outputs of a Program that differ from a user's; a line on them joins the problems.

    Raises
    ------
    InputError
        If these are no integers in the right shape.
    """
    # Not checked against the output format: an expected code outside it is a plain mismatch.
    expected = np.asarray(expected_y)
    if expected.shape != golden.shape or expected.dtype.kind not in "iub":
        raise InputError(
            f"Expected outputs must be integers {list(golden.shape)}, not {expected.dtype} "
            f"{list(expected.shape)}"
        )
    count, first = first_mismatches(golden, expected.astype(np.int64))
    if count:
        problems.append(
            f"{count} outputs of the Program of {design} differ from the expected ones; "
            f"first: {first[0]}"
        )
    return count


def _nothing_compared(
    design: Design, engine: Engine, stalls: bool, seed: int
) -> EquivalenceReport:
    return EquivalenceReport(
        design=str(design.path),
        engine=engine,
        simulator="none",
        simulator_version="",
        vectors=0,
        mismatches=0,
        first_mismatches=(),
        expected_mismatches=None,
        problems=("there was nothing to compare: no input vectors",),
        latency_cycles=None,
        declared_latency=design.latency_cycles,
        cycles_per_inference=None,
        cycles=0,
        seconds=0.0,
        inferences_per_second=0.0,
        stalls=stalls,
        seed=seed,
        reset_midstream=False,
        outputs=np.empty((0, design.output.total), np.int64),
    )
