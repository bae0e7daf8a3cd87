"""Hostile cases by class: how many were accepted, refused in one clean line, or went wrong.

    python -m benchmarks.robustness [--cases 5000] [--kills 200] [--programs 2000] [--heads 200]
        [--scale 2000] [--seed 0]

Cases run commands in forked processes with limits on processor time and memory: files with altered
bytes, JSON with values of other types, manifests altered with and without their seal, tensors and
arrays of every kind, places of output, words of the command line. Kills send SIGINT, SIGTERM or
SIGHUP at random moments of every command. Programs are random ones of every layer kind, compared
between golden model and Verilog. Heads are written over AXI4-Lite while vectors stream through.
Scale quantizes one layer up to that many inputs and outputs. Exit status 1 if anything went wrong.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path

from benchmarks.common.measuring import argument_parser, environment_line, write_results
from benchmarks.robustness.cases import print_cases, run_cases
from benchmarks.robustness.kills import run_kills
from benchmarks.robustness.programs.comparison import run_programs
from benchmarks.robustness.programs.heads import run_heads
from benchmarks.robustness.scale import run_scale


def main() -> int:
    """Run what was asked for; 1 if anything went wrong."""
    parser = argument_parser(__doc__, json_file=True)
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--programs", type=int, default=2000)
    parser.add_argument("--heads", type=int, default=200)
    parser.add_argument("--scale", type=int, default=2000, metavar="WIDEST")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(environment_line(), flush=True)
    results: dict[str, object] = {}
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="robustness-") as name:
        scratch = Path(name).resolve()
        if options.cases:
            verdicts, found = run_cases(options.cases, options.seed, scratch)
            print_cases(verdicts)
            results["cases"] = {group: dict(counts) for group, counts in verdicts.items()}
            wrong += found
        if options.kills:
            results["kills"], found = run_kills(options.kills, options.seed, scratch)
            wrong += found
        if options.programs:
            results["programs"], found = run_programs(options.programs, options.seed, scratch)
            wrong += found
        if options.heads:
            results["heads"], found = run_heads(options.heads, options.seed, scratch)
            wrong += found
        if options.scale:
            results["scale"] = run_scale(options.scale)
    write_results(options.json, results)
    print(f"{len(wrong)} went wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
