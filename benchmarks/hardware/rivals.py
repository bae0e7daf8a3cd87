"""Two claims of rivals, measured on our own parts, each with accuracy beside it.

    python -m benchmarks.hardware.rivals [--part basis heads] [--bits 8 4 3 2] [--seeds 3]
        [--json FILE]

basis: KANtize says that tables of 3 instead of 8 bits save 36 % of the resources and gain 50 %
clock. An EfficientKAN 64-16-10 on digits (weights of 8 bits, activations of 6) is folded on the
same MAC array with basis values of 8, 4, 3 and 2 bits; UltraScale+ resources are estimates after
synthesis, the clock is an ECP5's after place and route. What differs from its Program on a test
image ends the benchmark with 1.

heads: SHARe-KAN says that one resident codebook takes 13.9 times less storage than separate
networks at 50 heads. What benchmarks/quantization/codebooks.py measured on digits is printed
beside it.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from pathlib import Path
from typing import Any

import kanhw
from benchmarks.common.measuring import Table, argument_parser, environment_line, write_results
from kanhw.estimation import estimate_verilog, yosys_version
from kanhw.schedule.schedule import Schedule
from kanhw.sim import check_design, stimulus

QUANTIZATION = Path(__file__).parents[1] / "quantization"
ARRAY = Schedule(kind="folded", parallel_inputs=2, parallel_outputs=4)
WEIGHTS, ACTIVATIONS = 8, 6


class NotExactError(Exception):
    """A design differs from its Program."""


def basis(bits: list[int], seeds: int) -> list[dict[str, Any]]:
    """The same array with basis values of each number of bits."""
    from benchmarks.common.experiments import calibration, everywhere, network, part
    from benchmarks.common.networks import score

    data, model = part("digits"), network("EfficientKAN", "digits", 0)
    print(f"float accuracy {score(model(data.test_x), data.test_y):.2f} %\n")
    head = (
        *("basis bits", "test accuracy %", "LUT", "FF", "DSP", "BRAM18", "LUT / first"),
        *("ECP5 LUT4", "ECP5 MHz", "MHz / first"),
    )
    table, rows = Table(head), []
    for count in bits:
        fields = everywhere(WEIGHTS, ACTIVATIONS, basis_bits=count)
        program = kanhw.quantize(model, calibration(data), realisation="basis_table", **fields)
        codes = stimulus(program, data.test_x)
        accuracy = score(program.decode_output(program(codes)), data.test_y)
        with tempfile.TemporaryDirectory(prefix="kanhw-benchmark-") as work:
            design = kanhw.generate(program, Path(work) / "design", schedule=ARRAY)
            check = check_design(design.path, codes, engine="fast")
            if not check.passed or check.vectors != len(codes):
                raise NotExactError(f"{count} bits: {'; '.join(check.problems)}")
            cells = estimate_verilog(design.verilog_path, design.top, "xcup", jobs=1)
            placed = estimate_verilog(
                design.verilog_path, design.top, "ecp5", fmax=True, seeds=seeds
            )
        row = {
            "bits": count,
            "accuracy": accuracy,
            "vectors": check.vectors,
            "interval": design.initiation_interval,
            "xcup": cells.to_json(),
            "ecp5": placed.to_json(),
            "mhz": placed.fmax_mhz,
        }
        rows.append(row)
        table.add(
            *(count, f"{accuracy:.2f}", cells.lut, cells.ff, cells.dsp, cells.bram),
            f"{cells.lut / rows[0]['xcup']['lut']:.2f}",
            *(placed.lut, placed.fmax_mhz, f"{placed.fmax_mhz / rows[0]['mhz']:.2f}"),
        )
    print(
        f"\nevery output equal on {rows[0]['vectors']} test images, {rows[0]['interval']} clocks "
        "each; KANtize: 3 instead of 8 bits takes 0.64 of the resources at 1.50 times the clock"
    )
    return rows


def heads() -> list[dict[str, str]]:
    """Storage and accuracy of a head, as benchmarks/quantization/codebooks.py wrote them."""
    path = QUANTIZATION / "results" / "codebook-heads.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    table = Table(tuple(rows[0]), (6,))
    for row in rows:
        table.add(*(f"{float(v):.2f}" if "/" in name else v for name, v in row.items()))
    print(
        "\nbits of a dense INT4 or float32 network over those of a head with its share of the "
        "codebook; SHARe-KAN: 13.9 at 50 heads\n(made by benchmarks/quantization/codebooks.py)"
    )
    return rows


def main() -> int:
    """Print the parts; 1 if a design is not exact."""
    parser = argument_parser(__doc__, json_file=True)
    parser.add_argument("--part", nargs="+", choices=("basis", "heads"), default=["basis", "heads"])
    parser.add_argument("--bits", nargs="+", type=int, default=[8, 4, 3, 2])
    parser.add_argument("--seeds", type=int, default=3, help="of place and route")
    options = parser.parse_args()
    print(environment_line(yosys_version()) + "\n")
    results: dict[str, Any] = {}
    for part in options.part:
        try:
            results[part] = basis(options.bits, options.seeds) if part == "basis" else heads()
        except NotExactError as error:
            print(f"not exact: {error}", file=sys.stderr)
            return 1
    write_results(options.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
