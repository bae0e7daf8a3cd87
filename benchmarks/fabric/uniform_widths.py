"""Learned widths against uniform ones for regressions: LUTs at equal error.

    python -m benchmarks.fabric.uniform_widths [--tasks NAME ...] [--seeds 0 1 2] [--bits 6]
        [--fabrics portable ultrascale+] [--spacing RATIO] [--keep FILE] [--json FILE]

Uniform: a float KAN is trained, and trained on with as many bits for every code (LSQ+; or rounded
alone where that is better by validation), as edge tables. Learned: networks of the same sizes from
scratch on the same rows; of every seed the cheapest point, by what it is told to cost, whose
validation error is no larger than that of the uniform network of the seed; without a refit, so that
both have seen the same rows. Errors are RMS in per cent of the outputs' deviations, outputs
counting alike. Synthesis and simulation of all test rows as in :mod:`benchmarks.fabric.front`. Test
rows are looked at once: what a file of --keep holds is shown again, not measured again.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import torch

import kanhw
from benchmarks.common.measuring import Table, argument_parser, environment_line, write_results
from benchmarks.fabric.front import FABRICS, measure
from benchmarks.fabric.regressions import REGRESSIONS, Regression, Rows, relative_error
from kanhw.estimation import yosys_version
from kanhw.files import write_json
from kanhw.layers import KAN
from kanhw.model.network import KanModel

TRAINED, HELD_OUT, TESTED = 2000, 1000, 2000
# Seeds of the parts; networks of all seeds learn the same rows.
PARTS = (100, 101, 999)
FLOAT_EPOCHS, TRAINED_ON, BATCH, FLOAT_RATE = 60, 20, 64, 0.02
MOST_BITS = 8


def float_model(task: Regression, rows: Rows, seed: int) -> KanModel:
    """A float network that was trained, in the task's units."""
    x, y = rows
    middle, half = (task.low + task.high) / 2, (task.high - task.low) / 2
    centre, deviation = y.mean(axis=0), y.std(axis=0)
    torch.manual_seed(seed)
    network = KAN(list(task.sizes))
    inputs = torch.tensor((x - middle) / half, dtype=torch.float32)
    targets = torch.tensor((y - centre) / deviation, dtype=torch.float32)
    optimiser = torch.optim.Adam(network.parameters(), lr=FLOAT_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, FLOAT_EPOCHS)
    for _ in range(FLOAT_EPOCHS):
        for chosen in torch.randperm(len(x)).split(BATCH):
            optimiser.zero_grad()
            loss = torch.nn.functional.mse_loss(network(inputs[chosen]), targets[chosen])
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        schedule.step()
    around = {"x_mean": middle, "x_std": half, "y_mean": centre, "y_std": deviation}
    state = {**network.state_dict(), **{name: torch.tensor(a) for name, a in around.items()}}
    model: KanModel = kanhw.load(
        state, input_mean="x_mean", input_std="x_std", output_mean="y_mean", output_std="y_std"
    )
    return model


def error_of(program: kanhw.Program, rows: Rows) -> float:
    """Of the integers."""
    x, y = rows
    return relative_error(program.decode_output(program(program.input.encode(x))), y)


def uniform(model: KanModel, rows: Rows, held_out: Rows, bits: int, seed: int) -> kanhw.Program:
    """The better by validation of training with so many bits and of rounding alone."""
    own = {"realisation": "edge_table", "activation_bits": bits, "input_bits": bits}
    rounded = kanhw.quantize(model, rows[0], **own)
    config = kanhw.QuantConfig(quantizer="lsq+", base_bits=8, spline_bits=8, **own)
    network = kanhw.prepare(model, rows[0], config)
    kanhw.train(network, *rows, epochs=TRAINED_ON, batch_size=BATCH, validation=held_out, seed=seed)
    trained = kanhw.convert(network)
    return min((trained, rounded), key=lambda program: error_of(program, held_out))


def compared(
    task: Regression, seeds: list[int], widths: list[int], fabrics: list[str], spacing: float
) -> list[dict[str, Any]]:
    """Rows of a task: for every width and seed a uniform and a learned network, measured."""
    rows, held_out, tested = (
        task.rows(count, seed)
        for count, seed in zip((TRAINED, HELD_OUT, TESTED), PARTS, strict=True)
    )
    trained = kanhw.train_for_fabric(
        task.sizes,
        *rows,
        validation=held_out,
        seeds=seeds,
        fabric="ultrascale+",
        most_bits=MOST_BITS,
        spacing=spacing,
        refit=False,
    )
    found = []
    for seed in seeds:
        model = float_model(task, rows, seed)
        points = sorted(
            (own for own in trained.front.points if own.seed == seed), key=lambda own: own.cost
        )
        for bits in widths:
            pair = {"uniform": uniform(model, rows, held_out, bits, seed)}
            error = error_of(pair["uniform"], held_out)
            for own in points:
                program = trained.programs[own.name]
                if "learned" not in pair and error_of(program, held_out) <= error:
                    pair["learned"] = program
            row: dict[str, Any] = {"seed": seed, "bits": bits}
            row["float"] = relative_error(model(held_out[0]), held_out[1])
            for name, program in pair.items():
                row[name] = {
                    "validation": error_of(program, held_out),
                    "test": error_of(program, tested),
                    **measure(program, program.input.encode(tested[0]), fabrics),
                }
            found.append(row)
            print(row, flush=True)
    return found


def main() -> int:
    """Compare, and print a row a task and width."""
    parser = argument_parser(__doc__, json_file=True)
    parser.add_argument("--tasks", nargs="+", choices=tuple(REGRESSIONS), default=[*REGRESSIONS])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--bits", type=int, nargs="+", default=[6])
    parser.add_argument("--fabrics", nargs="+", choices=FABRICS, default=list(FABRICS))
    parser.add_argument("--spacing", type=float, default=1.15, help="from point to point")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="where tasks are kept")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(environment_line(yosys_version()) + "\n", flush=True)
    kept = options.keep
    results: dict[str, Any] = json.loads(kept.read_text()) if kept and kept.is_file() else {}
    for name in options.tasks:
        if name not in results:
            task = REGRESSIONS[name]
            results[name] = compared(
                task, options.seeds, options.bits, options.fabrics, options.spacing
            )
        if kept:
            write_json(kept, results)
    show({name: results[name] for name in options.tasks})
    write_results(options.json, results)
    return 0


def show(results: dict[str, list[dict[str, Any]]]) -> None:
    """Means over the seeds that have both networks."""
    table = Table(
        (
            "task",
            "bits",
            "seeds",
            "float %",
            "uniform: error % (sd)",
            "LUT",
            "learned: error % (sd)",
            "LUT",
            "share",
        ),
        (12, 4, 6, 7, 21, 13, 21, 13, 13),
    )
    for name, rows in results.items():
        for bits in sorted({row["bits"] for row in rows}):
            own = [row for row in rows if row["bits"] == bits]
            both = [row for row in own if "learned" in row]
            seeds = f"{len(both)}/{len(own)}"
            if not both:
                table.add(name, bits, seeds, *("-" for _ in range(6)))
                continue
            cells, luts = list[str](), list[list[float]]()
            for kind in ("uniform", "learned"):
                errors = [100 * row[kind]["test"] for row in both]
                spread = f"{statistics.stdev(errors):.2f}" if len(errors) > 1 else "-"
                known = [f for f in FABRICS if f in both[0][kind]]
                luts.append([statistics.fmean(row[kind][f]["lut"] for row in both) for f in known])
                cells.append(f"{statistics.fmean(errors):.2f} ({spread})")
                cells.append(" / ".join(f"{lut:.0f}" for lut in luts[-1]))
            shares = " / ".join(f"{b / a:.2f}" for a, b in zip(*luts, strict=True))
            exact = f"{100 * statistics.fmean(row['float'] for row in both):.2f}"
            table.add(name, bits, seeds, exact, *cells, shares)


if __name__ == "__main__":
    sys.exit(main())
