"""Fronts of learned widths: LUTs after synthesis and accuracy on test rows, over seeds.

    python -m benchmarks.fabric.front --dataset dry_bean --out DIR [--seeds 0 1 2 3 4]
        [--sizes 16 3 7 | --shape 1x8x8-4@3x3-max2x2-10] [--at-most 190 ...]
        [--best-at-most 150 ...] [--epochs N] [--starts N] [--folds K] [--jitter SHARE]
        [--pressure LOW HIGH] [--most-bits N] [--merge-tables] [--spacing RATIO]
        [--learning-rate RATE] [--float-epochs N] [--best-only | --measured COST ...]
        [--fabrics NAME ...] [--folder DIR] [--jobs N] [--json FILE]

Trains once (or goes on in DIR), takes of every seed the best point by validation at every cost of
--at-most, and of all seeds the best at others, generates them with 2 adder levels and without
handshake (with it where images come pixel by pixel), synthesises them portable and with the fabric
"ultrascale+" (the smaller Yosys recipe), and simulates both on all test rows, bit for bit;
--fabrics names others ("ultrascale+, merged" merges tables, which trainings with --merge-tables
know of; "ultrascale+, a stage a layer" has as few registers as there are layers). With
--float-epochs every seed starts from a float network of those sizes that has been trained for so
long on the training rows, not from scratch.
What is measured is kept in DIR, and told by every later run.
With --measured only what is best at these costs is generated; of the others costs are told alone.
Inputs are encoded by the host, outputs are raw class sums. Test labels are looked at once, at the
end: a folder that holds test.json is refused. With --best-only the best of all seeds alone are
synthesised and simulated; of the others it is printed what they are told to cost. Fashion-MNIST is
that of the Debian package, installed or unpacked (its folder fashion-mnist is --folder then).
"""

from __future__ import annotations

import hashlib
import math
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import kanhw
import kanhw.layers
from benchmarks.common import data
from benchmarks.common.data import Dataset
from benchmarks.common.measuring import Table, argument_parser, environment_line, write_results
from benchmarks.fabric.images import IMAGES
from kanhw.entries import read_json_object
from kanhw.estimation import estimate_verilog, yosys_version
from kanhw.files import write_json
from kanhw.flow.fitting.fabric_run import TrainedFront
from kanhw.program import program_bytes
from kanhw.progress import Progress
from kanhw.quant.fabric.front import Front, Point
from kanhw.sim import check_design

FABRICS = ("portable", "ultrascale+")
# How a network is generated, by what it is called.
SCHEDULES: dict[str, dict[str, Any]] = {
    "portable": {"adder_levels": 2},
    "ultrascale+": {"adder_levels": 2, "fabric": "ultrascale+"},
    "portable, merged": {"adder_levels": 2, "merge_tables": "xcup"},
    "ultrascale+, merged": {"adder_levels": 2, "fabric": "ultrascale+", "merge_tables": "xcup"},
    "ultrascale+, a stage a layer": {
        "adder_levels": 0,
        "table_registers": False,
        "fabric": "ultrascale+",
    },
}
# Seconds that a run of Yosys, or a simulation, may take: networks of hundreds of inputs.
_LONGEST = 7200.0
# Sizes, and the costs at which points of every seed, and the best of all, are taken.
TASKS: dict[str, tuple[tuple[int, ...], float, float]] = {
    "dry_bean": ((16, 3, 7), 190, 150),
    "moons": ((2, 2, 1), 40, 30),
    "wine": ((13, 2, 3), 90, 60),
    "digits": ((64, 10, 10), 1200, 900),
    "fashion_mnist": ((784, 16, 10), 20_000, 5000),
    "fashion_binary": ((784, 16, 10), 20_000, 5000),
}


def moons() -> Dataset:
    """Two moons of scikit-learn, 2,000 points with noise 0.2: KANELE's own are not published."""
    from sklearn.datasets import make_moons

    x, labels = make_moons(2000, noise=0.2, random_state=0)
    train, held_out, test = data.split_rows(labels, 0.2, 42)
    parts = [part for rows in (train, held_out, test) for part in (x[rows], labels[rows])]
    return Dataset("moons", *parts, classes=2)


LOADERS: dict[str, Callable[[], Dataset]] = {"moons": moons}


def load(name: str, folder: Path) -> Dataset:
    """The dataset of a name in TASKS; folder is where images are."""
    if name in IMAGES:
        return IMAGES[name](folder)
    return LOADERS[name]() if name in LOADERS else data.load(name)


def measure(
    program: kanhw.Program,
    codes: Any,
    fabrics: Sequence[str] = FABRICS,
    jobs: int = 2,
    keep: Path | None = None,
) -> dict[str, Any]:
    """LUTs, flip-flops and stages on fabrics, every output simulated on codes.

    What was measured is kept in a folder, not measured again, and told whatever is asked for.
    """
    row: dict[str, Any] = {}
    for fabric in SCHEDULES:
        name = f"{identity(program, codes)}-{fabric.replace(', ', '-')}.json"
        kept = None if keep is None else keep / name
        if kept is not None and kept.exists():
            row[fabric] = read_json_object(kept)
        elif fabric in fabrics:
            row[fabric] = _measured(program, codes, fabric, jobs)
            if kept is not None:
                kept.parent.mkdir(exist_ok=True)
                write_json(kept, row[fabric])
    return row


def identity(program: kanhw.Program, codes: Any) -> str:
    """Of a Program and what it is simulated on."""
    digest = hashlib.sha256(program_bytes(program))
    digest.update(np.ascontiguousarray(codes).tobytes())
    return digest.hexdigest()[:16]


def _measured(program: kanhw.Program, codes: Any, fabric: str, jobs: int) -> dict[str, int]:
    images = any(layer.window is not None for layer in program.layers)
    schedule = kanhw.Schedule(handshake=images, **SCHEDULES[fabric])
    with tempfile.TemporaryDirectory(prefix="kanhw-benchmark-") as work:
        design = kanhw.generate(program, Path(work) / "design", schedule=schedule)
        check = check_design(design.path, codes, program(codes), engine="fast", timeout=_LONGEST)
        if not check.passed or check.vectors != len(codes):
            sys.exit(f"not exact: {'; '.join(check.problems)}")
        found = estimate_verilog(
            design.verilog_path, design.top, "xcup", timeout=_LONGEST, jobs=jobs
        )
    return {"lut": found.lut, "ff": found.ff, "stages": design.latency_cycles}


def accuracy(program: kanhw.Program, x: Any, labels: Any) -> float:
    """Share of rows whose class the integers name."""
    codes = program.input.encode(x)
    if program.layers[-1].n_out == 1:
        return float(((program(codes)[:, 0] > 0) == (labels == 1)).mean())
    return float((program.with_argmax()(codes)[:, 0] == labels).mean())


def train(
    shape: str | tuple[int, ...],
    given: Dataset,
    out: Path,
    seeds: Sequence[int],
    float_epochs: int | None,
    **settings: Any,
) -> TrainedFront:
    """From scratch in one call, or every seed from a float network of its own."""
    rows = given.train_x, given.train_y
    settings["validation"] = (given.validation_x, given.validation_y)
    if float_epochs is None:
        return kanhw.train_for_fabric(shape, *rows, out=out, seeds=seeds, **settings)
    fronts = [
        kanhw.train_for_fabric(
            float_network(shape, given, seed, float_epochs),
            *rows,
            out=out / f"seed{seed}",
            seeds=(seed,),
            **settings,
        )
        for seed in seeds
    ]
    points = tuple(point for own in fronts for point in own.front.points)
    programs = {name: program for own in fronts for name, program in own.programs.items()}
    return TrainedFront(replace(fronts[0].front, points=points), programs)


def float_network(
    shape: str | tuple[int, ...], given: Dataset, seed: int, epochs: int
) -> nn.Module:
    """An EfficientKAN that has learned the training rows: AdamW, 0.01 down to 0 along a cosine."""
    if isinstance(shape, str):
        sys.exit("--float-epochs needs --sizes: images have no float network here")
    torch.manual_seed(seed)
    network = kanhw.layers.KAN(shape)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2, weight_decay=1e-2)
    x, y = torch.tensor(given.train_x, dtype=torch.float32), torch.tensor(given.train_y)
    for epoch in range(epochs):
        optimiser.param_groups[0]["lr"] = 5e-3 * (1 + math.cos(math.pi * epoch / epochs))
        for rows in torch.randperm(len(x)).split(64):
            optimiser.zero_grad()
            functional.cross_entropy(network(x[rows]), y[rows]).backward()
            optimiser.step()
    return network


def main() -> int:
    """Train, measure, and look at the test rows."""
    parser = argument_parser(__doc__, json_file=True)
    parser.add_argument("--dataset", choices=tuple(TASKS), default="dry_bean")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--sizes", type=int, nargs="+")
    parser.add_argument("--shape", help="in the place of sizes")
    parser.add_argument("--at-most", type=float, nargs="+")
    parser.add_argument("--best-at-most", type=float, nargs="+")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--starts", type=int, default=16)
    parser.add_argument("--smoothness", type=float, nargs=2)
    parser.add_argument("--folds", type=int)
    parser.add_argument("--best-only", action="store_true")
    parser.add_argument("--measured", type=float, nargs="+", metavar="COST")
    parser.add_argument("--jitter", type=float, default=0.0)
    parser.add_argument("--most-bits", type=int, default=6)
    parser.add_argument("--merge-tables", action="store_true")
    parser.add_argument("--no-refit", action="store_true")
    parser.add_argument("--pressure", type=float, nargs=2)
    parser.add_argument("--fabrics", nargs="+", choices=tuple(SCHEDULES), default=FABRICS)
    parser.add_argument("--spacing", type=float, default=1.15)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--float-epochs", type=int, help="of a float network that seeds start from")
    parser.add_argument("--folder", type=Path, default=data.FASHION_FOLDER)
    options = parser.parse_args()
    if (options.out / "test.json").exists():
        sys.exit(f"{options.out} was tested already: test rows are looked at once; train anew")
    given = load(options.dataset, options.folder)
    sizes, limit, best_limit = TASKS[options.dataset]
    limits, best_limits = options.at_most or [limit], options.best_at_most or [best_limit]
    if not set(options.measured or []) <= set(limits):
        sys.exit("--measured names costs of --at-most")
    settings: dict[str, Any] = {"refit": not options.no_refit, "most_bits": options.most_bits}
    settings |= {"folds": options.folds, "jitter": options.jitter, "spacing": options.spacing}
    settings |= {"merge_tables": options.merge_tables}
    for pair in ("smoothness", "pressure"):
        if getattr(options, pair):
            settings[pair] = tuple(getattr(options, pair))
    print(environment_line(yosys_version()) + "\n", flush=True)
    with Progress() as progress, progress.step("training"):
        trained = train(
            options.shape or tuple(options.sizes or sizes),
            given,
            options.out,
            options.seeds,
            options.float_epochs,
            starts=options.starts,
            epochs=options.epochs,
            learning_rate=options.learning_rate,
            fabric="ultrascale+",
            **settings,
        )
    for own in trained.front.limits():
        print(
            f"validation {100 * own.validation:.2f} % (sd "
            f"{'-' if own.deviation is None else f'{100 * own.deviation:.2f}'}, {own.seeds} seeds) "
            f"told to cost {own.cost:.0f}, at most {own.at_most:.0f}"
        )
    front = trained.front
    chosen = {limit: of_every_seed(front, options.seeds, limit) for limit in limits}
    best = {own: front.best(own) for own in best_limits}
    generated = {own.name for own in best.values()}
    if not options.best_only:
        costs = limits if options.measured is None else options.measured
        generated |= {own.name for limit in costs for own in chosen[limit]}

    def measured(point: Point) -> dict[str, Any]:
        if point.name not in generated:
            return vars(point).copy()
        program = trained.programs[point.name]
        codes = program.input.encode(given.test_x)
        found = measure(
            program,
            codes,
            options.fabrics,
            jobs=min(options.jobs, 2),
            keep=options.out / "measured",
        )
        return {**vars(point), **found}

    with ThreadPoolExecutor(options.jobs) as pool:
        names = {own.name: own for own in (*best.values(), *chain(*chosen.values()))}
        rows = dict(zip(names, pool.map(measured, names.values()), strict=True))
    for name, row in rows.items():
        row["test"] = accuracy(trained.programs[name], given.test_x, given.test_y)
        # Output bits of tables are reals here, as the factors were fitted, and whole in "cost".
    for limit, points in chosen.items():
        print(f"\nof every seed the best by validation that is told to cost at most {limit:g}\n")
        show([rows[own.name] for own in points], len(given.test_x))
    told = ", ".join(f"{own:g}" for own in best_limits)
    print(f"\nof all seeds the best by validation that is told to cost at most {told}\n")
    show([rows[own.name] for own in best.values()], len(given.test_x), mean=False)
    write_json(options.out / "test.json", rows)
    write_results(options.json, rows)
    return 0


def of_every_seed(front: Front, seeds: Sequence[int], limit: float) -> list[Point]:
    """The best by validation that cost at most so much, of the seeds that have one."""
    cheap = [[p for p in front.points if p.seed == seed and p.cost <= limit] for seed in seeds]
    return [replace(front, points=tuple(points)).best(limit) for points in cheap if points]


def show(rows: list[dict[str, Any]], tested: int, *, mean: bool = True) -> None:
    """A table of points, and their means."""
    kinds = [own for own in SCHEDULES if own in FABRICS or any(own in r for r in rows)]
    table = Table(
        (
            "point",
            "edges",
            "cost",
            "validation",
            "test",
            *(f"{own}: LUT/FF/stages" for own in kinds),
        ),
        (12, 5, 7, 10, 6, *(len(own) + 15 for own in kinds)),
    )
    for row in rows:
        table.add(
            row["name"],
            row["edges"],
            f"{row['cost']:.1f}",
            f"{100 * row['validation']:.2f}",
            f"{100 * row['test']:.2f}",
            *(
                "/".join(str(row[f][k]) for k in ("lut", "ff", "stages")) if f in row else "-"
                for f in kinds
            ),
        )
    if len(rows) < 2 or not mean:
        return
    means = {name: statistics.fmean(row[name] for row in rows) for name in ("validation", "test")}
    spreads = {name: statistics.stdev(row[name] for row in rows) for name in means}
    cost = statistics.fmean(row["cost"] for row in rows)
    measured = f"told cost {cost:.0f}"
    if all(fabric in row for row in rows for fabric in FABRICS):
        luts = [statistics.fmean(row[fabric]["lut"] for row in rows) for fabric in FABRICS]
        measured += (
            f", LUT {luts[0]:.1f} portable, {luts[1]:.1f} tuned; every output of {tested} test "
            "rows simulated, equal"
        )
    error = math.sqrt(means["test"] * (1 - means["test"]) / tested)
    print(
        f"\nmean of {len(rows)} seeds: validation {100 * means['validation']:.2f} % (sd "
        f"{100 * spreads['validation']:.2f}), test {100 * means['test']:.2f} % (sd "
        f"{100 * spreads['test']:.2f}; standard error of the test part "
        f"{100 * error:.2f}), {measured}"
    )


if __name__ == "__main__":
    sys.exit(main())
