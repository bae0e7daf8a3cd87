"""784-64-10 on Fashion-MNIST, folded: FuncCode's resources, a fraction of its clocks.

    python -m benchmarks.folded.folded [--networks dense codebook]
        [--parts simulate resources clock]
        [--images 1000] [--json FILE]

The trained networks of fashion_programs.py (dense: weights and activations of 4 bits, basis values
of 3; codebook: 32 shapes a layer) become Verilog in a process of their own, whose time and memory
are measured. Then, by parts:

- simulate: cocotb with the stream rules and random stalls at both ends on --images test images, and
  Verilator on all 10,000, without stalls; every class must be the Program's;
- resources: Yosys for UltraScale+, the better of two recipes, post-synthesis;
- clock: Yosys and nextpnr for an ECP5-85k, the median of three seeds.

FuncCode's figures are the published ones, after routing (Vivado); ours are estimates after
synthesis. A row that is not bit exact ends the benchmark with 1, and so does one that exceeds
FuncCode's resources, its clocks here, or 70 MHz.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common.measuring import Table, argument_parser, environment_line, write_results
from benchmarks.folded.fashion_programs import images, trained_program
from kanhw import load_design
from kanhw.estimation import estimate_design, yosys_version
from kanhw.program import save_program
from kanhw.schedule.schedule import Schedule
from kanhw.sim import check_design

PARTS = ("simulate", "resources", "clock")
TIMEOUT = 7200.0
LEAST_MHZ = 70.0
MOST_SECONDS, MOST_MEBIBYTES = 60.0, 2048.0


@dataclass(frozen=True)
class Point:
    """A network, how it is folded, and what it must not exceed.

    Parameters
    ----------
    lanes
        P_in and P_out of every layer.
    clocks
        Most clocks between two images, and from the last beat of one to its class.
    limits
        FuncCode's resources, by the names of a ResourceEstimate.
    """

    lanes: tuple[tuple[int, int], ...]
    clocks: int
    limits: dict[str, int]


FUNCCODE_CLOCKS = 50_983
POINTS = {
    "dense": Point(((10, 4), (2, 1)), 1700, {"lut": 3546, "ff": 4935, "dsp": 32, "bram": 147}),
    "codebook": Point(((1, 32), (1, 2)), 2000, {"lut": 3554, "ff": 4936, "dsp": 31, "bram": 38}),
}


def schedule_of(point: Point, names: list[str]) -> Schedule:
    """The folded schedule of a point."""
    inputs, outputs = (
        {name: lanes[k] for name, lanes in zip(names, point.lanes, strict=True)} for k in (0, 1)
    )
    return Schedule(kind="folded", parallel_inputs=inputs, parallel_outputs=outputs)


# Without what the benchmark has imported. A process inherits the largest memory of the one that
# made it, unless it asks for that of its own address space.
GENERATE = """
import json, resource, sys, time
from pathlib import Path
from kanhw import Schedule, generate, load_program
program, out, schedule = sys.argv[1:]
start = time.monotonic()
generate(load_program(program), out, schedule=Schedule.from_json(json.loads(schedule)))
seconds = time.monotonic() - start
status = Path("/proc/self/status").read_text().splitlines()
own = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
tool = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(seconds, (own + tool) / 1024)
"""


def generated(program: Path, out: Path, schedule: Schedule) -> tuple[float, float]:
    """Generate in a process of its own; seconds and MiB of it and of the tool that it runs."""
    given = json.dumps(schedule.to_json())
    words = [sys.executable, "-c", GENERATE, str(program), str(out), given]
    answer = subprocess.run(words, capture_output=True, text=True, check=True)
    seconds, memory = map(float, answer.stdout.split())
    return seconds, memory


def simulated(design: Path, codes: Any, count: int) -> dict[str, Any]:
    """Both comparisons with the Program."""
    found: dict[str, Any] = {}
    for engine, vectors, stalls in (("cocotb", codes[:count], True), ("fast", codes, False)):
        start = time.monotonic()
        report = check_design(
            *(design, vectors),
            engine=engine,
            simulator="verilator" if engine == "cocotb" else None,
            stalls=stalls,
            timeout=TIMEOUT,
        )
        found[engine] = {
            "vectors": report.vectors,
            "mismatches": report.mismatches,
            "passed": report.passed,
            "problems": list(report.problems),
            "cycles": report.cycles_per_inference,
            "seconds": round(time.monotonic() - start, 1),
        }
    return found


def measure(name: str, parts: list[str], count: int, data: Any, work: Path) -> dict[str, Any]:
    """One network, through all that was asked for."""
    point, trained = POINTS[name], trained_program(name, data)
    program = work / "program.safetensors"
    save_program(trained.program, program)
    schedule = schedule_of(point, [layer.name for layer in trained.program.layers])
    seconds, memory = generated(program, work / "design", schedule)
    design = load_design(work / "design")
    row: dict[str, Any] = {
        "network": name,
        "clocks": design.initiation_interval,
        "latency": design.latency_cycles,
        "accuracy": trained.accuracy,
        "float": trained.float_accuracy,
        "generate_seconds": seconds,
        "generate_mebibytes": memory,
    }
    if "simulate" in parts:
        codes, _ = images(data, trained.program)
        row["simulated"] = simulated(design.path, codes, count)
    if "resources" in parts:
        row["resources"] = estimate_design(design.path, "xcup", timeout=TIMEOUT).to_json()
    if "clock" in parts:
        found = estimate_design(design.path, "ecp5", fmax=True, timeout=TIMEOUT)
        row["clock"] = found.to_json()
    row["faults"] = faults(row, point)
    return row


def faults(row: dict[str, Any], point: Point) -> list[str]:
    """What a row does not keep."""
    found = []
    if row["float"] - row["accuracy"] > 1:
        found.append(f"accuracy {row['accuracy']:.2f} is more than a point below the float one's")
    for key in ("clocks", "latency"):
        if row[key] > point.clocks:
            found.append(f"{key} {row[key]} exceed {point.clocks}")
    for engine, one in row.get("simulated", {}).items():
        if not one["passed"]:
            found.append(f"{engine}: {one['mismatches']} differ, {one['problems']}")
        if engine == "fast" and round(one["cycles"]) != row["clocks"]:
            found.append(f"{one['cycles']} clocks an image measured, not {row['clocks']}")
    resources = row.get("resources", {})
    found += [
        f"{key} {resources[key]} exceed FuncCode's {limit}"
        for key, limit in point.limits.items()
        if resources and resources[key] > limit
    ]
    if "clock" in row and row["clock"]["timing"]["fmax_mhz"] < LEAST_MHZ:
        found.append(f"{row['clock']['timing']['fmax_mhz']} MHz are below {LEAST_MHZ:g}")
    if row["generate_seconds"] > MOST_SECONDS or row["generate_mebibytes"] > MOST_MEBIBYTES:
        found.append(f"{row['generate_seconds']} s, {row['generate_mebibytes']} MiB to generate")
    return found


def show(table: Table, row: dict[str, Any], point: Point) -> None:
    """Two rows of the table: FuncCode's and ours."""
    limits = [point.limits[key] for key in ("lut", "ff", "bram", "dsp")]
    table.add(f"{row['network']}, FuncCode", FUNCCODE_CLOCKS, "", *limits, *[""] * 6)
    own = row.get("resources", {})
    counts = [own.get(key, "") for key in ("lut", "ff", "bram", "dsp")]
    checked = [
        f"{one['mismatches']} of {one['vectors']}" if one else ""
        for one in (row.get("simulated", {}).get(engine) for engine in ("cocotb", "fast"))
    ]
    clock = row["clock"]["timing"]["fmax_mhz"] if "clock" in row else ""
    lanes = " ".join(f"{a}x{b}" for a, b in point.lanes)
    table.add(
        *(f"{row['network']}, {lanes}", row["clocks"], row["latency"], *counts, clock),
        *(f"{row['accuracy']:.2f} ({row['float']:.2f})", *checked),
        *(f"{row['generate_seconds']:.1f} s", f"{row['generate_mebibytes']:.0f} MiB"),
    )


def main() -> int:
    """Run; 1 if a row does not keep what is asked of it."""
    parser = argument_parser(__doc__, json_file=True)
    parser.add_argument("--networks", nargs="+", choices=POINTS, default=list(POINTS))
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--images", type=int, default=1000, help="in cocotb")
    options = parser.parse_args()
    from benchmarks.common.data import load

    data = load("fashion_mnist")
    print(environment_line(yosys_version()) + "\n")
    head = ("design", "clocks", "latency", "LUT", "FF", "BRAM18", "DSP", "MHz (ECP5)")
    more = ("accuracy (float)", "differ, cocotb", "differ, all images", "generation", "memory")
    table = Table((*head, *more), (22, 6, 7, 5, 5))
    rows = []
    for name in options.networks:
        with tempfile.TemporaryDirectory(prefix="kanhw-benchmark-") as work:
            row = measure(name, options.parts, options.images, data, Path(work))
        rows.append(row)
        show(table, row, POINTS[name])
    write_results(options.json, rows)
    for row in rows:
        for fault in row["faults"]:
            print(f"{row['network']}: {fault}", file=sys.stderr)
    return int(any(row["faults"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
