"""FuncCode's convolutional network K2, folded: a fraction of its clocks in a fraction of its LUTs.

    python -m benchmarks.folded.folded_convolution [--points dense-14112 dense-7056] [--random]
        [--images 100] [--parts simulate resources] [--json FILE]

The network is convolution_programs.py's, of K2's shape (1-16-32 channels, 3 x 3 taps, stride 2,
padding 1, average of the image, Gram layer of 10 outputs with LayerNorm and SiLU, argmax), trained
on Fashion-MNIST with weights and activations of 4 bits, because MNIST is not here; with --random
its weights are drawn and not trained, which changes no width. By parts:

- simulate: Verilator on --images test images, without stalls and with random ones at both ends;
  every class must be the Program's, and the clocks an image the declared ones;
- resources: Yosys for UltraScale+, the better of two recipes, post-synthesis.

FuncCode's figures are the published ones, after routing (Vivado). A row that is not bit exact, or
needs more than 20,000 clocks, a quarter of K2's LUTs, its DSPs or its block RAMs, ends the
benchmark with 1.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import kanhw
from benchmarks.common.measuring import Table, argument_parser, environment_line, write_results
from benchmarks.folded.convolution_programs import (
    NETWORKS,
    SHAPE,
    codes_and_labels,
    fresh_network,
    trained_program,
)
from kanhw.estimation import estimate_design, yosys_version
from kanhw.layers import model_of
from kanhw.program import Program
from kanhw.quant import QuantConfig, lower, quantize_model
from kanhw.schedule.schedule import Schedule
from kanhw.sim import check_design

PARTS = ("simulate", "resources")
TIMEOUT = 7200.0
# Clocks, LUT, FF, BRAM18, DSP of FuncCode's networks.
FUNCCODE = {
    "K2, W4A4": (294_316, 52_634, 64_956, 38, 120),
    "K3, codebook": (294_316, 52_966, 64_892, 32, 120),
}
MOST_CLOCKS, MOST = 20_000, {"lut": 52_634 // 4, "bram": 38, "dsp": 120}


@dataclass(frozen=True)
class Point:
    """A network, and P_in and P_out of the two convolutions, named "0" and "1"."""

    network: str
    first: tuple[int, int]
    second: tuple[int, int]

    @property
    def schedule(self) -> Schedule:
        """The folded schedule; the layer behind the pooling takes its time."""
        inputs, outputs = ({"0": a, "1": b} for a, b in zip(self.first, self.second, strict=True))
        return Schedule(kind="folded", parallel_inputs=inputs, parallel_outputs=outputs)


POINTS = {
    "dense-14112": Point("dense", (1, 2), (4, 4)),
    "dense-7056": Point("dense", (1, 4), (4, 8)),
    "codebook-14112": Point("codebook", (1, 2), (1, 16)),
}


def random_program(network: str) -> tuple[Program, Any]:
    """The network with weights as they are drawn, and images of noise."""
    torch.manual_seed(0)
    images = np.random.default_rng(0).normal(size=(2000, *SHAPE)).clip(-0.8, 2)
    fields = {k: v for k, v in NETWORKS[network].items() if k != "quantizer"}
    model = model_of(fresh_network().eval(), SHAPE)
    program = lower(quantize_model(model, images[:200], QuantConfig(**fields))).with_argmax(True)
    return program, program.input.encode(images.reshape(len(images), -1))


def simulated(design: Path, codes: Any) -> dict[str, Any]:
    """Comparisons with the Program, without stalls and with."""
    found: dict[str, Any] = {}
    for name, stalls in (("free", False), ("stalled", True)):
        start = time.monotonic()
        report = check_design(design, codes, engine="fast", stalls=stalls, timeout=TIMEOUT)
        found[name] = {
            "vectors": report.vectors,
            "mismatches": report.mismatches,
            "passed": report.passed,
            "problems": list(report.problems),
            "cycles": report.cycles_per_inference,
            "seconds": round(time.monotonic() - start, 1),
        }
    return found


def measure(name: str, options: argparse.Namespace, data: Any, work: Path) -> dict[str, Any]:
    """One point, through all that was asked for."""
    point = POINTS[name]
    row: dict[str, Any] = {"point": name, "random": options.random}
    if options.random:
        program, codes = random_program(point.network)
    else:
        trained = trained_program(point.network, data)
        program, codes = trained.program, codes_and_labels(data, trained.program)[0]
        row |= {"accuracy": trained.accuracy, "float": trained.float_accuracy}
    start = time.monotonic()
    design = kanhw.generate(program, work / "design", schedule=point.schedule)
    row |= {
        "clocks": design.initiation_interval,
        "latency": design.latency_cycles,
        "generate_seconds": time.monotonic() - start,
    }
    if "simulate" in options.parts:
        row["simulated"] = simulated(design.path, codes[: options.images])
    if "resources" in options.parts:
        row["resources"] = estimate_design(design.path, "xcup", timeout=TIMEOUT).to_json()
    row["faults"] = faults(row)
    return row


def faults(row: dict[str, Any]) -> list[str]:
    """What a row does not keep."""
    found = []
    if row["clocks"] > MOST_CLOCKS:
        found.append(f"{row['clocks']} clocks exceed {MOST_CLOCKS}")
    for name, one in row.get("simulated", {}).items():
        if not one["passed"]:
            found.append(f"{name}: {one['mismatches']} differ, {one['problems']}")
        if name == "free" and round(one["cycles"]) != row["clocks"]:
            found.append(f"{one['cycles']} clocks an image measured, not {row['clocks']}")
    resources = row.get("resources", {})
    found += [
        f"{key} {resources[key]} exceed {limit}"
        for key, limit in MOST.items()
        if resources and resources[key] > limit
    ]
    return found


def show(table: Table, row: dict[str, Any]) -> None:
    """A row of the table."""
    point, own = POINTS[row["point"]], row.get("resources", {})
    lanes = " ".join(f"{a}x{b}" for a, b in (point.first, point.second))
    counts = [own.get(key, "") for key in ("lut", "ff", "bram", "dsp")]
    checked = [
        f"{one['mismatches']} of {one['vectors']}" for one in row.get("simulated", {}).values()
    ]
    score = "random" if row["random"] else f"{row['accuracy']:.2f} ({row['float']:.2f})"
    recipes = f"{own['recipe']} ({own['alternatives']})" if own else ""
    table.add(
        *(f"{point.network}, {lanes}", row["clocks"], row["latency"], *counts, score),
        *(checked or ["", ""]),
        recipes,
    )


def main() -> int:
    """Run; 1 if a row does not keep what is asked of it."""
    parser = argument_parser(__doc__, json_file=True)
    parser.add_argument(
        "--points", nargs="+", choices=POINTS, default=["dense-14112", "dense-7056"]
    )
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--images", type=int, default=100, help="simulated")
    parser.add_argument("--random", action="store_true", help="weights that are not trained")
    options = parser.parse_args()
    from benchmarks.common.data import load

    data = None if options.random else load("fashion_mnist")
    print(environment_line(yosys_version()) + "\n")
    head = ("design", "clocks", "latency", "LUT", "FF", "BRAM18", "DSP", "accuracy (float)")
    table = Table((*head, "differ", "differ, stalled", "recipe (LUT of others)"), (22, 7, 7, 6, 6))
    for name, (clocks, *counts) in FUNCCODE.items():
        table.add(f"FuncCode {name}", clocks, "", *counts, *[""] * 4)
    rows = []
    for name in options.points:
        with tempfile.TemporaryDirectory(prefix="kanhw-benchmark-") as work:
            row = measure(name, options, data, Path(work))
        rows.append(row)
        show(table, row)
    write_results(options.json, rows)
    for row in rows:
        for fault in row["faults"]:
            print(f"{row['point']}: {fault}", file=sys.stderr)
    return int(any(row["faults"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
