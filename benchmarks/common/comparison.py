"""What a choice is worth: the same networks, quantized with one setting and with another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.common.experiments import (
    VARIANTS,
    Experiment,
    everywhere,
    in_parallel,
    measure,
    part,
)
from benchmarks.common.plots import line_plot
from benchmarks.common.results import DATASETS, SEEDS, ResultTable, average, table_parser

__all__ = ["compare"]

BITS = {2: 4, 3: 4, 4: 4, 8: 8}
WAYS = (("after", False, "uniform"), ("training", True, "lsq+"))


def compare(name: str, settings: dict[str, dict[str, Any]], description: str) -> None:
    """Measure settings side by side and write results/NAME-DATASET.

    Parameters
    ----------
    name
        Of the files.
    settings
        Label to config fields; differences are to the first.
    description
        Of the script, for its help and the note.
    """
    parser = table_parser(description, seeds=SEEDS, datasets=DATASETS)
    options = parser.parse_args()
    for dataset in options.datasets:
        _tabulate(name, settings, dataset, options.seeds, options.out)


def _tabulate(
    name: str, settings: dict[str, dict[str, Any]], dataset: str, seeds: list[int], folder: Path
) -> None:
    labels = list(settings)
    columns = ["network", "when", "bits", "float", *labels]
    columns += [f"{label} - {labels[0]}" for label in labels[1:]]
    table = ResultTable(
        f"{name}-{dataset}",
        columns,
        f"Test {part(dataset).unit} on {dataset}, mean and deviation over seeds "
        f"{', '.join(map(str, seeds))}; uniform rounding after training, LSQ+ in training. "
        "Differences are of the same seeds.",
        (12, 8, 5, 13, *[13] * (2 * len(labels) - 1)),
    )
    cases = [(v, way, w, a) for v in VARIANTS for way in WAYS for w, a in BITS.items()]
    tasks = []
    for variant, (_, trained, method), weights, bits in cases:
        chosen = {"quantizer" if trained else "method": method}
        tasks += [
            Experiment(variant, dataset, s, trained, everywhere(weights, bits, **chosen, **fields))
            for fields in settings.values()
            for s in seeds
        ]
    results = in_parallel(measure, tasks)
    lines: dict[str, list[list[float]]] = {}
    for variant, (when, _, _), weights, bits in cases:
        groups = [[next(results) for _ in seeds] for _ in labels]
        scores = [average(q for _, q in group) for group in groups]
        changes = [
            average(b - a for (_, a), (_, b) in zip(groups[0], group, strict=True))
            for group in groups[1:]
        ]
        floats = average(f for f, _ in groups[0])
        table.add(variant, when, f"W{weights}A{bits}", floats, *scores, *changes)
        for label, change in zip(labels[1:], changes, strict=True):
            lines.setdefault(f"{label}, {when}", [[] for _ in BITS])
            lines[f"{label}, {when}"][list(BITS).index(weights)].append(change.mean)
    table.write(folder)
    line_plot(
        {
            label: (list(BITS), [sum(column) / len(column) for column in columns])
            for label, columns in lines.items()
        },
        folder / f"{name}-{dataset}.svg",
        x_label="bits of weights",
        y_label=f"change of {part(dataset).unit} against {labels[0]}",
        title=f"{dataset}: mean over {len(VARIANTS)} variants",
    )
