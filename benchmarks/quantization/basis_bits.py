"""Bits of basis values, coefficients and activations: accuracy against what they cost.

    python -m benchmarks.quantization.basis_bits [--dataset digits] [--seeds 0 1 2]

Basis tables of 1 to 14 bits, coefficients and base weights of 2 to 8, activations of 2 to 8, each
with each, uniform rounding after training: 686 networks of every variant and seed. All of them are
in the CSV file; the Markdown file has those that no other network of the variant beats in both the
validation accuracy and the bit-operations, or the bits of parameters. Which they are is decided on
validation rows; what is shown is the test part.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.common.experiments import (
    VARIANTS,
    Experiment,
    calibration,
    everywhere,
    in_parallel,
    network,
    part,
)
from benchmarks.common.networks import score
from benchmarks.common.plots import Point, pareto_front, pareto_plot
from benchmarks.common.results import SEEDS, ResultTable, average, table_parser
from kanhw.quant import QuantConfig, costs_of, lower
from kanhw.quant.planning.plan import make_plan
from kanhw.quant.realise import realise_nearest

BASIS = tuple(range(1, 15))
WEIGHTS = ACTIVATIONS = tuple(range(2, 9))
COSTS = {"bit_operations": "bit-operations", "parameter_bits": "parameter bits"}


def measured(experiment: Experiment) -> list[tuple[float, float, int, int]]:
    """Validation and test scores, bit-operations and parameter bits of all networks."""
    data = part(experiment.dataset)
    model = network(experiment.variant, experiment.dataset, experiment.seed)
    rows = []
    plans = {}
    for basis, weights, bits in grid():
        fields = everywhere(weights, bits, basis_bits=basis)
        config = QuantConfig(realisation="basis_table", **fields)
        if bits not in plans:
            plans[bits] = make_plan(model, calibration(data), config)
        # Which codes there are does not depend on the other bits.
        quantized = realise_nearest(replace(plans[bits], config=config), {})
        costs = costs_of(lower(quantized))
        scores = (
            score(quantized(data.validation_x), data.validation_y),
            score(quantized(data.test_x), data.test_y),
        )
        rows.append((*scores, costs.bit_operations, costs.parameter_bits))
    return rows


def grid() -> list[tuple[int, int, int]]:
    """Basis, weight and activation bits."""
    return [(b, w, a) for b in BASIS for w in WEIGHTS for a in ACTIVATIONS]


def tabulate(dataset: str, seeds: list[int], folder: Path) -> None:
    """Measure and write the tables and plots."""
    columns = ("network", "basis", "weights", "activations", "validation", "test", *COSTS.values())
    note = (
        f"{part(dataset).unit} on {dataset}, mean and deviation over seeds "
        f"{', '.join(map(str, seeds))}; uniform rounding after training."
    )
    everything = ResultTable(f"basis-bits-{dataset}-all", columns, note, (12,))
    tasks = [Experiment(variant, dataset, seed) for variant in VARIANTS for seed in seeds]
    results = in_parallel(measured, tasks)
    points: dict[str, list[Any]] = {}
    for variant in VARIANTS:
        found = [next(results) for _ in seeds]
        for bits, *rows in zip(grid(), *found, strict=True):
            validation, test = (average(row[k] for row in rows) for k in (0, 1))
            # What integers cost depends a little on which of them are 0.
            costs = [round(average(row[k] for row in rows).mean) for k in (2, 3)]
            everything.add(variant, *bits, validation, test, *costs)
            points.setdefault(variant, []).append((bits, validation, test, *costs))
    everything.write(folder)
    (folder / f"basis-bits-{dataset}-all.md").unlink()
    best = ResultTable(f"basis-bits-{dataset}", ("front", *columns), note, (14, 12))
    for place, (cost, name) in enumerate(COSTS.items()):
        drawn = []
        for variant, rows in points.items():
            front = pareto_front([(row[3 + place], row[1].mean) for row in rows])
            for bits, validation, test, *costs in (rows[index] for index in front):
                best.add(name, variant, *bits, validation, test, *costs)
                drawn.append(Point(costs[place], test.mean, variant, "/".join(map(str, bits))))
        pareto_plot(
            drawn,
            folder / f"basis-bits-{dataset}-{cost.replace('_', '-')}.svg",
            x_label=name,
            y_label=f"test {part(dataset).unit}",
            title=f"{dataset}: basis / weight / activation bits",
        )
    best.write(folder)


def main() -> None:
    """Run."""
    parser = table_parser(__doc__, seeds=SEEDS)
    parser.add_argument("--dataset", default="digits", choices=("digits", "dry_bean", "wine"))
    options = parser.parse_args()
    tabulate(options.dataset, options.seeds, options.out)


if __name__ == "__main__":
    main()
