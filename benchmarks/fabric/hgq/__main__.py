"""HGQ2's learned widths and alkaid's RTL beside ours: LUTs of Yosys and accuracy, on one task.

    python -m benchmarks.fabric.hgq --dataset dry_bean --out DIR [--seeds 0 1 2 3 4] [--folds K]
        [--sizes 16 3 7] [--jitter SHARE] [--tools HGQ2 kanhw]
        [--epochs 600] [--betas 3e-6 3e-3] [--rate 5e-3] [--batch 256] [--batch-norm]
        [--hidden 8] [--their-sizes 16 3 7] [--refit EPOCHS] [--at-most 300 ...]
        [--our-epochs N] [--our-starts N] [--our-most-bits N] [--our-pressure 1e-4 2e-3]
        [--our-at-most 130 ...]
        [--keep FILE] [--plot FILE.svg] [--json FILE]

Needs the packages HGQ2, alkaid and jax, which nothing else here does (pip install HGQ2 alkaid jax);
without them the benchmark says so and is skipped.

Both get the same rows, split, standardisation, shape and seeds, and, where they are asked for, the
same folds and as much noise. Theirs are layers of QDenseT: every edge is a small network of its own
that becomes a table, with widths that are learned under a weight of their cost (EBOPs) that rises
exponentially; the best network by validation of every band of that cost is kept, and goes on with
all rows where a refit is asked for. Ours is `kanhw train --fabric-cost lut`, which has a refit. Of
every seed the best by validation is taken at each of some limits of each side's own cost; those are
written as Verilog (theirs by alkaid, with as many stages as ours has), synthesised by the recipes
of Yosys of kanele.py, and simulated on all test rows: theirs must equal what Keras computes.
Nothing is chosen by test rows. Inputs are encoded by the host on both sides and outputs are raw
class sums. Keras is told to use jax.

Rows of --keep are told again, not measured again; those of several datasets may be in one file,
and the plot shows them all, a panel a dataset.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import kanhw
from benchmarks.common import data
from benchmarks.common.data import Dataset
from benchmarks.common.kept import keep_rows, kept_rows
from benchmarks.common.measuring import argument_parser, environment_line, write_results
from benchmarks.fabric.front import FABRICS, TASKS, accuracy, measure
from benchmarks.fabric.hgq.rows import Row, plot, show
from benchmarks.fabric.hgq.training import Recipe, Refit, best_at, network, rows_of, trained
from benchmarks.fabric.hgq.verilog import compiled, synthesised
from kanhw.estimation import yosys_version
from kanhw.interruption import temporary_folder
from kanhw.progress import Progress

PACKAGES = ("HGQ2", "alkaid", "jax")


def missing() -> list[str]:
    """Packages that are not installed."""
    absent = []
    for name in PACKAGES:
        try:
            version(name)
        except PackageNotFoundError:
            absent.append(name)
    return absent


def theirs(given: Dataset, options: Any, known: Sequence[int]) -> Iterator[list[Row]]:
    """Rows of every seed that is not known: trained, chosen by validation, synthesised, tested."""
    recipe = their_recipe(options)
    test = given.test_x.astype(np.float32)
    parts = rows_of(given, options.folds, len(options.seeds))
    for seed, part in zip(options.seeds, parts, strict=True):
        if seed in known:
            continue
        started = time.monotonic()
        kept = trained(part, seed, recipe)
        print(f"HGQ2, seed {seed}: trained in {time.monotonic() - started:.0f} s", flush=True)
        refit = Refit(part, recipe) if recipe.refit else None
        model = network(recipe)
        measured: dict[float, tuple[float, float, float, int, None, int]] = {}
        rows = []
        for limit in options.at_most:
            best = best_at(kept, limit)
            if best is None:
                continue
            if best.cost not in measured:
                chosen = refit(best, seed) if refit else best
                model.set_weights(chosen.weights)
                graph = compiled(model, part.every_x)
                expected = np.asarray(model.predict(test, verbose=0), np.float64)
                with temporary_folder("kanhw-benchmark-") as folder:
                    lut, ff = synthesised(graph, test.astype(np.float64), expected, folder / "rtl")
                right = float((expected.argmax(1) == given.test_y).mean())
                measured[best.cost] = chosen.cost, best.validation, right, lut, None, ff
            figures = measured[best.cost]
            rows.append(Row(given.name, "HGQ2", seed, limit, *figures, settings_of(recipe)))
        yield rows


def their_recipe(options: Any) -> Recipe:
    """What was asked for of HGQ2."""
    return Recipe(
        tuple(options.their_sizes or options.sizes),
        options.epochs,
        tuple(options.betas),
        options.rate,
        options.batch,
        options.batch_norm,
        options.jitter,
        options.hidden,
        options.refit,
    )


def our_settings(options: Any) -> dict[str, Any]:
    """What was asked for of training for the fabric."""
    return {
        "starts": options.our_starts,
        "epochs": options.our_epochs,
        "folds": options.folds,
        "jitter": options.jitter,
        "most_bits": options.our_most_bits,
        **({"pressure": tuple(options.our_pressure)} if options.our_pressure else {}),
    }


def settings_of(recipe: Recipe | dict[str, Any]) -> str:
    """In one text, to be told apart."""
    return json.dumps(asdict(recipe) if isinstance(recipe, Recipe) else recipe)


def ours(given: Dataset, options: Any, known: Sequence[int]) -> Iterator[list[Row]]:
    """The same of learned widths here."""
    settings = our_settings(options)
    with Progress() as progress, progress.step("kanhw"):
        result = kanhw.train_for_fabric(
            tuple(options.sizes),
            given.train_x,
            given.train_y,
            validation=(given.validation_x, given.validation_y),
            out=options.out / "kanhw",
            seeds=options.seeds,
            fabric="ultrascale+",
            **settings,
        )
    front = result.front
    measured: dict[str, dict[str, Any]] = {}
    for seed in options.seeds:
        if seed in known:
            continue
        own = replace(front, points=tuple(p for p in front.points if p.seed == seed))
        rows = []
        for limit in options.our_at_most:
            if not any(point.cost <= limit for point in own.points):
                continue
            point = own.best(limit)
            program = result.programs[point.name]
            if point.name not in measured:
                codes = program.input.encode(given.test_x)
                measured[point.name] = measure(program, codes, FABRICS, jobs=1)
            found = measured[point.name]
            right = accuracy(program, given.test_x, given.test_y)
            luts = found["portable"]["lut"], found["ultrascale+"]["lut"], found["portable"]["ff"]
            figures = point.cost, point.validation, right, *luts
            rows.append(Row(given.name, "kanhw", seed, limit, *figures, settings_of(settings)))
        yield rows


Side = Callable[[Dataset, Any, Sequence[int]], Iterator[list[Row]]]
SIDES: dict[str, Side] = {"HGQ2": theirs, "kanhw": ours}


def rows_of_side(tool: str, given: Dataset, options: Any, settings: str) -> list[Row]:
    """Those that are kept, and those of other seeds, which are kept as they come."""
    kept = [Row(**row) for row in kept_rows(options.keep)]
    own = [row for row in kept if (row.dataset, row.tool) == (given.name, tool)]
    if any(row.settings != settings for row in own):
        sys.exit(f"{options.keep} holds {tool} on {given.name} with other settings: keep anew")
    for rows in SIDES[tool](given, options, [row.seed for row in own]):
        keep_rows(options.keep, map(asdict, rows))
        own += rows
    return own


def main() -> int:
    """Train both, and compare."""
    parser = argument_parser(__doc__, json_file=True)
    parser.add_argument("--dataset", choices=tuple(TASKS), default="dry_bean")
    parser.add_argument("--out", type=Path, required=True, help="a folder for our training")
    parser.add_argument("--sizes", type=int, nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--folds", type=int)
    parser.add_argument("--jitter", type=float, default=0.0)
    parser.add_argument("--tools", nargs="+", choices=tuple(SIDES), default=[*SIDES])
    parser.add_argument("--epochs", type=int, default=600)
    parser.add_argument("--betas", type=float, nargs=2, default=[3e-6, 3e-3])
    parser.add_argument("--rate", type=float, default=5e-3)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--batch-norm", action="store_true")
    parser.add_argument("--hidden", type=int, default=8, help="neurons within an edge of HGQ2's")
    parser.add_argument("--refit", type=int, default=0, help="epochs of HGQ2's with all rows")
    parser.add_argument("--their-sizes", type=int, nargs="+", help="where they are not ours")
    parser.add_argument("--at-most", type=float, nargs="+", default=[200, 300, 450, 700, 1100])
    parser.add_argument("--our-epochs", type=int)
    parser.add_argument("--our-starts", type=int, default=16)
    parser.add_argument("--our-most-bits", type=int, default=6, help="address bits of a table")
    parser.add_argument("--our-pressure", type=float, nargs=2, help="weights of the cost")
    parser.add_argument("--our-at-most", type=float, nargs="+", default=[110, 140, 190, 250, 330])
    parser.add_argument("--keep", type=Path, metavar="FILE")
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    if absent := missing():
        print(f"skipped: {', '.join(absent)} not installed (pip install HGQ2 alkaid jax)")
        return 0
    os.environ["KERAS_BACKEND"] = "jax"
    tools = (f"{name} {version(name)}" for name in PACKAGES)
    print(environment_line(yosys_version(), *tools) + "\n", flush=True)
    given = data.load(options.dataset)
    options.sizes = options.sizes or TASKS[options.dataset][0]
    settings = {
        "HGQ2": settings_of(their_recipe(options)),
        "kanhw": settings_of(our_settings(options)),
    }
    rows = []
    for tool in options.tools:
        started = time.monotonic()
        rows += rows_of_side(tool, given, options, settings[tool])
        print(f"{tool}: {time.monotonic() - started:.0f} s with synthesis", flush=True)
    show(rows, len(options.seeds))
    if options.plot:
        plot([Row(**row) for row in kept_rows(options.keep)] or rows, options.plot)
    write_results(options.json, [asdict(row) for row in rows])
    return 0


if __name__ == "__main__":
    sys.exit(main())
