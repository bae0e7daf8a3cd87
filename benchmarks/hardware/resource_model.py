"""The resource model against Yosys, on designs of random integers; and the fit of its weights.

    python -m benchmarks.hardware.resource_model [--seed 1] [--kinds product heads] [--fit]
        [--json FILE]

Every design is modelled from its Program and schedule and then synthesised for UltraScale+ (as
``kanhw estimate`` does). --fit prints the weights that would suit these designs best, beside those
that the target has (kanhw/targets/).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.measuring import Table, argument_parser, environment_line, write_results
from kanhw.estimation import estimate_verilog, yosys_version
from kanhw.estimation.resource_model import features_of, model_design
from kanhw.estimation.unbuilt import unbuilt
from kanhw.formats import CodeFormat
from kanhw.gateware import generate_verilog
from kanhw.gateware.top.stage_costs import stage_costs
from kanhw.program import (
    BasisTableLayer,
    CodebookLayer,
    EdgeTableLayer,
    InputEncoder,
    ProductLayer,
    Program,
    ProgramLayer,
    Requantizer,
    join_heads,
)
from kanhw.schedule.schedule import Schedule
from kanhw.targets.table import MODELLED, model_of

RAMS, PARTS = model_of(MODELLED)
WEIGHTS = asdict(PARTS)
CODE = CodeFormat(4, signed=True)


def requantizer(rng: np.random.Generator, branches: int, n_out: int, *, last: bool) -> Requantizer:
    """Multipliers of 15 bits, and codes of 4 unless it is the last layer."""
    factors = rng.integers(9000, 32000, (branches, n_out))
    return Requantizer(
        factors, rng.integers(-9999, 9999, n_out), 0 if last else 20, None if last else CODE
    )


def splines(rng: np.random.Generator, top: int, live: int, functions: int = 8) -> Any:
    """A table ``[1, 16, functions]`` of which ``live`` neighbours at a code are not zero."""
    tables = np.zeros((1, 16, functions), np.int64)
    for code in range(16):
        start = code * (functions - live) // 15
        tables[0, code, start : start + live] = rng.integers(1, top + 1, live)
    return tables


def basis(
    rng: np.random.Generator, n_in: int, n_out: int, *, last: bool, top: int, live: int
) -> ProgramLayer:
    """Basis tables up to ``top``, weights of 4 bits, a base branch of 8."""
    base = rng.integers(-20, 128, (1, 16, 1))
    zero = np.zeros(n_in, np.int64)
    return BasisTableLayer(
        *(splines(rng, top, live), zero, rng.integers(-8, 8, (n_out, n_in, 8))),
        *(base, zero, rng.integers(-8, 8, (n_out, n_in, 1))),
        (requantizer(rng, 2, n_out, last=last),),
    )


def codebook(
    rng: np.random.Generator, n_in: int, n_out: int, *, last: bool, shapes: int, gains: int
) -> ProgramLayer:
    """Shapes of 8 bits, gains up to ``gains``, no base branch."""
    return CodebookLayer(
        rng.integers(-128, 128, (shapes, 16)),
        rng.integers(0, shapes, (n_out, n_in)),
        rng.integers(1, gains + 1, (n_out, n_in)),
        np.zeros((1, 16, 1), np.int64),
        np.zeros(n_in, np.int64),
        np.zeros((n_out, n_in, 1), np.int64),
        (requantizer(rng, 2, n_out, last=last),),
    )


def edges(
    rng: np.random.Generator, n_in: int, n_out: int, *, last: bool, bits: int
) -> ProgramLayer:
    """Edge tables of ``bits``."""
    tables = rng.integers(-(1 << (bits - 1)), 1 << (bits - 1), (n_out, n_in, 16))
    return EdgeTableLayer(tables, (requantizer(rng, 1, n_out, last=last),))


def product(
    rng: np.random.Generator, n_in: int, n_out: int, *, last: bool, width: int
) -> ProgramLayer:
    """Products of all codes, of ``width`` bits, in ``n_out`` groups."""
    groups = tuple(tuple(range(j, n_in, n_out)) for j in range(n_out))
    lowest = CodeFormat(width, signed=True).lo
    join = requantizer(rng, 1, n_out, last=last)
    return ProductLayer(groups, n_in, width, lowest, (join,))


MAKERS: dict[str, Any] = {
    "basis": basis,
    "codebook": codebook,
    "edges": edges,
    "product": product,
    "heads": codebook,
}
# Kind, its settings, sizes, P_in and P_out (0: unrolled).
DESIGNS: tuple[tuple[str, dict[str, int], tuple[int, ...], int, int], ...] = (
    ("basis", {"top": 7, "live": 4}, (64, 16, 8), 1, 1),
    ("basis", {"top": 7, "live": 3}, (96, 16), 8, 2),
    ("basis", {"top": 3, "live": 3}, (64, 32), 2, 8),
    ("basis", {"top": 15, "live": 4}, (48, 16), 3, 4),
    ("codebook", {"shapes": 32, "gains": 1}, (64, 32, 8), 1, 8),
    ("codebook", {"shapes": 16, "gains": 7}, (48, 16), 2, 4),
    ("edges", {"bits": 6}, (64, 16, 8), 2, 4),
    ("edges", {"bits": 6}, (24, 8), 0, 0),
    ("basis", {"top": 7, "live": 4}, (12, 8), 0, 0),
    ("codebook", {"shapes": 16, "gains": 1}, (16, 8), 0, 0),
    ("product", {"width": 4}, (16, 8), 0, 0),
    ("product", {"width": 8}, (18, 6), 0, 0),
    ("heads", {"shapes": 16, "gains": 7, "heads": 1}, (32, 16), 2, 4),
    ("heads", {"shapes": 16, "gains": 7, "heads": 3}, (48, 16, 8), 2, 4),
    ("heads", {"shapes": 16, "gains": 7, "heads": 3, "writable": 1}, (48, 16), 2, 4),
)


def designs(seed: int, kinds: list[str]) -> Iterator[tuple[str, Program, Schedule]]:
    """Name, Program and schedule of every design of these kinds."""
    for number, (kind, settings, sizes, inputs, outputs) in enumerate(DESIGNS):
        if kind not in kinds:
            continue
        rng = np.random.default_rng([seed, number])
        if seed and inputs:
            # Other lanes than those that were fitted.
            inputs, outputs = inputs + seed % 2 + 1, max(outputs - seed % 3, 1)
        program = program_of(rng, kind, sizes, **settings)
        folded = {"kind": "folded", "parallel_inputs": inputs, "parallel_outputs": outputs}
        name = (
            f"{kind} {'-'.join(map(str, sizes))} {inputs}x{outputs}"
            if inputs
            else (f"{kind} {'-'.join(map(str, sizes))} unrolled")
        )
        yield name, program, Schedule(**(folded if inputs else {}))  # type: ignore[arg-type]


def program_of(
    rng: np.random.Generator,
    kind: str,
    sizes: tuple[int, ...],
    heads: int = 0,
    writable: int = 0,
    **settings: int,
) -> Program:
    """A network of one kind of layer, or ``heads`` of them that share their shapes."""
    code = CodeFormat(settings.get("width", CODE.width), signed=True)
    networks: list[Program] = []
    for _ in range(max(heads, 1)):
        layers = [
            MAKERS[kind](rng, a, b, last=k == len(sizes) - 2, **settings)
            for k, (a, b) in enumerate(pairwise(sizes))
        ]
        if networks:
            shared = zip(layers, networks[0].layers, strict=True)
            layers = [replace(own, shapes=first.shapes) for own, first in shared]
        networks.append(Program(tuple(layers), InputEncoder(code, sizes[0])))
    return join_heads(networks, writable=bool(writable)) if heads else networks[0]


def measure(name: str, program: Program, schedule: Schedule, folder: Path) -> dict[str, Any]:
    """One design, modelled and synthesised."""
    verilog = folder / "kan.v"
    text = generate_verilog(program, schedule)
    verilog.write_text(text.text, encoding="utf-8")
    found = estimate_verilog(verilog, text.top, MODELLED, jobs=1)
    modelled = model_design(program, schedule)
    with unbuilt():
        parts = [features_of(option.costs, RAMS) for option in stage_costs(program, schedule)]
    return {
        "design": name,
        "features": {key: sum(part[key] for part in parts) for key in WEIGHTS},
        "model": {"lut": modelled.lut, "bram": modelled.bram, "dsp": modelled.dsp},
        "yosys": {"lut": found.lut, "bram": found.bram, "dsp": found.dsp, "recipe": found.recipe},
    }


def fitted(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Weights that are not negative and leave the least relative error."""
    from scipy.optimize import nnls

    luts = np.array([row["yosys"]["lut"] for row in rows], float)
    features = np.array([[row["features"][key] for key in WEIGHTS] for row in rows], float)
    weights, _ = nnls(features / luts[:, None], np.ones(len(rows)))
    return dict(zip(WEIGHTS, weights.round(3).tolist(), strict=True))


def main() -> int:
    """Run and print."""
    parser = argument_parser(__doc__, json_file=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--kinds", nargs="+", choices=MAKERS, default=list(MAKERS), help="of designs, not all"
    )
    parser.add_argument("--fit", action="store_true", help="print the weights that suit these best")
    options = parser.parse_args()
    print(environment_line(yosys_version()) + "\n")
    head = ("design", "LUT model", "Yosys", "error %", "BRAM18", "Yosys", "DSP", "Yosys")
    table = Table(head, (34, 9, 6, 7))
    rows = []
    for name, program, schedule in designs(options.seed, options.kinds):
        with tempfile.TemporaryDirectory(prefix="kanhw-benchmark-") as folder:
            row = measure(name, program, schedule, Path(folder))
        rows.append(row)
        model, yosys = row["model"], row["yosys"]
        row["error"] = 100 * (model["lut"] / yosys["lut"] - 1)
        counts = [part[key] for key in ("bram", "dsp") for part in (model, yosys)]
        table.add(name, model["lut"], yosys["lut"], f"{row['error']:+.1f}", *counts)
    errors = np.abs([row["error"] for row in rows])
    print(
        f"\nLUT: error {errors.mean():.1f} % on average, {np.median(errors):.1f} in the median, "
        f"{errors.max():.1f} at most; block RAM and DSP differ in "
        f"{sum(row['model'][k] != row['yosys'][k] for row in rows for k in ('bram', 'dsp'))} of "
        f"{2 * len(rows)} counts"
    )
    if options.fit:
        print("\nfitted:", fitted(rows), "\nmodel: ", WEIGHTS)
    write_results(options.json, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
