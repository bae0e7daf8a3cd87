"""What KANELE's published moons network reaches on the points that ours is measured on.

    python -m benchmarks.hardware.kanele_moons [--seeds 0 1 2 3 4] [--draws N] [--steps N]
        [--fresh N] [--front DIR [--at-most COST]]

Its integer tables are published, its points and the map from coordinates to codes are not. The map
is an offset and a width of each coordinate, and which class a positive sum names: they are fitted
to the accuracy on the points that ours are trained and chosen by, by random draws and by random
steps from the best of them. Of every seed the accuracy there, on the test points and on many fresh
ones is told; with a front of ours, that of the best of each of its seeds by validation, and what
no classifier can exceed but by chance.
"""

from __future__ import annotations

import itertools
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

import kanhw
from benchmarks.common.measuring import Table, argument_parser, environment_line, reference_folder
from benchmarks.fabric.front import moons
from kanhw.formats import FloatArray, IntArray

# Steps from the best draws begin at this share of a coordinate's deviation, and shrink.
BEST, FIRST_STEP, SHRINK = 4, 0.3, 0.99
# Points are drawn from two arcs with this noise; arcs of so many points stand for them.
NOISE, ON_A_MOON = 0.2, 500
FRESH_SEED = 98_765
# Points whose densities are computed at once.
AT_ONCE = 1000


def sums_of(program: kanhw.Program) -> IntArray:
    """``[C, C]``: the network's output by the codes of both coordinates."""
    form = program.input.format
    codes = np.array(list(itertools.product(range(form.lo, form.hi + 1), repeat=2)))
    size = form.hi - form.lo + 1
    return program(codes)[:, 0].reshape(size, size)


def accuracy(sums: IntArray, ends: FloatArray, x: FloatArray, labels: IntArray) -> float:
    """Share of points whose class the sign names, codes running from ends[0] to ends[1]."""
    size = len(sums)
    codes = np.floor((x - ends[0]) / (ends[1] - ends[0]) * size).clip(0, size - 1).astype(int)
    return float(((sums[codes[:, 0], codes[:, 1]] > 0) == labels).mean())


def fitted(
    sums: IntArray, x: FloatArray, labels: IntArray, seed: int, draws: int, steps: int
) -> tuple[float, FloatArray]:
    """The best accuracy that was found, and the ends ``[2, 2]`` of the ranges of codes."""
    random = np.random.default_rng(seed)
    middle, deviation = x.mean(axis=0), x.std(axis=0)
    found = []
    for _ in range(draws):
        half = random.uniform(1, 6, 2) * random.choice((-1, 1), 2) * deviation
        centre = middle + random.uniform(-1.5, 1.5, 2) * deviation
        ends = np.stack([centre - half, centre + half])
        found.append((accuracy(sums, ends, x, labels), ends))
    found.sort(key=lambda own: -own[0])
    for k, (best, ends) in enumerate(found[:BEST]):
        step = FIRST_STEP
        for _ in range(steps):
            near = ends + random.normal(0, step, (2, 2)) * deviation
            reached = accuracy(sums, near, x, labels)
            if reached >= best:
                best, ends = reached, near
            step *= SHRINK
        found[k] = best, ends
    return max(found, key=lambda own: own[0])


def best_class(x: FloatArray) -> npt.NDArray[np.bool_]:
    """Whether each point is more likely of class 1, by the densities that points are drawn from."""
    angles = np.linspace(0, np.pi, ON_A_MOON)
    moon = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    other = np.array([1.0, 0.5]) - moon
    densities = [
        np.exp(-np.square(x[:, None] - own).sum(axis=2) / (2 * NOISE**2)).sum(axis=1)
        for own in (moon, other)
    ]
    found: npt.NDArray[np.bool_] = densities[1] > densities[0]
    return found


def fresh_points(count: int) -> tuple[FloatArray, IntArray]:
    """Points of the same distribution that no network was trained, chosen or tested by."""
    from sklearn.datasets import make_moons

    x, labels = make_moons(count, noise=NOISE, random_state=FRESH_SEED)
    return x, labels


def accuracies(program: kanhw.Program, parts: Sequence[tuple[FloatArray, IntArray]]) -> list[float]:
    """Shares of points of each part whose class the sign of the output names."""
    return [
        float(((program(program.input.encode(x))[:, 0] > 0) == (labels == 1)).mean())
        for x, labels in parts
    ]


def best_points(folder: Path, limit: float | None) -> list[tuple[str, float, kanhw.Program]]:
    """Of every seed of a front the best point by validation at most at a cost."""
    read = json.loads((folder / "front.json").read_text(encoding="utf-8"))["points"]
    points = [own for own in read if limit is None or own["cost"] <= limit]
    chosen = []
    for seed in sorted({own["seed"] for own in points}):
        own = max(
            (own for own in points if own["seed"] == seed),
            key=lambda own: (own["validation"], -own["cost"]),
        )
        program = kanhw.load_program(folder / "points" / f"{own['name']}.safetensors")
        chosen.append((own["name"], own["cost"], program))
    return chosen


def summary(what: str, rows: Sequence[Sequence[float]]) -> str:
    """Means and deviations of the accuracies of some networks or fits."""
    told = []
    for name, values in zip(("test", "fresh"), zip(*rows, strict=True), strict=True):
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        told.append(f"{name} {100 * statistics.fmean(values):.2f} % (sd {100 * spread:.2f})")
    return f"{what}: {', '.join(told)}"


def main() -> int:
    """Fit and print."""
    parser = argument_parser(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--draws", type=int, default=4000)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--fresh", type=int, default=100_000, metavar="N")
    parser.add_argument("--front", type=Path, metavar="DIR")
    parser.add_argument("--at-most", type=float, metavar="COST")
    options = parser.parse_args()
    print(environment_line() + "\n")
    sums = sums_of(kanhw.load(reference_folder("peers/kanele") / "moons"))
    given, fresh = moons(), fresh_points(options.fresh)
    parts = [(given.test_x, given.test_y), fresh]
    x = np.concatenate([given.train_x, given.validation_x])
    labels = np.concatenate([given.train_y, given.validation_y]) == 1
    table = Table(
        ("network", "cost", "fitted on", "test", "fresh", "a positive sum is class"),
        (10, 6, 9, 9, 9, 0),
    )
    reached = []
    for seed in options.seeds:
        both = []
        for named in (1, 0):
            own = labels if named else ~labels
            best, ends = fitted(sums, x, own, seed, options.draws, options.steps)
            both.append((best, named, [accuracy(sums, ends, x, y == named) for x, y in parts]))
        best, named, tested = max(both)
        reached.append(tested)
        told = [f"{100 * own:.2f}" for own in (best, *tested)]
        table.add(f"fit {seed}", "", *told, named)
    trained = []
    for name, cost, program in best_points(options.front, options.at_most) if options.front else []:
        trained.append(accuracies(program, parts))
        table.add(name, f"{cost:.1f}", "", *(f"{100 * own:.2f}" for own in trained[-1]), 1)
    ideal = [
        np.concatenate([best_class(own) for own in np.array_split(x, -(-len(x) // AT_ONCE))])
        == (labels == 1)
        for x, labels in parts
    ]
    print(f"\n{len(given.test_x)} test points, {options.fresh} fresh ones")
    print(summary("KANELE's tables, fits", reached))
    if trained:
        print(summary("networks of the front", trained))
    print(summary("the likelier class of every point", [[float(own.mean()) for own in ideal]]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
