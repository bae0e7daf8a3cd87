"""Random Programs in batches: how many have the outputs of their Verilog."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

import kanhw
from benchmarks.common.measuring import Table
from benchmarks.robustness.programs.batches import faults
from benchmarks.robustness.programs.kinds import KINDS, random_program, random_schedule
from benchmarks.robustness.warm import warm_yosys
from kanhw.design.design import Design

__all__ = ["generated", "run_programs"]

# Designs in one simulation.
BATCH = 40
# Bytes of addresses in which any of them must be made.
MEMORY = 8 << 30
COLUMNS = (
    *("equal", "differ", "unrolled", "folded", "bare", "portable", "ultrascale+", "axi4-stream"),
    "refused",
)


def run_programs(
    count: int, seed: int, scratch: Path
) -> tuple[dict[str, dict[str, int]], list[str]]:
    """So many Programs, the kinds in turn: how many were equal, and what went wrong."""
    found: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    wrong, started = list[str](), _seconds()
    for start in range(0, count, BATCH):
        folder = scratch / "programs"
        numbers = range(start, min(start + BATCH, count))
        with warm_yosys():
            problems = _batch(numbers, seed, folder, found)
        for number, problem in problems.items():
            found[_kind(number)]["differ"] += 1
            wrong.append(f"Program {number} ({_kind(number)}, seed {seed}): {problem}")
            print(wrong[-1], file=sys.stderr, flush=True)
        shutil.rmtree(folder)
    table = Table(["kind", *COLUMNS], [18])
    total: Counter[str] = Counter()
    for kind, counts in found.items():
        total += counts
        table.add(kind, *(counts[each] for each in COLUMNS))
    table.add("all", *(total[each] for each in COLUMNS))
    print(f"{_seconds() - started:.0f} s of a processor")
    return {kind: dict(counts) for kind, counts in found.items()}, wrong


def _kind(number: int) -> str:
    return list(KINDS)[number % len(KINDS)]


def _seconds() -> float:
    """Processor seconds of this process and all that it has waited for."""
    return sum(os.times()[:4])


def _batch(
    numbers: Sequence[int], seed: int, folder: Path, found: dict[str, Counter[str]]
) -> dict[int, str]:
    """What went wrong, by number."""
    designs: dict[int, Design] = {}
    wrong = {}
    for number in numbers:
        kind = _kind(number)
        try:
            with _limited_memory():
                designs[number], told = generated(kind, seed, number, folder)
            found[kind] += told
        except Exception as error:
            wrong[number] = f"{type(error).__name__}: {error}"
    wrong |= _simulated(designs, folder)
    for number in designs:
        found[_kind(number)]["equal"] += number not in wrong
    return wrong


@contextlib.contextmanager
def _limited_memory() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def generated(kind: str, seed: int, number: int, folder: Path) -> tuple[Design, Counter[str]]:
    """The design of a random Program with a testbench, and what it is."""
    rng = np.random.default_rng([seed, number])
    program, refused = random_program(kind, rng)
    schedule = random_schedule(kind, rng)
    interface = "axi4-stream" if schedule.handshake and rng.random() < 0.3 else "stream"
    design = kanhw.generate(
        program, folder / f"p{number}", schedule=schedule, interface=interface, testbench=True,
        name=f"p{number}",
    )  # fmt: skip
    told = [schedule.kind if schedule.handshake else "bare", schedule.fabric, interface]
    return design, Counter(told) + Counter(refused=refused)


def _simulated(designs: dict[int, Design], folder: Path) -> dict[int, str]:
    """The designs whose testbenches do not pass; where no simulation is built, one by one."""
    try:
        told = faults(list(designs.values()), folder)
    except RuntimeError as error:
        if len(designs) == 1:
            return dict.fromkeys(designs, str(error))
        alone = [_simulated({number: design}, folder) for number, design in designs.items()]
        return {number: problem for each in alone for number, problem in each.items()}
    return {number: told[d.top] for number, d in designs.items() if d.top in told}
