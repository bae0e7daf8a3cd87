"""Bits chosen automatically against the same bits everywhere, at equal cost.

    python -m benchmarks.quantization.allocation [--datasets digits dry_bean] [--seeds 0 1 2]

The budget is what 3, 4 and 6 bits everywhere cost (weights, basis tables and activations alike), in
bits of parameters and in bit-operations. Choices are made on validation rows; losses are mean
squared changes of the outputs over their variance, on the test part.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.common.experiments import (
    VARIANTS,
    Experiment,
    calibration,
    evaluated,
    in_parallel,
    network,
    part,
)
from benchmarks.common.plots import line_plot
from benchmarks.common.results import ResultTable, average, tabulate_datasets
from kanhw.quant import BitBudget, QuantConfig, QuantModel, allocate, lower, quantize_model

BITS = (3, 4, 6)
BUDGETS = ("bits", "bit_operations")


def change(quantized: QuantModel, experiment: Experiment) -> float:
    """Mean squared change of the outputs over their variance, in percent, on the test part."""
    data = part(experiment.dataset)
    model = network(experiment.variant, experiment.dataset, experiment.seed)
    exact = model(data.test_x.reshape(-1, *model.input_shape))
    error = ((quantized(data.test_x) - exact) ** 2).mean()
    return 100 * float(error / exact.var())


def measured(experiment: Experiment) -> list[tuple[float, float, float, float, str]]:
    """For every budget: loss and score of the uniform and the allocated network, and its origin."""
    data = part(experiment.dataset)
    model = network(experiment.variant, experiment.dataset, experiment.seed)
    rows = []
    for bits in BITS:
        fields = dict.fromkeys(("base_bits", "spline_bits", "basis_bits", "activation_bits"), bits)
        plain = QuantConfig(realisation="basis_table", method="uniform")
        config = plain.changed({**fields, "base_table_bits": bits})
        uniform = quantize_model(model, calibration(data), config)
        for what in BUDGETS:
            found = allocate(
                model,
                calibration(data),
                data.validation_x,
                BitBudget.of(lower(uniform), what),
                config=QuantConfig(realisation="basis_table"),
            )
            scores = [evaluated(one, experiment.dataset) for one in (uniform, found.quantized)]
            losses = [change(one, experiment) for one in (uniform, found.quantized)]
            rows.append((losses[0], losses[1], scores[0], scores[1], found.origin))
    return rows


def tabulate(dataset: str, seeds: list[int], folder: Path) -> None:
    """Measure and write one table and its plot."""
    unit = part(dataset).unit
    table = ResultTable(
        f"allocation-{dataset}",
        (
            "network",
            "budget of",
            "in",
            "loss %, uniform",
            "loss %, allocated",
            f"{unit}, uniform",
            f"{unit}, allocated",
            "lower loss",
        ),
        "Mean squared change of the outputs in percent of their variance, and score, on the test "
        f"part of {dataset}, mean and deviation over seeds {', '.join(map(str, seeds))}. 'lower "
        "loss' counts the seeds for which allocation lost less.",
        (12, 9, 14, 15, 17, 20, 20),
    )
    tasks = [Experiment(variant, dataset, seed) for variant in VARIANTS for seed in seeds]
    results = in_parallel(measured, tasks)
    lines: dict[str, tuple[list[float], list[float]]] = {}
    for variant in VARIANTS:
        found = [next(results) for _ in seeds]
        cases = [(bits, what) for bits in BITS for what in BUDGETS]
        for place, (bits, what) in enumerate(cases):
            rows = [one[place] for one in found]
            figures = [average(row[k] for row in rows) for k in range(4)]
            lower_count = sum(row[1] < row[0] for row in rows)
            table.add(variant, f"{bits} bits", what, *figures, f"{lower_count} of {len(rows)}")
            if what == "bits":
                line = lines.setdefault(variant, ([], []))
                line[0].append(bits)
                line[1].append(figures[1].mean / figures[0].mean)
    table.write(folder)
    line_plot(
        lines,
        folder / f"allocation-{dataset}.svg",
        x_label="bits everywhere, whose parameters are the budget",
        y_label="loss, allocated / uniform",
        title=dataset,
    )


def main() -> None:
    """Run."""
    tabulate_datasets(__doc__, tabulate)


if __name__ == "__main__":
    main()
