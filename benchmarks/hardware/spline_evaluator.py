"""B-splines by arithmetic beside basis tables on UltraScale+: LUTs, DSPs and error by input width.

    python -m benchmarks.hardware.spline_evaluator [--widths 9 10 ... 16] [--orders 1 2 3 4 5]
        [--bits 8] [--cells 8] [--pieces arithmetic shared_table] [--unaligned] [--table-bits 10]
        [--json FILE]

Every design has one input and hands out all functions of a uniform B-spline basis, which is what
the outputs of a layer share: an evaluator, and up to ``--table-bits`` a basis table of the same
functions with the same bits. The codes cover the support. Each design must first equal its Program
on every code, simulated, while it takes a code a clock; then it is synthesised (two recipes, the
smaller result) without a handshake. Errors are the largest distances from the exact basis over all
codes, in LSBs of the values, and what they are proved not to exceed. With ``--unaligned`` cells are
no power of two of codes. Exit status 1 if a design is not exact or leaves its bound.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import kanhw
from benchmarks.common.measuring import Table, argument_parser, environment_line, write_results
from kanhw.estimation import estimate_verilog, yosys_version
from kanhw.formats import CodeFormat
from kanhw.model.activation import Activation
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.network import KanLayer
from kanhw.program import (
    BasisTableLayer,
    InputEncoder,
    Program,
    Requantizer,
    SplineEvaluatorLayer,
)
from kanhw.quant import QuantConfig
from kanhw.quant.config import EvaluatorConfig
from kanhw.quant.integers.tables import basis_tables
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.splines.spline_evaluator import evaluator_of
from kanhw.quant.splines.spline_grid import aligned_quantizer
from kanhw.schedule.schedule import Schedule
from kanhw.sim import check_design

TARGET = "xcup"
# A scale that is no power-of-two part of a cell is so much finer.
ODD = 0.83


def float_layer(order: int, cells: int) -> KanLayer:
    """One input, and as many outputs as there are functions, each of which is one of them."""
    knots = (-1 + 2 / cells * np.arange(-order, cells + order + 1))[None]
    count = cells + order
    return KanLayer(
        BSplineBasis(knots, order), np.eye(count)[:, None], np.zeros((count, 1)),
        Activation("zero"), np.zeros(count), f"order {order}",
    )  # fmt: skip


def quantizer_of(layer: KanLayer, width: int, *, aligned: bool) -> ActivationQuantizer:
    """Codes over the support, or with power-of-two cells a little beyond."""
    low, high = layer.basis.support[0]  # type: ignore[index]
    step = (high - low) / ((1 << width) - 1)
    format = CodeFormat(width, False)
    plain = ActivationQuantizer(
        format, np.array([step]), np.array([round(-low / step)], dtype=np.int64)
    )
    if aligned:
        return aligned_quantizer(plain, layer.basis)  # type: ignore[arg-type]
    odd = step / ODD
    return ActivationQuantizer(format, np.array([odd]), np.array([round(-low / odd)]))


def programs(
    layer: KanLayer, quantizer: ActivationQuantizer, config: QuantConfig, *, table: bool
) -> tuple[Program, float, float]:
    """A Program that hands out all functions, its error in LSBs, and the bound of that."""
    count = layer.basis.count
    same = Requantizer(np.ones((2, count), np.int64), np.zeros(count, np.int64))
    identity = np.eye(count, dtype=np.int64)[:, None]
    nothing = np.zeros((count, 1, 1), np.int64)
    encoder = InputEncoder(quantizer.format, 1)
    if table:
        made = basis_tables(layer, quantizer, config.basis_bits)
        tables = BasisTableLayer(
            made.tables, np.zeros(1, np.int64), identity, np.zeros((1, quantizer.format.count, 1),
            np.int64), np.zeros(1, np.int64), nothing, (same,),
        )  # fmt: skip
        exact = layer.basis.evaluate_input(0, quantizer.grid()[:, 0])
        error = float(np.abs(made.tables[0] - exact / made.unit).max())
        return Program((tables,), encoder), error, 0.5
    own = evaluator_of(layer, quantizer, quantizer, config)
    evaluated = SplineEvaluatorLayer(identity, own.splines, own.base, nothing, (same,))
    return Program((evaluated,), encoder), own.errors["basis"], own.errors["basis_bound"]


def measure(program: Program) -> dict[str, Any]:
    """Prove a design on every code and synthesise it."""
    codes = program.input.format.codes()[:, None]
    with tempfile.TemporaryDirectory(prefix="kanhw-benchmark-") as work:
        streams = kanhw.generate(program, Path(work) / "streams")
        check = check_design(streams.path, codes, engine="fast", stalls=False, build_dir=work)
        if not check.passed or check.cycles_per_inference != 1:
            raise SystemExit(f"not exact at one code a clock: {'; '.join(check.problems)}")
        core = kanhw.generate(program, Path(work) / "core", schedule=Schedule(handshake=False))
        estimate = estimate_verilog(core.verilog_path, core.top, TARGET)
    return {
        "codes": len(codes),
        "latency": core.latency_cycles,
        "estimate": estimate.to_json(),
    }


def row(name: str, figures: dict[str, Any] | None, errors: tuple[float, float]) -> tuple[Any, ...]:
    """The cells of one design."""
    if figures is None:
        return (name, "-", "-", "-", "-", "-", "-", "-")
    own = figures["estimate"]
    return (
        name, own["lut"], own["ff"], own["dsp"], own["bram"], figures["latency"],
        f"{errors[0]:.2f}", f"{errors[1]:.2f}",
    )  # fmt: skip


def main() -> int:
    """Measure every width and order; leaves with status 1 at the first that is not exact."""
    parser = argument_parser(__doc__, json_file=True)
    parser.add_argument("--widths", nargs="+", type=int, default=list(range(9, 17)), metavar="W")
    parser.add_argument("--orders", nargs="+", type=int, default=list(range(1, 6)), metavar="P")
    parser.add_argument("--bits", type=int, default=8, help="of a basis value")
    parser.add_argument("--cells", type=int, default=8, help="of the grid, G")
    choices = ["arithmetic", "shared_table"]
    parser.add_argument("--pieces", nargs="+", choices=choices, default=choices)
    parser.add_argument("--unaligned", action="store_true")
    parser.add_argument("--table-bits", type=int, default=10, help="widest basis table")
    options = parser.parse_args()

    print(environment_line(yosys_version()) + "\n")
    head = (
        "bits in", "order", "functions by", "LUT", "FF", "DSP", "BRAM18", "latency", "error",
        "bound", "codes equal",
    )  # fmt: skip
    table = Table(head, (0, 0, 12, 5, 5))
    results = []
    for order in options.orders:
        layer = float_layer(order, options.cells)
        for width in options.widths:
            quantizer = quantizer_of(layer, width, aligned=not options.unaligned)
            variants = [*options.pieces, *(["basis table"] if width <= options.table_bits else [])]
            for variant in variants:
                tabulated = variant == "basis table"
                pieces = "auto" if tabulated else variant
                config = QuantConfig(
                    basis_bits=options.bits,
                    evaluator=EvaluatorConfig(pieces=pieces),
                )
                program, *errors = programs(layer, quantizer, config, table=tabulated)
                if errors[0] > errors[1] + 1e-9:
                    raise SystemExit(f"order {order}, {width} bits: the bound does not hold")
                figures = measure(program)
                cells = row(variant, figures, (errors[0], errors[1]))
                table.add(width, order, *cells, figures["codes"])
                found = {"width": width, "order": order, "variant": variant}
                found |= {"error": errors[0], "bound": errors[1]}
                results.append(found | figures)
    write_results(options.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
