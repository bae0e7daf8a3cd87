"""Hostile cases by class: how many were accepted, refused in one clean line, or went wrong.

    python benchmarks/robustness.py [--cases 5000] [--kills 200] [--programs 2000] [--scale 2000]

Cases run commands in forked processes with limits on time and memory: files with altered bytes,
JSON with values of other types, manifests altered with and without their seal, tensors and arrays
of every kind, places of output, words of the command line. Kills send SIGINT, SIGTERM or SIGHUP at
random moments of every command. Programs are random ones of every layer kind, compared between
golden model and Verilog. Scale quantizes one layer up to that many inputs and outputs. Exit status
1 if anything went wrong.
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

# One thread: trials are forked, and share two cores with one another's compilers.
os.environ["OMP_NUM_THREADS"] = "1"
sys.path.append(str(Path(__file__).parent / "robustness"))

import numpy as np
from altered import altered_bytes, altered_json, altered_manifests
from data import strange_data, strange_tensors
from material import Material, made
from measuring import Table, argument_parser, environment_line, write_results
from places import strange_places
from trials import BAD, VERDICTS, Trial, attempt
from words import strange_words

Source = Callable[[Material, np.random.Generator], Iterator[Trial]]
# A share of all cases for every class.
SOURCES: tuple[tuple[Source, float], ...] = (
    (altered_bytes, 0.2),
    (altered_json, 0.25),
    (altered_manifests, 0.15),
    (strange_tensors, 0.12),
    (strange_data, 0.08),
    (strange_places, 0.08),
    (strange_words, 0.12),
)

__all__ = ["SOURCES", "run_cases"]


def run_cases(count: int, seed: int, scratch: Path) -> tuple[dict[str, Counter[str]], list[str]]:
    """So many cases of all classes: verdicts by class, and what went wrong."""
    folder = scratch / "material"
    folder.mkdir()
    material = made(folder)
    verdicts: dict[str, Counter[str]] = {}
    wrong = []
    for number, (source, share) in enumerate(SOURCES):
        trials = source(material, np.random.default_rng([seed, number]))
        for _ in range(max(round(share * count), 1)):
            trial = next(trials)
            outcome = attempt(trial, scratch / "trial")
            verdicts.setdefault(trial.group, Counter())[outcome.verdict] += 1
            if outcome.verdict in BAD:
                last = outcome.text.strip()[-300:]
                wrong.append(f"{outcome.verdict}: {trial.group}: {trial.name}: {last!r}")
                print(wrong[-1], file=sys.stderr, flush=True)
    return verdicts, wrong


def _print_cases(verdicts: dict[str, Counter[str]]) -> None:
    table = Table(["class", "cases", *VERDICTS], [16])
    total: Counter[str] = Counter()
    for group, counts in verdicts.items():
        total += counts
        table.add(group, counts.total(), *(counts[each] for each in VERDICTS))
    table.add("all", total.total(), *(total[each] for each in VERDICTS))


def main() -> int:
    parser = argument_parser(__doc__, json_file=True)
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--programs", type=int, default=2000)
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
            _print_cases(verdicts)
            results["cases"] = {group: dict(counts) for group, counts in verdicts.items()}
            wrong += found
        if options.kills:
            from kills import run_kills

            results["kills"], found = run_kills(options.kills, options.seed, scratch)
            wrong += found
        if options.programs:
            from programs import run_programs

            results["programs"], found = run_programs(options.programs, options.seed, scratch)
            wrong += found
        if options.scale:
            from scale import run_scale

            results["scale"] = run_scale(options.scale)
    write_results(options.json, results)
    print(f"{len(wrong)} went wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
