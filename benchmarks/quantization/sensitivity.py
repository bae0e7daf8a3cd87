"""What is sensitive: one branch of one layer at 2, 3 or 4 bits, everything else at 8.

    python -m benchmarks.quantization.sensitivity [--datasets digits dry_bean] [--seeds 0 1 2]

Mean squared change of the outputs over their variance, on validation rows, and the accuracy there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.experiments import (
    VARIANTS,
    Experiment,
    calibration,
    in_parallel,
    network,
    part,
)
from benchmarks.common.plots import heat_map
from benchmarks.common.results import ResultTable, average, tabulate_datasets
from kanhw.quant import QuantConfig, sensitivity

BITS = (2, 3, 4)


def measured(experiment: Experiment) -> Any:
    """The sensitivities of one network."""
    data = part(experiment.dataset)
    model = network(experiment.variant, experiment.dataset, experiment.seed)
    return sensitivity(
        model,
        calibration(data),
        data.validation_x,
        data.validation_y,
        QuantConfig(realisation="basis_table"),
        BITS,
    )


def tabulate(dataset: str, seeds: list[int], folder: Path) -> None:
    """Measure and write one table and a heat map for every variant."""
    columns = [f"{what}, {bits} bits" for bits in BITS for what in ("loss %", "accuracy")]
    table = ResultTable(
        f"sensitivity-{dataset}",
        ("network", "layer", "branch", *columns),
        "Mean squared change of the outputs in percent of their variance, and accuracy in percent, "
        f"on validation rows of {dataset}, uniform rounding after training; mean and deviation "
        f"over seeds {', '.join(map(str, seeds))}. The row 'all at 8' is the reference.",
        (12, 12, 10, *[13] * len(columns)),
    )
    tasks = [Experiment(variant, dataset, seed) for variant in VARIANTS for seed in seeds]
    results = in_parallel(measured, tasks)
    for variant in VARIANTS:
        found = [next(results) for _ in seeds]
        reference = (
            average(100 * one.reference_loss for one in found),
            average(100 * one.reference_accuracy for one in found),
        )
        table.add(variant, "all", "all at 8", *reference * len(BITS))
        losses = np.stack([one.matrix("loss") for one in found])
        accuracies = np.stack([one.matrix("accuracy") for one in found])
        for row, unit in enumerate(found[0].units):
            cells = []
            for column in range(len(BITS)):
                cells += [
                    average(100 * losses[:, row, column]),
                    average(100 * accuracies[:, row, column]),
                ]
            table.add(variant, unit.layer, unit.branch, *cells)
        heat_map(
            100 * losses.mean(axis=0),
            [str(unit) for unit in found[0].units],
            [f"{bits} bits" for bits in BITS],
            folder / f"sensitivity-{dataset}-{variant}.svg",
            title=f"{variant} on {dataset}: change of the outputs, % of variance",
        )
    table.write(folder)


def main() -> None:
    """Run."""
    tabulate_datasets(__doc__, tabulate)


if __name__ == "__main__":
    main()
