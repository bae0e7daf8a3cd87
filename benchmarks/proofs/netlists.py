"""Synthesised netlists against the Program: a small network per realisation, schedule and target.

    python -m benchmarks.proofs.netlists [--targets ecp5] [--realisations codebook]
        [--schedules folded] [--vectors 200] [--json FILE]

Every netlist is simulated with the models of its cells (those that come with Yosys, and ours of
the multiplier blocks and block RAMs), under random stalls, with a reset in mid-stream, and must
equal the Program to the bit. "folded, large" has parameters that go to block RAM. Exit status 1 if
a netlist differs.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import kanhw
from benchmarks.common.measuring import Table, argument_parser, environment_line, write_results
from benchmarks.common.small_networks import REALISATIONS, SCHEDULES, all_codes, network
from kanhw.estimation import TARGETS, yosys_version
from kanhw.schedule.schedule import Schedule
from kanhw.sim import check_design, netlist_design

# 4,096 bits of parameters in one memory ask for block RAM.
LARGE = (48, 32, 2)
DESIGNS: dict[str, tuple[tuple[int, ...] | None, Schedule]] = {
    **{name: (None, schedule) for name, schedule in SCHEDULES.items()},
    "folded, large": (LARGE, Schedule(kind="folded", parallel_inputs=2, parallel_outputs=4)),
}


def main() -> int:
    """Simulate every netlist; 1 if one differs."""
    parser = argument_parser(__doc__)
    simulated = [name for name, target in TARGETS.items() if target.library]
    parser.add_argument("--targets", nargs="+", default=simulated, choices=simulated)
    parser.add_argument("--realisations", nargs="+", default=list(REALISATIONS))
    parser.add_argument("--schedules", nargs="+", default=list(DESIGNS), choices=DESIGNS)
    parser.add_argument("--vectors", type=int, default=200)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also keep every row here")
    options = parser.parse_args()
    print(environment_line(yosys_version()) + "\n")
    head = ("realisation", "schedule", "target", "recipe", "cells", "vectors", "differ", "seconds")
    table, rows, failed = Table(head, (17, 13, 6, 6, 60)), [], 0
    for realisation in options.realisations:
        for schedule in options.schedules:
            for target in options.targets:
                for recipe in TARGETS[target].recipes:
                    row = _row(realisation, schedule, target, recipe, options.vectors)
                    failed += row["differ"] != 0 or bool(row["problems"])
                    rows.append(row)
                    table.add(*(row[name] for name in head))
                    for problem in row["problems"]:
                        print(f"  {problem}", file=sys.stderr)
    write_results(options.json, rows)
    print(f"\n{len(rows) - failed} of {len(rows)} netlists equal their Program")
    return 1 if failed or not rows else 0


def _row(realisation: str, schedule: str, target: str, recipe: str, vectors: int) -> dict:
    sizes, laid_out = DESIGNS[schedule]
    program = network(realisation, sizes)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="kanhw-benchmark-") as work:
        design = kanhw.generate(program, Path(work) / "design", schedule=laid_out)
        netlist = netlist_design(design.path, target, Path(work) / "netlist", recipe=recipe)
        text = netlist.verilog_path.read_text(encoding="utf-8")
        codes = all_codes(program, vectors)
        report = check_design(netlist.path, codes, reset_midstream=True)
    kinds = {kind: text.count(f"\n  {kind} ") for kind in _SHOWN}
    return {
        "realisation": realisation,
        "schedule": schedule,
        "target": target,
        "recipe": recipe,
        "cells": ", ".join(f"{kind} {count}" for kind, count in kinds.items() if count),
        "vectors": report.vectors,
        "differ": report.mismatches,
        "problems": list(report.problems),
        "seconds": round(time.perf_counter() - started, 1),
    }


# Those that say which models were needed.
_SHOWN = (
    *("CARRY4", "CCU2C", "SB_CARRY", "SRL16E", "RAM32M16", "TRELLIS_DPR16X4"),
    *("DSP48E2", "MULT18X18D", "RAMB18E2", "RAMB36E2", "DP16KD", "SB_RAM40_4K"),
)


if __name__ == "__main__":
    sys.exit(main())
