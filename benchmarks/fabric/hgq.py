"""HGQ2's learned widths and alkaid's RTL beside ours: LUTs of Yosys and accuracy, on one task.

    python -m benchmarks.fabric.hgq --dataset dry_bean --out DIR [--seeds 0 1 2 3 4]
        [--epochs 600] [--betas 3e-6 3e-3] [--rate 5e-3] [--batch 256] [--batch-norm]
        [--at-most 300 ...] [--our-epochs N] [--our-starts N] [--our-at-most 130 ...]
        [--plot FILE.svg] [--json FILE]

Needs the packages HGQ2, alkaid and jax, which nothing else here does (pip install HGQ2 alkaid jax);
without them the benchmark says so and is skipped.

Both get the same rows, split, standardisation, shape and seeds. Theirs are layers of QDenseT: every
edge is a small network of its own that becomes a table, with widths that are learned under a weight
of their cost (EBOPs) that rises exponentially; the best network by validation of every band of that
cost is kept. Ours is `kanhw train --fabric-cost lut`. Of every seed the best by validation is taken
at each of some limits of each side's own cost; those are written as Verilog (theirs by alkaid, with
as many stages as ours has), synthesised by the recipes of Yosys of kanele.py, and simulated on all
test rows: theirs must equal what Keras computes. Nothing is chosen by test rows. Inputs are encoded
by the host on both sides and outputs are raw class sums. Keras is told to use jax.
"""

from __future__ import annotations

import math
import os
import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import kanhw
from benchmarks.common import data
from benchmarks.common.data import Dataset
from benchmarks.common.measuring import Table, argument_parser, environment_line, write_results
from benchmarks.common.plots import line_plot
from benchmarks.fabric.front import FABRICS, TASKS, accuracy, measure
from kanhw.estimation import estimate_verilog, yosys_version
from kanhw.formats import FloatArray
from kanhw.interruption import temporary_folder
from kanhw.progress import Progress
from kanhw.tools.simulators import find_verilator

PACKAGES = ("HGQ2", "alkaid", "jax")
# Bands of cost, of each of which the best network by validation is kept.
BAND = 1.1
# Before them widths are still those of the start.
FIRST_EPOCHS = 20
STAGES = 4


@dataclass(frozen=True)
class Row:
    """A network: by whom, how it was chosen, and what was measured of it.

    ``tuned`` is for the fabric "ultrascale+", which is a way of ours to write Verilog.
    """

    tool: str
    seed: int
    at_most: float
    cost: float
    validation: float
    test: float
    portable: int
    tuned: int | None
    ff: int


@dataclass(frozen=True)
class Kept:
    """The best network of a band of cost."""

    cost: float
    validation: float
    weights: list[Any]


def missing() -> list[str]:
    """Packages that are not installed."""
    absent = []
    for name in PACKAGES:
        try:
            version(name)
        except PackageNotFoundError:
            absent.append(name)
    return absent


def network(sizes: Sequence[int], beta: float, batch_norm: bool) -> Any:
    """Layers of QDenseT, with what their authors start them from."""
    import keras
    from hgq.config import LayerConfigScope
    from hgq.layers import QDenseT

    with LayerConfigScope(enable_ebops=True, beta0=beta):
        layers = [QDenseT(size, batch_norm=batch_norm) for size in sizes[1:]]
        return keras.Sequential([keras.layers.Input((sizes[0],)), *layers])


def trained(given: Dataset, sizes: Sequence[int], seed: int, options: Any) -> list[Kept]:
    """The best networks by validation of one training, from cheap to dear."""
    import keras
    from hgq.utils.sugar import BetaScheduler, FreeEBOPs
    from hgq.utils.sugar.beta_scheduler import PieceWiseSchedule

    keras.utils.set_random_seed(seed)
    first, last = options.betas
    model = network(sizes, first, options.batch_norm)
    bands: dict[int, Kept] = {}

    class Keep(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
        def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
            band = int(np.log(max(logs["ebops"], 1)) / np.log(BAND))
            best = bands.get(band)
            value = logs["val_accuracy"]
            if epoch >= FIRST_EPOCHS and (best is None or value > best.validation):
                bands[band] = Kept(logs["ebops"], value, model.get_weights())

    steps = options.epochs * (len(given.train_x) // options.batch)
    rate = keras.optimizers.schedules.CosineDecay(options.rate, steps, alpha=0.1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    betas = PieceWiseSchedule([(0, first, "log"), (options.epochs, last, "constant")])
    model.fit(
        given.train_x.astype(np.float32),
        given.train_y,
        batch_size=options.batch,
        epochs=options.epochs,
        verbose=0,
        validation_data=(given.validation_x.astype(np.float32), given.validation_y),
        callbacks=[FreeEBOPs(), BetaScheduler(betas), Keep()],
    )
    return sorted(bands.values(), key=lambda kept: kept.cost)


def best_at(kept: Sequence[Kept], limit: float) -> Kept | None:
    """The best by validation that costs no more; the cheapest of equals."""
    cheap = [own for own in kept if own.cost <= limit]
    return max(cheap, key=lambda own: (own.validation, -own.cost), default=None)


def compiled(model: Any, calibration: FloatArray) -> Any:
    """A trained network as alkaid's graph of tables and adders."""
    from alkaid.converter import trace_model
    from alkaid.trace import HWConfig, trace
    from hgq.utils import trace_minmax

    # Codes that wrap have the integer bits that training rows need.
    trace_minmax(model, calibration.astype(np.float32), verbose=0)
    return trace(*trace_model(model, HWConfig(1, 1, -1), {"hard_dc": 2}, False))


def synthesised(graph: Any, x: FloatArray, expected: FloatArray, folder: Path) -> tuple[int, int]:
    """LUTs and flip-flops of alkaid's Verilog; every row simulated.

    Raises
    ------
    SystemExit
        If a simulated row differs from Keras.
    """
    from alkaid.codegen import RTLModel

    design = RTLModel(graph, folder, "model", flavor="verilog", n_stages=STAGES)
    with verilator_on_path():
        design.compile(nproc=1, openmp=False)
    if not np.array_equal(design.predict(x).reshape(expected.shape), expected):
        sys.exit("HGQ2: the simulated Verilog is not what Keras computes")
    sources = [path for path in (folder / "src").rglob("*.v") if "wrapper" not in path.name]
    whole = folder / "whole.v"
    whole.write_text("".join(path.read_text(encoding="utf-8") for path in sorted(sources)))
    found = estimate_verilog(whole, "model", "xcup")
    return found.lut, found.ff


@contextmanager
def verilator_on_path() -> Iterator[None]:
    """For alkaid, which looks there for one that tells its version as releases do."""
    found = find_verilator()
    environment = found.process_environment()
    before = dict(os.environ)
    with temporary_folder("kanhw-benchmark-") as folder:
        script = folder / "verilator"
        major, minor, *_ = str(found.version).split(".")
        script.write_text(
            "#!/bin/sh\n"
            f'[ "$*" = --version ] && echo "Verilator {major}.{int(minor):03}" && exit\n'
            f'exec "{shutil.which("verilator", path=environment["PATH"])}" "$@"\n'
        )
        script.chmod(0o700)
        os.environ.update(environment, PATH=f"{folder}{os.pathsep}{environment['PATH']}")
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def theirs(given: Dataset, sizes: Sequence[int], options: Any) -> Iterator[Row]:
    """Trained, chosen by validation, synthesised, and then looked at on test rows."""
    test = given.test_x.astype(np.float32)
    for seed in options.seeds:
        started = time.monotonic()
        kept = trained(given, sizes, seed, options)
        print(f"HGQ2, seed {seed}: trained in {time.monotonic() - started:.0f} s", flush=True)
        model = network(sizes, options.betas[0], options.batch_norm)
        for limit in options.at_most:
            chosen = best_at(kept, limit)
            if chosen is None:
                continue
            model.set_weights(chosen.weights)
            graph = compiled(model, given.train_x)
            expected = np.asarray(model.predict(test, verbose=0), np.float64)
            with temporary_folder("kanhw-benchmark-") as folder:
                lut, ff = synthesised(graph, test.astype(np.float64), expected, folder / "rtl")
            right = float((expected.argmax(1) == given.test_y).mean())
            yield Row("HGQ2", seed, limit, chosen.cost, chosen.validation, right, lut, None, ff)


def ours(given: Dataset, sizes: Sequence[int], options: Any) -> Iterator[Row]:
    """The same of learned widths here."""
    with Progress() as progress, progress.step("kanhw"):
        result = kanhw.train_for_fabric(
            sizes,
            given.train_x,
            given.train_y,
            validation=(given.validation_x, given.validation_y),
            out=options.out / "kanhw",
            seeds=options.seeds,
            starts=options.our_starts,
            epochs=options.our_epochs,
            fabric="ultrascale+",
        )
    front = result.front
    measured: dict[str, dict[str, Any]] = {}
    for seed in options.seeds:
        own = replace(front, points=tuple(p for p in front.points if p.seed == seed))
        for limit in options.our_at_most:
            if not any(point.cost <= limit for point in own.points):
                continue
            point = own.best(limit)
            program = result.programs[point.name]
            if point.name not in measured:
                measured[point.name] = measure(program, program.input.encode(given.test_x))
            found = measured[point.name]
            yield Row(
                "kanhw",
                seed,
                limit,
                point.cost,
                point.validation,
                accuracy(program, given.test_x, given.test_y),
                *(found[fabric]["lut"] for fabric in FABRICS),
                found["portable"]["ff"],
            )


def spread(rows: Sequence[Row], name: str, factor: float = 1, digits: int = 0) -> str:
    """Mean and standard deviation of a figure; nothing where a row has none."""
    values = [factor * getattr(row, name) for row in rows if getattr(row, name) is not None]
    if not values:
        return "-"
    deviation = statistics.stdev(values) if len(values) > 1 else math.nan
    return f"{statistics.fmean(values):.{digits}f} ({deviation:.{digits}f})"


def by_limit(rows: Sequence[Row]) -> dict[tuple[str, float], list[Row]]:
    """The rows of all seeds, by tool and limit."""
    found: dict[tuple[str, float], list[Row]] = {}
    for row in rows:
        found.setdefault((row.tool, row.at_most), []).append(row)
    return found


def show(rows: Sequence[Row], seeds: int) -> None:
    """Means and deviations over seeds at each limit."""
    table = Table(
        ("tool", "at most", "seeds", "cost", "validation", "test", "LUT portable", "tuned", "FF"),
        (6, 7, 5, 6, 13, 13, 14, 12, 5),
    )
    for (tool, limit), own in by_limit(rows).items():
        table.add(
            tool,
            f"{limit:g}",
            f"{len(own)}/{seeds}",
            f"{statistics.fmean(row.cost for row in own):.0f}",
            spread(own, "validation", 100, 2),
            spread(own, "test", 100, 2),
            spread(own, "portable"),
            spread(own, "tuned"),
            f"{statistics.fmean(row.ff for row in own):.0f}",
        )


def plot(rows: Sequence[Row], path: Path) -> None:
    """Both fronts: means over seeds, portable Verilog on both sides."""
    series: dict[str, tuple[list[float], list[float]]] = {}
    deviations: dict[str, list[float]] = {}
    for (tool, _), own in by_limit(rows).items():
        luts, values = series.setdefault(tool, ([], []))
        tests = [100 * row.test for row in own]
        luts.append(statistics.fmean(row.portable for row in own))
        values.append(statistics.fmean(tests))
        deviations.setdefault(tool, []).append(statistics.stdev(tests) if len(own) > 1 else 0.0)
    labels = "LUT after synthesis, portable Verilog", "test accuracy, %"
    line_plot(series, path, *labels, log_x=True, deviations=deviations)


def main() -> int:
    """Train both, and compare."""
    parser = argument_parser(__doc__, json_file=True)
    parser.add_argument("--dataset", choices=tuple(TASKS), default="dry_bean")
    parser.add_argument("--out", type=Path, required=True, help="a folder for our training")
    parser.add_argument("--sizes", type=int, nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--epochs", type=int, default=600)
    parser.add_argument("--betas", type=float, nargs=2, default=[3e-6, 3e-3])
    parser.add_argument("--rate", type=float, default=5e-3)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--batch-norm", action="store_true")
    parser.add_argument("--at-most", type=float, nargs="+", default=[200, 300, 450, 700, 1100])
    parser.add_argument("--our-epochs", type=int)
    parser.add_argument("--our-starts", type=int, default=16)
    parser.add_argument("--our-at-most", type=float, nargs="+", default=[110, 140, 190, 250, 330])
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    if absent := missing():
        print(f"skipped: {', '.join(absent)} not installed (pip install HGQ2 alkaid jax)")
        return 0
    os.environ["KERAS_BACKEND"] = "jax"
    tools = (f"{name} {version(name)}" for name in PACKAGES)
    print(environment_line(yosys_version(), *tools) + "\n", flush=True)
    given = data.load(options.dataset)
    sizes = options.sizes or TASKS[options.dataset][0]
    rows = []
    for name, side in (("HGQ2", theirs), ("kanhw", ours)):
        started = time.monotonic()
        rows += side(given, sizes, options)
        print(f"{name}: {time.monotonic() - started:.0f} s with synthesis", flush=True)
    show(rows, len(options.seeds))
    if options.plot:
        plot(rows, options.plot)
    write_results(options.json, [asdict(row) for row in rows])
    return 0


if __name__ == "__main__":
    sys.exit(main())
