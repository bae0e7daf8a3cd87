"""Settings of a training for the fabric, compared by nested cross-validation of training rows.

    python -m benchmarks.fabric.nested --dataset dry_bean [--sizes 16 3 7] [--runs 10] [--epochs N]
        [--starts N] [--smoothness HIDDEN LAST] [--jitter SHARE] [--limits 150 170 190 ...]
        [--pressure LOW HIGH] [--most-bits N] [--learning-rate RATE] [--float-epochs N]
        [--merge-tables trained|afterwards] [--keep FILE]

Training and validation rows of a dataset fall into five parts. Run k holds out part k for judging,
trains with seed k on four fifths of the others and chooses by the rest: of every run the best by
that validation that is told to cost at most each limit, whose accuracy on the held-out part is
told, the mean and standard deviation of all runs. Test rows are not read, so that settings may be
chosen by what it prints. With --merge-tables costs are those of merged tables, which training knew
or not. Runs of --keep are not made again.
"""

from __future__ import annotations

import json
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import kanhw
from benchmarks.common.data import Dataset
from benchmarks.common.kept import keep_rows, kept_rows
from benchmarks.common.measuring import Table, argument_parser, environment_line
from benchmarks.fabric.front import TASKS, accuracy, float_network, load
from kanhw.formats import IntArray
from kanhw.quant.fabric.learned.network import Networks
from kanhw.quant.fabric.stages import RunState
from kanhw.quant.fabric.training import FabricTraining

PARTS = 5
_SEED = 12345


def main() -> int:
    """Train every run, print the table."""
    parser = argument_parser(__doc__)
    parser.add_argument("--dataset", choices=tuple(TASKS), default="dry_bean")
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--sizes", type=int, nargs="+")
    parser.add_argument("--runs", type=int, default=2 * PARTS)
    parser.add_argument("--limits", type=float, nargs="+", default=[130, 150, 170, 190])
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--starts", type=int, default=8)
    parser.add_argument("--smoothness", type=float, nargs=2)
    parser.add_argument("--pressure", type=float, nargs=2)
    parser.add_argument("--most-bits", type=int, default=6)
    parser.add_argument("--jitter", type=float, default=0.0)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--float-epochs", type=int, help="of a float network that runs start from")
    parser.add_argument("--merge-tables", choices=("trained", "afterwards"))
    parser.add_argument("--keep", type=Path, metavar="FILE")
    options = parser.parse_args()
    given = load(options.dataset, options.folder)
    settings: dict[str, Any] = {
        name: getattr(options, name)
        for name in ("epochs", "starts", "jitter", "learning_rate", "most_bits")
    }
    for pair in ("smoothness", "pressure"):
        if getattr(options, pair):
            settings[pair] = tuple(getattr(options, pair))
    sizes = tuple(options.sizes or TASKS[options.dataset][0])
    print(environment_line("settings: " + json.dumps({"sizes": sizes, **settings})) + "\n")
    merged: str | None = options.merge_tables
    about = [options.dataset, sizes, options.float_epochs, settings, *([merged] if merged else [])]
    told = json.dumps(about, sort_keys=True)
    runs: list[list[tuple[float, float, float]]] = [
        [tuple(point) for point in row["points"]]
        for row in kept_rows(options.keep)
        if row["settings"] == told
    ]
    for k in range(len(runs), options.runs):
        points = points_of_run(given, sizes, k, options.float_epochs, settings, merged)
        runs.append(points)
        keep_rows(options.keep, [{"settings": told, "points": points}])
    print_limits(runs, options.limits)
    return 0


def points_of_run(
    given: Dataset,
    sizes: tuple[int, ...],
    k: int,
    float_epochs: int | None,
    settings: Any,
    merged: str | None,
) -> list[tuple[float, float, float]]:
    """Cost, validation, and accuracy on the part that run k holds out, of every point."""
    x = np.concatenate([given.train_x, given.validation_x])
    y = np.concatenate([given.train_y, given.validation_y])
    outer, inner = (parts_of(y, seed) for seed in (_SEED, _SEED + 1))
    judged = outer == k % PARTS
    chosen = ~judged & (inner == (k + 1) % PARTS)
    trained = ~judged & ~chosen
    own = replace(given, train_x=x[trained], train_y=y[trained])
    network = sizes if float_epochs is None else float_network(sizes, own, k, float_epochs)
    last: list[tuple[FabricTraining, RunState]] = []
    found = kanhw.train_for_fabric(
        network,
        x[trained],
        y[trained],
        validation=(x[chosen], y[chosen]),
        seeds=(k,),
        fabric="ultrascale+",
        merge_tables=merged == "trained",
        on_epoch=lambda *state: last.__setitem__(slice(None), [state]),
        **settings,
    )
    points = found.front.points
    costs = [own.cost for own in points] if merged != "afterwards" else merged_costs(*last[0])
    return [
        (cost, point.validation, accuracy(found.programs[point.name], x[judged], y[judged]))
        for cost, point in zip(costs, points, strict=True)
    ]


def merged_costs(training: FabricTraining, state: RunState) -> list[float]:
    """What the networks of a training that knew of no merging are told to cost with it."""
    networks = Networks(training.layout, training.settings.cost(), merge_tables=True)
    with torch.no_grad():
        return networks.costs(networks.evaluate(state.fitted.rows), whole=True).tolist()


def parts_of(labels: IntArray, seed: int) -> IntArray:
    """``[N]``: which part every row falls into; classes are spread evenly."""
    random = np.random.default_rng(seed)
    part = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        random.shuffle(rows)
        part[rows] = np.arange(len(rows)) % PARTS
    return part


def print_limits(runs: list[list[tuple[float, float, float]]], limits: list[float]) -> None:
    """What the best by validation of every run reaches at each limit."""
    table = Table(("at most", "runs", "told", "validation", "held out", "sd"), (8,) * 6)
    for limit in limits:
        cheap = [[point for point in run if point[0] <= limit] for run in runs]
        best = [max(points, key=lambda own: (own[1], -own[0])) for points in cheap if points]
        if len(best) < 2:
            continue
        cost, validation, reached = (statistics.fmean(own[n] for own in best) for n in range(3))
        spread = statistics.stdev(own[2] for own in best)
        cells = [f"{cost:.0f}", *(f"{100 * own:.2f}" for own in (validation, reached, spread))]
        table.add(f"{limit:g}", len(best), *cells)


if __name__ == "__main__":
    sys.exit(main())
