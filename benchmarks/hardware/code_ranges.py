"""A published network of KANELE with fewer codes for some values: smaller, and still exact.

    python -m benchmarks.hardware.code_ranges [--network dry_bean] [--folder DIR] [--json FILE]

The network is measured as it was published, and with 4 bits in place of 6 for the codes of one
hidden neuron and of three input features: ranges on the same truth tables, no new ones. A range is
centred on the median of the codes that the published vectors bring about. Every design must
reproduce its Program on all vectors to the bit, under random stalls, before it is synthesised for
UltraScale+. Exit status 1 if one is not exact, or a design with ranges does not take fewer LUTs
than the one without.
"""

from __future__ import annotations

import sys
import tempfile
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
from kanhw.estimation import ResourceEstimate, yosys_version
from kanhw.formats import CodeFormat, IntArray
from kanhw.program import Program, with_code_ranges
from kanhw.sim import check_design

SCHEDULES = {
    "unrolled, portable": kanhw.Schedule(adder_levels=2),
    "unrolled, ultrascale+": kanhw.Schedule(adder_levels=2, fabric="ultrascale+"),
    "folded": kanhw.Schedule(kind="folded", parallel_inputs=2),
}
BITS = 4
FEATURES = 3


def narrowed(program: Program, codes: IntArray) -> Program:
    """The network with ``BITS`` for its first hidden neuron and its first ``FEATURES`` features."""
    form = program.layers[0].requantizers[0].format
    if form is None or len(program.layers) < 2:
        sys.exit(f"{program.source} has no hidden layer")
    hidden = program.activations(codes)[0][0]
    inputs = _ends(codes, program.input.format, FEATURES)
    return with_code_ranges(program, inputs=inputs, layers={0: [_ends(hidden, form, 1)]})


def _ends(codes: IntArray, form: CodeFormat, count: int) -> tuple[IntArray, IntArray]:
    """Ranges of ``BITS`` around the medians of the first ``count`` columns of ``[N, n]``."""
    middle = np.median(codes, axis=0).astype(np.int64)
    first = (middle - (1 << (BITS - 1))).clip(form.lo, form.hi + 1 - (1 << BITS))
    narrow = np.arange(codes.shape[1]) < count
    lo = np.where(narrow, first, form.lo)
    return lo, np.where(narrow, first + (1 << BITS) - 1, form.hi)


def measure(
    program: Program, codes: IntArray, schedule: kanhw.Schedule
) -> tuple[bool, int, ResourceEstimate]:
    """Whether a design reproduces its Program, its latency, and what it takes."""
    with tempfile.TemporaryDirectory(prefix="kanhw-benchmark-") as work:
        design = kanhw.generate(program, Path(work) / "design", schedule=schedule)
        check = check_design(design.path, program.input.clamp(codes), engine="fast", stalls=True)
        exact = check.passed and check.vectors == len(codes)
        return exact, design.latency_cycles, kanhw.estimate(design, "xcup")


def main() -> int:
    """Measure both networks under every schedule; 1 if ranges do not pay or are not exact."""
    parser = argument_parser(__doc__)
    parser.add_argument("--network", default="dry_bean")
    parser.add_argument("--folder", type=Path, help="reference networks")
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    arguments = parser.parse_args()
    folder = (arguments.folder or reference_folder("peers/kanele")) / arguments.network
    uniform = kanhw.load(folder)
    with np.load(folder / "vectors.npz") as file:
        codes = np.concatenate([file["x_published"], file["x"]]).astype(np.int64)
    networks = {"uniform": uniform, "ranges": narrowed(uniform, codes)}
    print(environment_line(f"Yosys {yosys_version()}"))
    table = Table(["schedule", "codes", "vectors", "exact", "LUT", "FF", "cycles"], [21, 7, 7])
    wrong, results = [], list[dict[str, Any]]()
    for name, schedule in SCHEDULES.items():
        luts = {}
        for kind, program in networks.items():
            exact, latency, found = measure(program, codes, schedule)
            luts[kind] = found.lut
            table.add(name, kind, len(codes), exact, found.lut, found.ff, latency)
            results.append(
                {"schedule": name, "codes": kind, "exact": exact, "resources": found.to_json()}
            )
            if not exact:
                wrong.append(f"{name}, {kind}: the design is not the Program")
        if luts["ranges"] >= luts["uniform"]:
            wrong.append(f"{name}: {luts['ranges']} LUTs with ranges, {luts['uniform']} without")
    write_results(arguments.json, results)
    for line in wrong:
        print(line, file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
