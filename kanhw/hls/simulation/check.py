"""Whether the C++ computes exactly what its Program computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from kanhw.design.backend_design import load_backend_design
from kanhw.design.design import Port
from kanhw.design.manifest import HLS
from kanhw.design.packing import checked_codes, checked_heads
from kanhw.errors import InputError
from kanhw.formats import IntArray
from kanhw.hls.facts import checked_facts
from kanhw.hls.simulation.run import INTEGERS, CppRun, Integers, run_cpp
from kanhw.sim.equivalence import EquivalenceReport, expected_mismatches, golden_outputs
from kanhw.sim.mismatches import first_mismatches

__all__ = ["check_cpp"]


def check_cpp(
    design_dir: str | Path,
    codes: npt.ArrayLike,
    expected_y: npt.ArrayLike | None = None,
    *,
    heads: npt.ArrayLike | None = None,
    integers: Integers | None = None,
) -> EquivalenceReport:
    """Run a design's C++ under a plain compiler and compare every output with its Program.

    Parameters
    ----------
    design_dir
        A design of the back end ``hls``.
    codes
        int ``[N, n_in]`` within the input format. With no rows the check fails.
    expected_y
        int ``[N, n_out]`` that the Program itself must reproduce.
    heads
        ``[N]``: which head each vector is for; None is head 0.
    integers
        ``exact``: every value has its declared width; ``native``: 64-bit integers, faster. None
        takes exact widths unless the vectors would take long.

    Raises
    ------
    InputError, ToolNotFound, ToolFailed
        If the comparison cannot be made. A comparison that was made and failed is reported.
    """
    if integers is not None and integers not in INTEGERS:
        raise InputError(
            f"Unknown engine {integers!r}: C++ for HLS runs with {' or '.join(map(repr, INTEGERS))}"
            " widths of integers"
        )
    design = load_backend_design(design_dir)
    if design.backend != HLS:
        raise InputError(
            f"{design_dir} was written by the back end {design.backend!r}, not {HLS!r}"
        )
    program = checked_facts(design)
    port = Port.from_json(design.facts["input"])
    array = checked_codes(codes, port)
    if heads is not None or port.heads > 1:
        heads = checked_heads(heads, len(array), port.heads)
    golden = golden_outputs(program, array, heads) if len(array) else np.empty((0, 0), np.int64)
    run = run_cpp(design, array, golden, heads, integers=integers) if len(array) else None
    problems = ["there was nothing to compare: no input vectors"] if run is None else []
    wrong = None
    if run is not None and expected_y is not None:
        wrong = expected_mismatches(str(design.path), golden, expected_y, problems)
    return _report(str(design.path), run, golden, problems, wrong)


def _report(
    path: str, run: CppRun | None, golden: IntArray, problems: list[str], wrong: int | None
) -> EquivalenceReport:
    outputs = np.empty((0, 0), np.int64) if run is None else run.outputs
    count, first = (0, ()) if run is None else first_mismatches(outputs, golden)
    if run is not None:
        problems += run.problems
        if count:
            problems.append(f"{count} output codes differ from the Program; first: {first[0]}")
        if len(outputs) != len(golden):
            problems.append(f"{len(outputs)} outputs came for {len(golden)} inputs")
    seconds = 0.0 if run is None else run.seconds
    return EquivalenceReport(
        design=path,
        engine="none" if run is None else run.integers,
        simulator="none" if run is None else run.compiler.name,
        simulator_version="" if run is None else run.compiler.version,
        vectors=len(golden),
        mismatches=count,
        first_mismatches=first,
        expected_mismatches=wrong,
        problems=tuple(problems),
        latency_cycles=None,
        declared_latency=None,
        cycles_per_inference=None,
        cycles=None,
        seconds=seconds,
        inferences_per_second=len(outputs) / max(seconds, 1e-9),
        stalls=False,
        seed=0,
        reset_midstream=False,
        outputs=outputs,
    )
