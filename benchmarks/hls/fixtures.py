"""The C++ of every reference network x realisation x schedule against its Program.

``python -m benchmarks.hls.fixtures [NAME ...]`` runs each under g++ on 1,000 vectors: test features
first, then random codes of each feature's range. It prints what differs, the CPU seconds of
compiling and running, and which integers were taken, and ends with status 1 if any code differs.
It needs ../shared and the extra hls.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from pathlib import Path

import numpy as np

import kanhw
from benchmarks.common.realised_programs import REALISATIONS, LeftOut, Network, program_of
from benchmarks.common.reference_networks import NETWORKS
from kanhw.hls.simulation.check import check_cpp
from kanhw.schedule.schedule import Schedule

SCHEDULES = {
    "unrolled": Schedule(),
    "folded": Schedule(kind="folded"),
    "folded 4x2": Schedule(kind="folded", parallel_inputs=4, parallel_outputs=2),
}
VECTORS = 1000


def cpu_seconds() -> float:
    """Of all processes that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def codes_of(program: kanhw.Program, network: Network) -> np.ndarray:
    """1,000 vectors of codes."""
    real = program.input.encode(np.reshape(network.test_x, (len(network.test_x), -1)))[:VECTORS]
    lo, hi = program.input.code_ends
    rng = np.random.default_rng(0)
    return np.concatenate([real, rng.integers(lo, hi + 1, (VECTORS - len(real), program.n_in))])


def main(names: list[str]) -> int:
    """Print a line a design."""
    wrong = 0
    for name in names or NETWORKS:
        network = Network.named(name)
        for realisation in REALISATIONS:
            try:
                program = program_of(network, realisation)
            except LeftOut as reason:
                print(f"{name}, {realisation}: left out: {reason}")
                continue
            for label, schedule in SCHEDULES.items():
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder) / "design"
                    start = cpu_seconds()
                    try:
                        kanhw.generate(program, path, schedule=schedule, backend="hls")
                    except kanhw.InputError as refused:
                        print(f"{name}, {realisation}, {label}: refused: {refused}")
                        continue
                    report = check_cpp(path, codes_of(program, network))
                wrong += not report.passed
                print(
                    f"{name}, {realisation}, {label}: {report.mismatches} of {report.vectors} "
                    f"vectors differ, {cpu_seconds() - start:.1f} s CPU, {report.engine}, "
                    f"{'passed' if report.passed else 'FAILED: ' + report.problems[0]}",
                    flush=True,
                )
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
