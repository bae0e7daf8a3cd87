"""Every reference network as every realisation under every schedule: the Verilog is the Program.

    python -m benchmarks.hardware.realisations [--networks NAME ...] [--realisations NAME ...]
        [--schedules unrolled folded] [--most-luts 45000] [--json FILE]

Each network is quantized after training to few bits: 4, but 5 for edge tables, 9 for the codes in
front of evaluated splines, and 10 for those in front of norms. Its Verilog is simulated twice with
random stalls at both ends: in cocotb with the stream rules checked and a reset in mid-stream, on
corners, samples of the test part and random codes; and without Python on the test part (at most 500
rows), which gives the accuracy, or the RMSE of a formula in percent of the range. Clocks between
two inferences are measured in cocotb's unstalled start and must be those that the design declares.

What is not simulated has a row with the reason: the error of the quantizer that refuses it, no
layer that would be of that realisation, or more LUTs than --most-luts if it were unrolled (counted
roughly, by kanhw.quant.costs_of, from the Program). Whatever is quantized must become Verilog. Exit
status 1 if an output, a stream rule or a number of clocks is not as it should be, or nothing was
simulated.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import kanhw
from benchmarks.common.measuring import Table, argument_parser, environment_line, write_results
from benchmarks.common.realised_programs import REALISATIONS, LeftOut, Network, kinds, program_of
from benchmarks.common.reference_networks import NAMES
from kanhw.design.design import Design
from kanhw.flow.verification import predicted_classes
from kanhw.quant import costs_of
from kanhw.schedule.schedule import SCHEDULES, Schedule
from kanhw.sim import EquivalenceReport, check_design

# Unrolled, every edge has hardware of its own, which takes a simulator minutes to compile.
MOST_LUTS = 45_000
# Folded, networks of more edges get more lanes.
MANY_EDGES = 10_000
LANES, MANY_LANES = (3, 2), (16, 4)
# Of the vectors in cocotb. As many clocks' worth before them are sent without stalls.
SAMPLES, RANDOM, UNSTALLED = 30, 28, 64
# Bytes of Verilog times clocks that Icarus simulates in a second: of an unrolled design, where all
# of it works, and of a folded one. Random stalls take two clocks of three. Verilator first
# compiles, so many bytes a second.
ICARUS_RATES, STALLED = {"unrolled": 3e7, "folded": 5e8}, 3
COMPILE_RATE, LEAST_COMPILE = 2e4, 15.0
TIMEOUT = 7200.0


def schedule_of(network: Network, program: kanhw.Program, kind: str, most_luts: int) -> Schedule:
    """The schedule, if the network is not too large for it."""
    if kind == "folded":
        inputs, outputs = LANES if network.model.active_edges <= MANY_EDGES else MANY_LANES
        return Schedule(kind="folded", parallel_inputs=inputs, parallel_outputs=outputs)
    luts = round(costs_of(program).unrolled_luts)
    if luts > most_luts:
        raise LeftOut(f"unrolled it would take some {luts} LUTs, more than {most_luts}")
    return Schedule()


def cocotb_codes(network: Network, program: kanhw.Program, interval: int) -> Any:
    """Corners, test samples and random codes; more of these where many pass without stalls."""
    form, rng = program.input.format, np.random.default_rng(0)
    corners = np.stack([np.full(program.n_in, code) for code in (form.lo, form.hi)])
    count = RANDOM + UNSTALLED // interval
    more = rng.integers(form.lo, form.hi, (count, program.n_in), endpoint=True)
    return np.concatenate([corners, program.input.encode(network.test_x[:SAMPLES]), more])


def quicker_simulator(design: Design, vectors: int) -> str:
    """Verilator simulates fast, but has to compile first."""
    size = design.verilog_path.stat().st_size
    clocks = STALLED * vectors * design.initiation_interval + 20 * design.latency_cycles
    compiling = LEAST_COMPILE + size / COMPILE_RATE
    simulating = size * clocks / ICARUS_RATES[design.schedule.kind]
    return "icarus" if simulating < compiling else "verilator"


def scores(network: Network, program: kanhw.Program, outputs: Any) -> dict[str, float]:
    """Accuracies in percent, or the largest RMSE of an output in percent of its range."""
    reference = network.model(network.test_x)
    if network.labels is None:
        error = program.decode_output(outputs) - reference
        span = np.ptp(reference, axis=0)
        return {"rmse": 100 * float((np.sqrt(np.square(error).mean(axis=0)) / span).max())}
    classes = (reference.argmax(axis=1), predicted_classes(program, outputs))
    both = [100 * float((found == network.labels).mean()) for found in classes]
    return {"float": both[0], "hardware": both[1]}


def faults(design: Design, cocotb: EquivalenceReport, fast: EquivalenceReport) -> list[str]:
    """What is not as it should be."""
    found = [f"{one.engine}: {problem}" for one in (cocotb, fast) for problem in one.problems]
    if cocotb.cycles_per_inference is None or cocotb.latency_cycles is None:
        found.append(f"no clocks were measured; {design.initiation_interval} are declared")
    if not found and not (cocotb.passed and fast.passed):
        found.append("nothing was compared")
    return found


def measure(
    network: Network, program: kanhw.Program, schedule: Schedule, work: Path
) -> dict[str, Any]:
    """One design: generated, simulated, scored."""
    start = time.monotonic()
    design = kanhw.generate(program, work / "design", schedule=schedule)
    codes = cocotb_codes(network, program, design.initiation_interval)
    cocotb = check_design(
        *(design.path, codes),
        engine="cocotb",
        simulator=quicker_simulator(design, len(codes)),
        reset_midstream=True,
        timeout=TIMEOUT,
    )
    encoded = program.input.encode(network.test_x)
    fast = check_design(design.path, encoded, engine="fast", timeout=TIMEOUT)
    found = faults(design, cocotb, fast)
    return {
        "cocotb": cocotb.to_json(),
        "fast": fast.to_json(),
        "declared": [design.initiation_interval, design.latency_cycles],
        "verilog_bytes": design.verilog_path.stat().st_size,
        "layers": sorted(kinds(program)),
        "faults": found,
        "seconds": time.monotonic() - start,
        **(scores(network, program, fast.outputs) if not found else {}),
    }


def row_of(network: Network, program: Any, kind: str, most_luts: int) -> dict[str, Any]:
    """The figures of a combination, or why it is left out."""
    if isinstance(program, LeftOut):
        return {"left_out": str(program)}
    try:
        schedule = schedule_of(network, program, kind, most_luts)
    except LeftOut as reason:
        return {"left_out": str(reason)}
    with tempfile.TemporaryDirectory(prefix="kanhw-benchmark-") as work:
        return {"lanes": lanes_of(schedule), **measure(network, program, schedule, Path(work))}


def lanes_of(schedule: Schedule) -> str:
    """The schedule in a word or two."""
    if not schedule.folded:
        return "unrolled"
    return f"folded {schedule.parallel_inputs}x{schedule.parallel_outputs}"


def show(table: Table, row: dict[str, Any]) -> None:
    """A row of the table, and what is wrong with it."""
    names = (row["network"], row["realisation"])
    if "left_out" in row:
        table.add(*names, row["schedule"], *[""] * 8, row["left_out"])
        return
    cocotb, fast = row["cocotb"], row["fast"]
    texts = [f"{row[key]:.2f} %" if key in row else "" for key in ("float", "hardware")]
    if "rmse" in row:
        texts[1] = f"RMSE {row['rmse']:.2f} %"
    clocks = cocotb["cycles_per_inference"]
    table.add(
        *(*names, row["lanes"], cocotb["vectors"], cocotb["mismatches"]),
        *(fast["vectors"], fast["mismatches"], *texts),
        *("" if clocks is None else f"{clocks:g}", round(row["seconds"]), cocotb["simulator"]),
    )
    for fault in row["faults"]:
        print(f"FAULT {' '.join(names)} {row['lanes']}: {fault}", flush=True)


def main() -> int:
    """Run; 1 if anything is not as it should be."""
    parser = argument_parser(__doc__, json_file=True)
    parser.add_argument("--networks", nargs="+", choices=NAMES, default=list(NAMES))
    every = list(REALISATIONS)
    parser.add_argument("--realisations", nargs="+", choices=every, default=every)
    parser.add_argument("--schedules", nargs="+", choices=SCHEDULES, default=list(SCHEDULES))
    parser.add_argument("--most-luts", type=int, default=MOST_LUTS, help="of unrolled designs")
    options = parser.parse_args()
    print(environment_line() + "\n")
    head = (
        *("network", "realisation", "schedule", "cocotb vectors", "differ", "fast vectors"),
        *("differ", "float", "hardware", "clocks", "seconds", "cocotb with, or why left out"),
    )
    table = Table(head, (21, 17, 11, 0, 0, 0, 0, 8, 12))
    rows: list[dict[str, Any]] = []
    for name in options.networks:
        network = Network.named(name)
        for realisation in options.realisations:
            program: Any
            try:
                program = program_of(network, realisation)
            except LeftOut as reason:
                program = reason
            for kind in options.schedules:
                row = {"network": name, "realisation": realisation, "schedule": kind}
                rows.append(row | row_of(network, program, kind, options.most_luts))
                show(table, rows[-1])
                write_results(options.json, rows)
    passed = sum("faults" in row and not row["faults"] for row in rows)
    left_out = sum("left_out" in row for row in rows)
    print(f"\n{passed} designs equal their Programs, {left_out} left out, of {len(rows)}")
    return int(not passed or passed + left_out < len(rows))


if __name__ == "__main__":
    sys.exit(main())
