"""LayerNorm in integers on UltraScale+: LUTs, DSPs and clocks per vector.

    python -m benchmarks.hardware.layer_norm [--sizes 16 64 256] [--vectors 20000] [--json FILE]

For each number of features a norm of 12-bit codes to 8-bit codes is made, with random gains around
1 and offsets around 0, as the quantizer would scale them. Its design, which takes and gives whole
vectors behind handshakes, must first equal the Program on random and corner vectors, simulated with
and without stalls, in which latency and clocks per vector are measured; then it is synthesised with
both UltraScale+ recipes. The serial norm inside, which takes and gives one feature a clock, is
synthesised on its own as well. Exit status 1 if a design is not exact.
"""

from __future__ import annotations

import math
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

import numpy as np

import kanhw
from benchmarks.common.measuring import Table, argument_parser, environment_line, write_results
from kanhw.estimation import estimate_verilog, yosys_version
from kanhw.formats import CodeFormat
from kanhw.gateware.norm.serial_layer_norm import SerialLayerNorm
from kanhw.gateware.top.verilog import to_verilog
from kanhw.program import InputEncoder, NormLayer, Program, Requantizer
from kanhw.sim import check_design

SOURCE, TARGET = CodeFormat(12, True), CodeFormat(8, True)
# Real units per step of the two formats, and the norm's epsilon.
SOURCE_STEP, TARGET_STEP, EPSILON = 4 / 2048, 4 / 128, 1e-5
# Of the gains beyond the target's steps, and of the reciprocal root at the largest variance.
GAIN_BITS, ROOT_BITS = 9, 10


def norm_program(count: int, rng: np.random.Generator) -> Program:
    """A LayerNorm of ``count`` features and nothing else."""
    gains, offsets = 1 + 0.2 * rng.standard_normal(count), 0.2 * rng.standard_normal(count)
    epsilon = round(count**2 * EPSILON / SOURCE_STEP**2)
    largest = (count // 2) * (count - count // 2) * (SOURCE.count - 1) ** 2 + epsilon
    fraction = min(ROOT_BITS + math.ceil(math.log2(largest) / 2), 30)
    shift = fraction + GAIN_BITS
    gamma = np.floor(gains / TARGET_STEP * 2.0**GAIN_BITS + 0.5).astype(np.int64)
    bias = np.floor(offsets / TARGET_STEP * 2.0**shift + 0.5).astype(np.int64)
    requantizer = Requantizer(np.ones((1, count), np.int64), bias, shift, TARGET)
    layer = NormLayer(gamma, epsilon, fraction, SOURCE.width, (requantizer,))
    return Program((layer,), InputEncoder(SOURCE, count))


def vectors(count: int, number: int, rng: np.random.Generator) -> np.ndarray:
    """Gaussian vectors of all sizes, uniform ones, extremes, and vectors of equal codes."""
    sigma = 2.0 ** rng.uniform(-2, 11, (number, 1))
    mean = rng.normal(0, 500, (number, 1))
    codes = np.floor(rng.normal(mean, sigma, (number, count)))
    codes[::5] = rng.integers(SOURCE.lo, SOURCE.hi + 1, codes[::5].shape)
    codes[1::50] = rng.choice([SOURCE.lo, SOURCE.hi], codes[1::50].shape)
    codes[2::50] = rng.integers(SOURCE.lo, SOURCE.hi + 1, (len(codes[2::50]), 1))
    return codes.clip(SOURCE.lo, SOURCE.hi).astype(np.int64)


def measure(count: int, number: int, table: Table) -> list[dict[str, Any]]:
    """Prove and synthesise one size; gives the figures of its two rows."""
    rng = np.random.default_rng(count)
    program = norm_program(count, rng)
    codes = vectors(count, number, rng)
    layer = cast(NormLayer, program.layers[0])
    with tempfile.TemporaryDirectory(prefix="kanhw-benchmark-") as work:
        design = kanhw.generate(program, Path(work) / "design")
        checks = [
            check_design(design.path, codes, engine="fast", stalls=stalls, build_dir=work)
            for stalls in (False, True)
        ]
        problems = [problem for check in checks for problem in check.problems]
        if problems or not all(check.passed for check in checks):
            raise SystemExit(f"{count} features: not exact: {'; '.join(problems)}")
        serial = SerialLayerNorm(layer)
        serial_file = Path(work) / "serial.v"
        serial_file.write_text(to_verilog(serial, "serial"), encoding="utf-8")
        estimates = [
            estimate_verilog(design.verilog_path, design.top, "xcup"),
            estimate_verilog(serial_file, "serial", "xcup"),
        ]
    clocks, latency = checks[0].cycles_per_inference, checks[0].latency_cycles
    rows = []
    for form, estimate, timing in (
        ("vectors", estimates[0], (f"{clocks:g}", str(latency))),
        ("one feature a clock", estimates[1], (f"({serial.initiation_interval})", "-")),
    ):
        counts = (estimate.lut, estimate.ff, estimate.dsp, estimate.bram)
        table.add(count, form, f"{estimate.lut} ({estimate.recipe})", *counts[1:], *timing, number)
        rows.append({"features": count, "form": form, "estimate": estimate.to_json()})
    rows[0] |= {"vectors": number, "clocks_per_vector": clocks, "latency_cycles": latency}
    return rows


def main() -> int:
    """Measure every size; leaves with status 1 at the first that is not exact."""
    parser = argument_parser(__doc__, json_file=True)
    parser.add_argument("--sizes", nargs="+", type=int, default=[16, 64, 256], metavar="N")
    parser.add_argument("--vectors", type=int, default=20_000)
    options = parser.parse_args()

    print(environment_line(yosys_version()) + "\n")
    head = (
        "features", "takes and gives", "LUT (recipe)", "FF", "DSP", "BRAM",
        "clocks per vector", "latency", "vectors equal",
    )  # fmt: skip
    table = Table(head, (0, 19, 12, 5))
    results = [row for size in options.sizes for row in measure(size, options.vectors, table)]
    print("\nin brackets: declared, measured with the design around it")
    write_results(options.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
