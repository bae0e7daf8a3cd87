"""Every reference network from its checkpoint to verified Verilog, with default settings.

    python -m benchmarks.hardware.fixtures [--networks NAME ...] [--vectors 1000] [--json FILE]

For each network the commands 'kanhw quantize', 'generate' and 'simulate' are run as a user would,
8 bits and no special flags. The Verilog is simulated twice with random stalls at both ends: in
cocotb with the stream rules checked, on the test part and more random codes up to --vectors; and
without Python on the whole test part, which gives the accuracy. Networks of LayerNorms and
thousands of edges take minutes each, most of them in compiling the Verilog.
"""

from __future__ import annotations

import contextlib
import io
import json
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
from benchmarks.common.reference_networks import NETWORKS, data
from kanhw.cli import main as kanhw_command


def command(*arguments: object) -> dict[str, Any]:
    """Run a kanhw command; its JSON. A difference stops the benchmark."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        status = kanhw_command([*map(str, arguments), "--json"])
    if status:
        sys.exit(
            f"kanhw {' '.join(map(str, arguments))} gave status {status}\n{printed.getvalue()}"
        )
    result: dict[str, Any] = json.loads(printed.getvalue())
    return result


def measure(name: str, folder: Path, work: Path, count: int) -> dict[str, Any]:
    """Quantize, generate and simulate one network."""
    source, program_file, design = folder / name, work / "program.safetensors", work / "design"
    calibration: list[object] = []
    if NETWORKS[name] is None:
        with np.load(source / "vectors.npz") as file:
            x, extra = file["x"], {"y": file["y"]}
    else:
        train_x, x, labels = data(str(NETWORKS[name]))
        extra = {"labels": labels}
        if not name.startswith("pykan"):
            np.savez(work / "train.npz", x=train_x)
            calibration = ["--calibration", work / "train.npz"]
    model = kanhw.load(source)
    command("quantize", source, *calibration, "--out", program_file)
    made = command("generate", program_file, "--out", design)
    program = kanhw.load_design(design).load_program()
    form, rng = program.input.format, np.random.default_rng(0)
    codes = program.input.encode(x)
    more = rng.integers(form.lo, form.hi, (max(count - len(x), 0), program.n_in), endpoint=True)
    np.savez(work / "codes.npz", x=np.concatenate([codes, more]).astype(np.int64))
    np.savez(work / "test.npz", x=x, **extra)
    simulator = ("--simulator", "verilator")
    vectors = ("--vectors", work / "codes.npz", "--codes")
    cocotb = command("simulate", design, *vectors, "--engine", "cocotb", *simulator)
    fast = command("simulate", design, "--vectors", work / "test.npz", "--engine", "fast")
    reference = model(x)
    row = {"network": name, "design": made, "cocotb": cocotb, "fast": fast}
    if "labels" in extra:
        row["float"] = 100 * float((reference.argmax(axis=1) == extra["labels"]).mean())
        row["hardware"] = 100 * fast["accuracy"]
    else:
        error = program.decode_output(program(codes)) - reference
        span = np.ptp(reference, axis=0)
        row["rmse"] = 100 * float((np.sqrt(np.square(error).mean(axis=0)) / span).max())
    return row


def main() -> int:
    """Run; an output that differs, or an accuracy that is lost, ends with 1."""
    parser = argument_parser(__doc__, json_file=True)
    parser.add_argument("--networks", nargs="+", choices=sorted(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--vectors", type=int, default=1000, help="in cocotb, at least")
    options = parser.parse_args()
    folder = reference_folder("fixtures/kan_libraries")
    print(environment_line() + "\n")
    head = ("network", "cocotb vectors", "differ", "test vectors", "differ", "float", "hardware")
    table = Table(head, (20,))
    rows = []
    for name in options.networks:
        with tempfile.TemporaryDirectory(prefix="kanhw-benchmark-") as work:
            row = measure(name, folder, Path(work), options.vectors)
        rows.append(row)
        if "float" in row:
            scores = (f"{row['float']:.2f} %", f"{row['hardware']:.2f} %")
        else:
            scores = ("", f"RMSE {row['rmse']:.2f} %")
        table.add(
            name,
            row["cocotb"]["vectors"],
            row["cocotb"]["mismatches"],
            row["fast"]["vectors"],
            row["fast"]["mismatches"],
            *scores,
        )
    write_results(options.json, rows)
    good = all(
        row["float"] - row["hardware"] <= 1 if "float" in row else row["rmse"] <= 1 for row in rows
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
