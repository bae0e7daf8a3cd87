"""The demonstration beside networks trained for the fabric, on the same digits, split by split.

    python -m benchmarks.demo.trained_for_fabric [--splits 0 1 2 3 4] [--at-most 960] [--epochs N]
        [--starts N] [--keep FILE]

One split of 450 test rows says little: its standard error is 0.9 points. So the demonstration's
training (float, pruned, quantized) is repeated for several splits, and training for the fabric
learns from the same training rows, five seeds, each of which holds out another fifth of them; of
every seed it is the best by validation that is told to cost at most a limit, and the mean of the
five is printed. Designs have valid and ready, as ``kanhw.generate`` makes them: the demonstration's
as it comes, and for the fabric ultrascale+ with merged tables, the others for that. LUTs are of the
smaller Yosys recipe, accuracies those of all test rows of the split, which are looked at once, and
every one of whose outputs is simulated.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import kanhw
from benchmarks.common.kept import keep_rows, kept_rows
from benchmarks.common.measuring import Table, argument_parser, environment_line
from kanhw.estimation import yosys_version
from kanhw.flow.demonstration import BITS, DemoSize, Digits, load_digits, trained_network
from kanhw.progress import Progress
from kanhw.schedule.schedule import Schedule

TARGET = "xcup"
SHAPE = (64, 10, 10)
NAMES = ("demonstration", "trained")
FIGURES = ("accuracy", "edges", "lut")
TUNED = Schedule(fabric="ultrascale+", merge_tables=TARGET)
SETTINGS: dict[str, Any] = {
    "seeds": (0, 1, 2, 3, 4),
    "folds": 5,
    "jitter": 0.5,
    "most_bits": 4,
    "pressure": (1e-4, 6e-3),
    "fabric": TUNED.fabric,
    "merge_tables": True,
}

Row = dict[str, Any]


def measured(program: kanhw.Program, digits: Digits, folder: Path) -> Row:
    """Accuracy of the test part, every output simulated, and LUTs of the fabric."""
    design = kanhw.generate(program, folder, schedule=TUNED)
    check = kanhw.simulate(design, digits.test_x, labels=digits.test_labels)
    if not check.passed or check.accuracy is None:
        raise SystemExit(f"outputs of {design.path} are not the Program's")
    lut = kanhw.estimate(design, TARGET, grade="synthesis").lut
    return {"accuracy": check.accuracy, "lut": lut, "edges": program.active_edges}


def compared(split: int, limit: float, options: Row) -> Row:
    """The demonstration's network and those trained for the fabric, of one split of the digits."""
    digits = load_digits(split)
    with tempfile.TemporaryDirectory(prefix="kanhw-benchmark-") as work:
        folder = Path(work)
        with Progress(quiet=True) as progress:
            model = trained_network(digits, folder, split, DemoSize(), progress)
        shown = kanhw.quantize(model, digits.train_x, **BITS)
        own = measured(shown, digits, folder / "tuned")
        own["portable"] = portable_lut(shown, folder / "portable")
        found: Row = {"demonstration": [own]}
        front = kanhw.train_for_fabric(
            SHAPE, digits.train_x, digits.train_labels, **SETTINGS, **options
        )
        found["trained"] = []
        for seed in SETTINGS["seeds"]:
            points = tuple(own for own in front.front.points if own.seed == seed)
            best = replace(front.front, points=points).best(limit)
            own = measured(front.programs[best.name], digits, folder / best.name)
            found["trained"].append({**own, "cost": best.cost, "validation": best.validation})
        return found


def portable_lut(program: kanhw.Program, folder: Path) -> int:
    """LUTs of a design as it comes."""
    design = kanhw.generate(program, folder)
    found: int = kanhw.estimate(design, TARGET, grade="synthesis").lut
    return found


def mean(row: Row, name: str, figure: str) -> float:
    """A figure of the networks of a split."""
    return statistics.fmean(own[figure] for own in row[name])


def told(rows: list[Row], name: str) -> str:
    """Means and deviations over splits."""
    accuracy = [100 * mean(row, name, "accuracy") for row in rows]
    spread = statistics.stdev(accuracy) if len(rows) > 1 else 0.0
    lut = statistics.fmean(mean(row, name, "lut") for row in rows)
    told = f"{name}: {statistics.fmean(accuracy):.2f} % (sd {spread:.2f}), {lut:.0f} LUT"
    if name == "trained":
        return told
    return f"{told}, {statistics.fmean(mean(row, name, 'portable') for row in rows):.0f} portable"


def main() -> int:
    """Measure and print."""
    parser = argument_parser(__doc__)
    parser.add_argument("--splits", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--at-most", type=float, default=960, metavar="COST")
    parser.add_argument("--epochs", type=int, default=1500)
    parser.add_argument("--starts", type=int, default=2)
    parser.add_argument("--keep", type=Path, metavar="FILE", help="what is known is not done again")
    options = parser.parse_args()
    print(environment_line(yosys_version()) + "\n")
    table = Table(
        (
            "split",
            "network",
            "networks",
            "edges",
            "told",
            "validation",
            "test",
            "LUT",
            "portable",
        ),
        (5, 13, 8, 5, 8, 10, 6, 6, 8),
    )
    settings = {"epochs": options.epochs, "starts": options.starts}
    what = {"at_most": options.at_most, **settings}
    known = {row["split"]: row for row in kept_rows(options.keep) if row["what"] == what}
    rows = []
    for split in options.splits:
        if split not in known:
            pair = compared(split, options.at_most, settings)
            known[split] = {"split": split, "what": what, **pair}
            keep_rows(options.keep, [known[split]])
        row = known[split]
        rows.append(row)
        for name in NAMES:
            accuracy, edges, lut = (mean(row, name, own) for own in FIGURES)
            model, portable = ("", ""), ""
            if name == "demonstration":
                portable = f"{mean(row, name, 'portable'):.0f}"
            else:
                cost, validation = (mean(row, name, own) for own in ("cost", "validation"))
                model = (f"{cost:.0f}", f"{100 * validation:.2f}")
            shown = (f"{100 * accuracy:.2f}", f"{lut:.0f}", portable)
            table.add(split, name, len(row[name]), f"{edges:.0f}", *model, *shown)
    print()
    for name in NAMES:
        print(told(rows, name))
    pairs = [[mean(row, name, "accuracy") for name in NAMES] for row in rows]
    gained = [100 * (trained - before) for before, trained in pairs]
    error = np.std(gained, ddof=1) / np.sqrt(len(gained)) if len(gained) > 1 else 0.0
    shown_lut, lut = (statistics.fmean(mean(row, name, "lut") for row in rows) for name in NAMES)
    print(
        f"trained for the fabric: {statistics.fmean(gained):+.2f} points (standard error of the "
        f"mean over splits {error:.2f}) in {lut / shown_lut:.2f} of the LUTs"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
