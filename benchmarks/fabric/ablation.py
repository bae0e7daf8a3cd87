"""What each part of learned widths buys: validation accuracy at equal cost, without synthesis.

    python -m benchmarks.fabric.ablation [--dataset dry_bean] [--seeds 0 1 2 3 4] [--epochs 400]
        [--starts 8] [--at-most 230 190 150] [--variants NAME ...] [--json FILE]

The variants: ``full``; ``rough``, without smoothness; ``ranges``, whose input ranges stay where
they start; ``layers``, with one address width and one output step a layer. Points are those of the
front with frozen widths, without a refit; costs are modelled. No test rows are looked at.
"""

from __future__ import annotations

import statistics
import sys
from typing import Any

import numpy as np

from benchmarks.common import data
from benchmarks.common.data import Dataset
from benchmarks.common.measuring import Table, argument_parser, write_results
from benchmarks.fabric.front import LOADERS, TASKS
from kanhw.quant.fabric.front import Front
from kanhw.quant.fabric.settings import FabricSettings
from kanhw.quant.fabric.stages import RunState
from kanhw.quant.fabric.training import Data, FabricTraining


def fixed_ranges(training: FabricTraining) -> None:
    """Leave the ranges of inputs where they are."""
    start = 0
    for own in training.layout.parameters:
        if own.name in ("low", "high"):
            training.stages.rates[start : start + own.size] = 0
        start += own.size


def one_width_a_layer(training: FabricTraining, state: RunState) -> None:
    """Give all edges of a layer the mean of their widths."""
    start = 0
    for own in training.layout.parameters:
        if own.is_width and state.stage in ("starts", "ramp"):
            part = state.fitted.rows[:, start : start + own.size]
            part[:] = part.mean(dim=1, keepdim=True)
        start += own.size


def trained(given: Dataset, sizes: tuple[int, ...], variant: str, options: Any) -> Front:
    """The front of a variant."""
    plain = FabricSettings()
    settings = FabricSettings(
        fabric="ultrascale+",
        seeds=options.seeds,
        starts=options.starts,
        epochs=options.epochs,
        refit=False,
        smoothness=(0.0, 0.0) if variant == "rough" else plain.smoothness,
    )
    own = Data(
        given.train_x,
        np.asarray(given.train_y),
        given.validation_x,
        np.asarray(given.validation_y),
    )
    training = FabricTraining(sizes, own, settings)
    if variant == "ranges":
        fixed_ranges(training)

    def tie(state: RunState) -> None:
        if variant == "layers":
            one_width_a_layer(training, state)

    return training.run(on_epoch=tie)[0]


VARIANTS = ("full", "rough", "ranges", "layers")


def main() -> int:
    """Train every variant and print what its seeds reach."""
    parser = argument_parser(__doc__, json_file=True)
    parser.add_argument("--dataset", choices=tuple(TASKS), default="dry_bean")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--epochs", type=int, default=400)
    parser.add_argument("--starts", type=int, default=8)
    parser.add_argument("--at-most", type=float, nargs="+", default=[230, 190, 150])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    options = parser.parse_args()
    loader = LOADERS.get(options.dataset)
    given = loader() if loader else data.load(options.dataset)
    head = [f"at most {limit:g}" for limit in options.at_most]
    table = Table(("variant", *head), (8, *(20 for _ in head)))
    rows = []
    for variant in options.variants:
        front = trained(given, TASKS[options.dataset][0], variant, options)
        cells = []
        for limit in options.at_most:
            best = [
                max(own.validation for own in points)
                for seed in options.seeds
                if (points := [p for p in front.points if p.seed == seed and p.cost <= limit])
            ]
            rows.append({"variant": variant, "at_most": limit, "validation": best})
            spread = statistics.stdev(best) if len(best) > 1 else 0.0
            cells.append(
                f"{100 * statistics.fmean(best):.2f} ({100 * spread:.2f}, {len(best)})"
                if best
                else "-"
            )
        table.add(variant, *cells)
    print("\nmeans of validation accuracies in percent (standard deviation, seeds that get there)")
    write_results(options.json, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
