"""What folding costs in clocks: the formulas that 'kanhw estimate' prints against simulation.

    python -m benchmarks.folded.folding [--networks NAME ...] [--lanes 1x1 3x2] [--json FILE]

Every reference network, quantized to 4 bits after training, is folded with so many inputs and
outputs at a time, and its Verilog is simulated without stalls: clocks between images, and from the
last beat of the first to its last output. They must be those that the formulas of the stages give,
and all outputs those of the Program.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import kanhw
from benchmarks.common.measuring import (
    Table,
    argument_parser,
    environment_line,
    reference_folder,
    write_results,
)
from benchmarks.common.reference_networks import NAMES
from kanhw.estimation.clocks import DesignClocks, design_clocks
from kanhw.schedule.schedule import Schedule
from kanhw.sim import check_design

VECTORS = 24
BITS = 4
TIMEOUT = 7200.0


def program_of(folder: Path) -> kanhw.Program:
    """The network in integers, with basis tables, calibrated on random features."""
    model = kanhw.load(folder)
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (256, *model.input_shape))
    return kanhw.quantize(
        model,
        x,
        realisation="basis_table",
        base_bits=BITS,
        spline_bits=BITS,
        activation_bits=BITS,
        basis_bits=BITS,
    )


def by_formula(clocks: DesignClocks) -> tuple[int, int]:
    """Interval and latency by the formulas of the stages alone."""
    stages = clocks.stages
    return max(s.interval.value for s in stages), sum(s.latency.value for s in stages)


def measure(
    name: str, lanes: tuple[int, int], program: kanhw.Program, work: Path
) -> dict[str, Any]:
    """One network under one fold."""
    schedule = Schedule(kind="folded", parallel_inputs=lanes[0], parallel_outputs=lanes[1])
    design = kanhw.generate(program, work / "design", schedule=schedule)
    clocks = design_clocks(program, schedule)
    form = program.input.format
    codes = np.random.default_rng(1).integers(form.lo, form.hi + 1, (VECTORS, program.n_in))
    report = check_design(design.path, codes, engine="fast", stalls=False, timeout=TIMEOUT)
    return {
        "network": name,
        "lanes": lanes,
        "stages": [stage.interval.text for stage in clocks.stages],
        "slowest": str(max(clocks.stages, key=lambda stage: stage.interval.value).interval),
        "declared": [clocks.initiation_interval, clocks.latency],
        "formula": list(by_formula(clocks)),
        "measured": [report.cycles_per_inference, report.latency_cycles],
        "mismatches": report.mismatches,
        "exact": report.passed,
    }


def main() -> int:
    """Run; 1 if a figure or an output differs."""
    parser = argument_parser(__doc__, json_file=True)
    parser.add_argument("--networks", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--lanes", nargs="+", default=["3x2"], metavar="P_INxP_OUT")
    options = parser.parse_args()
    folder = reference_folder("fixtures/kan_libraries")
    print(environment_line() + "\n")
    head = (
        "network",
        "lanes",
        "interval",
        "simulated",
        "latency",
        "simulated",
        "differ",
        "slowest",
    )
    table = Table(head, (22, 5, 8, 9, 7, 9, 6))
    rows, wrong = [], 0
    for name in options.networks:
        program = program_of(folder / name)
        for text in options.lanes:
            lanes = tuple(map(int, text.split("x")))
            with tempfile.TemporaryDirectory(prefix="kanhw-benchmark-") as work:
                row = measure(name, (lanes[0], lanes[1]), program, Path(work))
            rows.append(row)
            interval, latency = row["declared"]
            slowest = row["slowest"]
            table.add(
                *(name, text, interval, row["measured"][0], latency, row["measured"][1]),
                *(row["mismatches"], slowest),
            )
            same = row["measured"] == row["declared"] == row["formula"]
            wrong += not (same and row["exact"])
    write_results(options.json, rows)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
