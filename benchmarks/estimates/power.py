"""Power: calibration points left one out; vectorless, simulated and modelled side by side.

    python -m benchmarks.estimates.power [--networks moons dry_bean] [--targets xcup xc7 ice40]
        [--shapes half_cheetah toyadmos_eighth toyadmos] [--json FILE]

First the public designs with a vendor's power report (Vivado's estimates without vectors, not
measurements): watt per LUT, flip-flop and carry cell of every design, predicted from the others of
its family, beside the fit of all. Then KANELE's networks, synthesised: vectorless rates beside the
toggles that random inputs of the same rate give, and the model before synthesis beside the netlist.
Last the two KAN designs with reports: from the vendor's counts of cells and the rates that our own
networks' netlists have, and from our own synthesis. Their weights are not at hand, so untrained
EfficientKANs of the same sizes and bits stand for them, as edge tables in a bare core with as many
adders between two registers as the designs of the reports have. toyadmos takes many minutes and
gigabytes; toyadmos_eighth has an eighth of its edges, and is counted eight times.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import kanhw
from benchmarks.common.measuring import (
    Table,
    argument_parser,
    environment_line,
    reference_folder,
    write_results,
)
from kanhw.estimation import yosys_version
from kanhw.layers import KAN, model_of
from kanhw.targets.energies import Band, CellEnergies
from kanhw.targets.table import energies_of

RATE = 0.125
CLOCK = 200.0


@dataclass(frozen=True)
class Point:
    """A public design and what Vivado's report says of it, in watt; 0: below what it shows."""

    name: str
    family: str
    mhz: float
    lut: int
    ff: int
    carry: int
    nets: int
    clock: float
    logic: float
    signals: float

    @property
    def total(self) -> float:
        """Of the parts that every design has."""
        return self.clock + self.logic + self.signals


POINTS = (
    Point("half_cheetah (KAN)", "xcup", 1000, 2828, 1136, 84, 2409, 0.061, 0.093, 0.070),
    Point("toyadmos (KAN)", "xc7", 250, 29981, 17643, 2470, 34337, 0.229, 0.970, 1.035),
    Point("NTT", "xc7", 100, 66834, 9449, 13545, 0, 0.145, 0.790, 0.782),
    Point("CORDIC", "xc7", 100, 1058, 749, 177, 0, 0.003, 0.007, 0.006),
    Point("RISC-V", "xc7", 80, 31030, 24427, 0, 0, 0.038, 0.030, 0.033),
    Point("OTFS modem", "xc7", 100, 2875, 3813, 0, 0, 0.014, 0.009, 0.012),
)


def per_cell(point: Point) -> np.ndarray:
    """Femtojoules a clock: of a flip-flop's clock, of a LUT, of the signal behind it."""
    clocks = point.mhz * 1e6
    parts = ((point.clock, point.ff), (point.logic, point.lut), (point.signals, point.lut))
    return np.array([1e15 * watt / clocks / count for watt, count in parts])


def predicted(point: Point, each: np.ndarray) -> float:
    """Watt of a design at so much a cell."""
    counts = np.array([point.ff, point.lut, point.lut])
    return float((each * counts).sum() * 1e-15 * point.mhz * 1e6)


def calibration() -> list[dict[str, Any]]:
    """Every point from all of its family, and from the others."""
    print("public designs, each from its family (W: clock, logic and signals)\n")
    head = ("design", "family", "report", "in sample", "error %", "left out", "error %")
    table, rows = Table(head, (20,)), []
    for point in POINTS:
        family = [other for other in POINTS if other.family == point.family]
        others = [other for other in family if other is not point]

        def mean(points: list[Point]) -> np.ndarray:
            return np.exp(np.mean([np.log(per_cell(each)) for each in points], axis=0))

        inside = predicted(point, mean(family))
        outside = predicted(point, mean(others)) if others else None
        cells: list[Any] = [f"{inside:.3f}", f"{100 * (inside / point.total - 1):+.0f}"]
        cells += ["-", "-"]
        if outside is not None:
            cells[2:] = [f"{outside:.3f}", f"{100 * (outside / point.total - 1):+.0f}"]
        table.add(point.name, point.family, f"{point.total:.3f}", *cells)
        rows.append({"design": point.name, "report": point.total, "in": inside, "out": outside})
    print("\nof UltraScale+ there is one report: nothing is left to test its fit with")
    return rows


def compared(name: str, target: str) -> dict[str, Any]:
    """One network: vectorless, random inputs of the same rate, and the model of these."""
    program = kanhw.load(reference_folder("peers/kanele") / name)
    common: dict[str, Any] = {"clock_mhz": CLOCK}
    with tempfile.TemporaryDirectory(prefix="kanhw-benchmark-") as folder:
        design = kanhw.generate(program, Path(folder) / "design")
        resources, still = kanhw.estimate_power(design, target, vectorless=True, **common)
        _, drawn = kanhw.estimate_power(design, target, toggle_rate=RATE, **common)
    model = None
    if target != "xc7":
        found = kanhw.estimate(
            program, target, grade="model", power=True, toggle_rate=RATE, **common
        )
        model = found.power_w["dynamic"]
    return {
        "network": name,
        "target": target,
        "lut": resources.lut,
        "ff": resources.ff,
        "carry": resources.carry,
        "vectorless": still.to_json()["power_w"],
        "simulated": drawn.to_json()["power_w"],
        "model": model,
        "glitch_bound": still.glitch_bound,
    }


# The designs of the reports add up to four operands between two registers: two levels of adders.
ADDER_LEVELS = 2


@dataclass(frozen=True)
class Shape:
    """Sizes of a network, and bits of the codes that each layer reads.

    As many of it as ``times`` have the edges of the KAN whose report is ``point``.
    """

    point: str
    sizes: tuple[int, ...]
    bits: tuple[int, ...]
    times: int = 1


SHAPES = {
    "half_cheetah": Shape("half_cheetah", (17, 6), (8,)),
    "toyadmos": Shape("toyadmos", (64, 16, 8, 16, 64), (7, 8, 8, 7)),
    # 256 of its 2,048 tables of 7 bits, and 32 of its 256 of 8 bits.
    "toyadmos_eighth": Shape("toyadmos", (32, 8, 4), (7, 8), 8),
}


def stand_in(shape: Shape) -> kanhw.Program:
    """An untrained network of the sizes and bits of a KAN with a report."""
    sizes, bits = shape.sizes, shape.bits
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = model_of(KAN(sizes).eval(), None)
    x = np.random.default_rng(0).uniform(-1, 1, (512, sizes[0]))
    layers = {
        layer.name: {"activation_bits": own} for layer, own in zip(model.layers, bits, strict=True)
    }
    return kanhw.quantize(model, x, realisation="edge_table", table_bits=8, layers=layers)


def from_synthesis(names: list[str]) -> list[dict[str, Any]]:
    """The reports of KANs, from the netlists of networks of the same sizes."""
    print("\nKAN designs from our own synthesis of untrained networks of their sizes\n")
    head = ("design", "LUT, theirs", "LUT", "FF, theirs", "FF", "report W", "vectorless W",
            "error %", "at their LUTs W", "error %")  # fmt: skip
    table, rows = Table(head, (20,)), []
    for name in names:
        shape = SHAPES[name]
        point = next(own for own in POINTS if own.name.startswith(shape.point))
        program = stand_in(shape)
        with tempfile.TemporaryDirectory(prefix="kanhw-benchmark-") as folder:
            schedule = kanhw.Schedule(handshake=False, adder_levels=ADDER_LEVELS)
            design = kanhw.generate(program, Path(folder) / "design", schedule=schedule)
            resources, found = kanhw.estimate_power(
                design, point.family, vectorless=True, clock_mhz=point.mhz
            )
        band = found.power_w["dynamic"]
        if band is None:
            sys.exit(f"The dynamic power of {name} on {point.family} is not known: see its report")
        lut, ff, watt = (shape.times * own for own in (resources.lut, resources.ff, band.middle))
        # With the vendor's LUTs in place of ours: what is left is the rates and energies.
        scaled = watt * point.lut / lut
        table.add(
            *(name, point.lut, lut, point.ff, ff),
            *(f"{point.total:.3f}", f"{watt:.3f}", f"{100 * (watt / point.total - 1):+.0f}"),
            *(f"{scaled:.3f}", f"{100 * (scaled / point.total - 1):+.0f}"),
        )
        rows.append({"design": name, "report": point.total, "own": watt, "scaled": scaled})
    return rows


def _lut_share(row: dict[str, Any], known: CellEnergies) -> float:
    """Watt of a network's look-up tables, out of its logic."""
    other = known.ff * row["ff"] + known.carry * row["carry"]
    return float(row["vectorless"]["logic"]) - other.middle * 1e-15 * CLOCK * 1e6


def kan_points(rows: list[dict[str, Any]]) -> None:
    """The reports of KANs, from the vendor's counts and what a cell of ours takes.

    Beside that a plain sum of counts times what a clock takes a cell, which is what energies in HLS
    are made of.
    """
    print("\nKAN designs from the vendor's counts and what a cell of ours takes vectorless\n")
    head = ("design", "report W", "predicted W", "error %", "counts alone W", "error %")
    table = Table(head, (20,))
    for point in POINTS[:2]:
        own = [row for row in rows if row["target"] == point.family]
        if not own:
            continue
        known = energies_of(point.family)
        logic = float(np.mean([_lut_share(row, known) / row["lut"] for row in own]))
        signals = float(
            np.mean([row["vectorless"]["signals"] / (row["lut"] + row["ff"]) for row in own])
        )
        fixed = (known.clock_ff + known.ff) * point.ff + known.carry * point.carry
        watt = fixed.middle * 1e-15 * point.mhz * 1e6
        watt += (logic * point.lut + signals * (point.lut + point.ff)) * point.mhz / CLOCK
        cells = (known.clock_ff + known.ff) * point.ff + known.carry * point.carry
        cells += (known.lut_use or Band(0.0, 0.0)) * point.lut
        plain = cells.middle * 1e-15 * point.mhz * 1e6
        table.add(
            *(point.name, f"{point.total:.3f}"),
            *(f"{watt:.3f}", f"{100 * (watt / point.total - 1):+.0f}"),
            *(f"{plain:.3f}", f"{100 * (plain / point.total - 1):+.0f}"),
        )


def main() -> int:
    """Run and print."""
    parser = argument_parser(__doc__, json_file=True)
    parser.add_argument("--networks", nargs="+", default=["moons", "dry_bean"])
    parser.add_argument("--targets", nargs="+", default=["xcup", "xc7", "ice40"])
    parser.add_argument("--shapes", nargs="*", choices=list(SHAPES), default=["half_cheetah"])
    options = parser.parse_args()
    print(environment_line(yosys_version()) + "\n")
    points, rows = calibration(), []
    print(f"\nKANELE's networks at {CLOCK:g} MHz, inputs change in 12.5 % of clocks: mW\n")
    head = (
        *("network", "target", "LUT", "FF", "vectorless", "simulated", "ratio"),
        *("model", "model's error %", "glitches at most"),
    )
    table = Table(head, (10,))
    for name in options.networks:
        for target in options.targets:
            row = compared(name, target)
            rows.append(row)
            still, drawn = row["vectorless"]["dynamic"], row["simulated"]["dynamic"]
            model = row["model"]
            table.add(
                *(name, target, row["lut"], row["ff"], f"{1e3 * still:.3g}", f"{1e3 * drawn:.3g}"),
                f"{still / drawn:.2f}",
                *(("-", "-") if model is None else
                  (f"{1e3 * model:.3g}", f"{100 * (model / drawn - 1):+.0f}")),
                f"{row['glitch_bound']:.2f}",
            )  # fmt: skip
    kan_points(rows)
    own = from_synthesis(options.shapes) if options.shapes else []
    write_results(options.json, {"points": points, "networks": rows, "shapes": own})
    return 0


if __name__ == "__main__":
    sys.exit(main())
