"""Bits of codes against bits of functions: the surface of `kanhw explore --sweep precision`.

    python -m benchmarks.exploration.precision [--datasets digits dry_bean heat]
        [--variants EfficientKAN] [--seeds 0 1 2] [--processes 2] [--out DIR]

Of every network 98 quantizations after training: 2 to 8 bits of inputs and activations against 2 to
8 of all that functions are stored with (tables; or coefficients and basis values), as edge tables
and as basis tables. Surfaces are means over seeds of scores on the validation part; the tables have
the pairs of bits that no other beats there by score and parameter bits, and their score on the test
part, which chose nothing.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kanhw
from benchmarks.common.data import Dataset, load
from benchmarks.common.experiments import VARIANTS
from benchmarks.common.networks import float_model, score
from benchmarks.common.plots import heat_map, pareto_front
from benchmarks.common.results import RESULTS, SEEDS, ResultTable, average, table_parser
from kanhw.exploration.answers.exploration import Exploration
from kanhw.exploration.answers.surfaces import surfaces_of
from kanhw.exploration.running.store import Store, load_store
from kanhw.places import write_whole
from kanhw.program import load_program

DATASETS = ("digits", "dry_bean", "heat")
BITS = tuple(range(2, 9))
COLUMNS = ("network", "tables", "codes", "functions", "parameter bits", "validation", "test")

Pair = tuple[int, int]


@dataclass(frozen=True)
class Found:
    """Of one network and realisation, by bits of codes and of functions.

    Parameters
    ----------
    scores
        On the validation part.
    parameter_bits
        Of the Program.
    stages
        Where the store keeps it.
    """

    scores: dict[Pair, float]
    parameter_bits: dict[Pair, float]
    stages: dict[Pair, str]


def explored(
    variant: str, data: Dataset, seed: int, folder: Path, processes: int
) -> tuple[Store, dict[str, Found]]:
    """The sweep of one network, by realisation."""
    target = "y" if data.classes is None else "labels"
    found = kanhw.explore(
        float_model(variant, data, seed),
        {"x": data.train_x, target: data.train_y},
        folder,
        held_out={"x": data.validation_x, target: data.validation_y},
        sweep="precision",
        processes=processes,
    )
    store = load_store(folder)
    return store, {each: _found(found, store, data, each) for each in _realisations(found)}


def _realisations(found: Exploration) -> list[str]:
    return [surface.name for surface in surfaces_of(found, "precision")]


def _found(found: Exploration, store: Store, data: Dataset, realisation: str) -> Found:
    (surface,) = (each for each in surfaces_of(found, "precision") if each.name == realisation)
    scores, parameter_bits, stages = {}, {}, {}
    for (codes, functions), rated in surface.best.items():
        pair = int(str(codes)), int(str(functions))
        stages[pair] = rated.point.stage
        parameter_bits[pair] = rated.figures["parameter_bits"]
        scores[pair] = _score(store, rated.point.stage, data.validation_x, data.validation_y)
    return Found(scores, parameter_bits, stages)


def _score(store: Store, stage: str, x: Any, y: Any) -> float:
    program = load_program(store.program_path(stage))
    return score(program.decode_output(program(program.input.encode(x))), y)


def tabulate(dataset: str, options: Any, folder: Path) -> None:
    """Measure all variants of a set of data, and write the table, the surfaces and the maps."""
    data, seeds = load(dataset), options.seeds
    table = ResultTable(
        f"precision-{dataset}",
        COLUMNS,
        f"{data.unit} on {dataset}, mean and deviation over seeds {', '.join(map(str, seeds))}; "
        "uniform rounding after training; no other pair is better on the validation part with as "
        "few bits of parameters.",
        (12, 11, 0, 0, 9, 14, 14),
    )
    for variant in options.variants:
        runs = [
            explored(variant, data, seed, folder / f"{dataset}-{variant}-{seed}", options.processes)
            for seed in seeds
        ]
        exact = [float_model(variant, data, seed) for seed in seeds]
        table.add(
            *(variant, "float", "-", "-", "-"),
            average(score(model(data.validation_x), data.validation_y) for model in exact),
            average(score(model(data.test_x), data.test_y) for model in exact),
        )
        for realisation in runs[0][1]:
            own = [(store, found[realisation]) for store, found in runs]
            _add_front(table, variant, realisation, own, data)
            _write_surface(options.out, dataset, variant, realisation, own, data)
    table.write(options.out)


def _add_front(
    table: ResultTable,
    variant: str,
    realisation: str,
    runs: Sequence[tuple[Store, Found]],
    data: Dataset,
) -> None:
    pairs = _common(runs)
    points = [
        (
            average(found.parameter_bits[pair] for _, found in runs).mean,
            average(found.scores[pair] for _, found in runs).mean,
        )
        for pair in pairs
    ]
    for place in pareto_front(points, lower_is_better=data.classes is None):
        pair = pairs[place]
        stages = [(store, found.stages[pair]) for store, found in runs]
        tested = (_score(store, stage, data.test_x, data.test_y) for store, stage in stages)
        table.add(
            *(variant, realisation, *pair, round(points[place][0])),
            average(found.scores[pair] for _, found in runs),
            average(tested),
        )


def _common(runs: Sequence[tuple[Store, Found]]) -> list[Pair]:
    """The pairs of bits that every seed has."""
    return sorted(set.intersection(*(set(found.scores) for _, found in runs)))


def _write_surface(
    out: Path,
    dataset: str,
    variant: str,
    realisation: str,
    runs: Sequence[tuple[Store, Found]],
    data: Dataset,
) -> None:
    pairs = set(_common(runs))
    matrix = [
        [
            average(found.scores[codes, functions] for _, found in runs).mean
            if (codes, functions) in pairs
            else float("nan")
            for functions in BITS
        ]
        for codes in BITS
    ]
    stem = out / f"precision-{dataset}-{variant}-{realisation}"
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["codes \\ functions", *BITS])
    writer.writerows([bits, *row] for bits, row in zip(BITS, matrix, strict=True))
    write_whole(stem.with_suffix(".csv"), text.getvalue())
    names = [str(bits) for bits in BITS]
    title = f"{variant}, {dataset}, {realisation.replace('_', ' ')}s: {data.unit}"
    labels = "bits of functions", "bits of codes"
    heat_map(matrix, names, names, stem.with_suffix(".svg"), title, *labels, form=".1f")


def main() -> None:
    """Run."""
    parser = table_parser(__doc__, seeds=SEEDS, datasets=DATASETS)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    parser.add_argument("--processes", type=int, default=2)
    parser.set_defaults(out=RESULTS.parents[1] / "exploration" / "results")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for dataset in options.datasets:
        with tempfile.TemporaryDirectory(prefix="kanhw-benchmark-") as work:
            tabulate(dataset, options, Path(work))


if __name__ == "__main__":
    main()
