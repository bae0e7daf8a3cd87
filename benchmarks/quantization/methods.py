"""Which method costs how much accuracy, after and during training, in every variant.

    python -m benchmarks.quantization.methods [--datasets digits dry_bean ...] [--seeds 0 1 2]

Weights of 2, 3, 4 and 8 bits, activations of 4, 4, 4 and 8 (2 and 3 bit activations are in
basis_bits.py), basis tables of 8 bits. Written to results/methods-DATASET.md, .csv and .svg.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.common.experiments import (
    METHODS,
    QUANTIZERS,
    VARIANTS,
    Experiment,
    everywhere,
    in_parallel,
    measure,
    part,
)
from benchmarks.common.plots import line_plot
from benchmarks.common.results import SEEDS, ResultTable, average, table_parser

BITS = {2: 4, 3: 4, 4: 4, 8: 8}


def experiments(dataset: str, seeds: list[int]) -> list[Experiment]:
    """All that one table holds."""
    chosen = [("quantizer", name, True) for name in QUANTIZERS]
    chosen += [("method", name, False) for name in METHODS]
    return [
        Experiment(variant, dataset, seed, trained, everywhere(weights, bits, **{field: name}))
        for variant in VARIANTS
        for field, name, trained in chosen
        for weights, bits in BITS.items()
        for seed in seeds
    ]


def tabulate(dataset: str, seeds: list[int], folder: Path) -> None:
    """Measure and write one table and its plot."""
    columns = ["network", "when", "method", "float", *(f"W{w}A{a}" for w, a in BITS.items())]
    unit = part(dataset).unit
    table = ResultTable(
        f"methods-{dataset}",
        columns,
        f"Test {unit} on {dataset}, mean and deviation over seeds {', '.join(map(str, seeds))}.",
        (12, 8, 11, 13, 13, 13, 13, 13),
    )
    tasks = experiments(dataset, seeds)
    results = in_parallel(measure, tasks)
    losses: dict[str, list[list[float]]] = {}
    per_row = len(BITS) * len(seeds)
    for start in range(0, len(tasks), per_row):
        row = [next(results) for _ in range(per_row)]
        first = tasks[start]
        name = first.config["quantizer" if first.trained else "method"]
        groups = [row[k : k + len(seeds)] for k in range(0, per_row, len(seeds))]
        scores = [average(q for _, q in group) for group in groups]
        when = "training" if first.trained else "after"
        floats = average(f for f, _ in groups[0])
        table.add(first.variant, when, name, floats, *scores)
        losses.setdefault(f"{name} ({when})", []).append(
            [abs(average(f - q for f, q in group).mean) for group in groups]
        )
    table.write(folder)
    series: dict[str, Any] = {
        name: (list(BITS), [sum(column) / len(column) for column in zip(*rows, strict=True)])
        for name, rows in losses.items()
    }
    for when in ("training", "after"):
        line_plot(
            {name: line for name, line in series.items() if f"({when})" in name},
            folder / f"methods-{dataset}-{when}.svg",
            x_label="bits of weights",
            y_label=f"lost {unit}",
            title=f"{dataset}: mean over {len(VARIANTS)} variants",
        )


def main() -> None:
    """Run."""
    parser = table_parser(__doc__, seeds=SEEDS, datasets=("digits", "dry_bean", "heat", "poisson"))
    options = parser.parse_args()
    for dataset in options.datasets:
        tabulate(dataset, options.seeds, options.out)


if __name__ == "__main__":
    main()
