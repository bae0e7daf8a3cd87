"""What pooling takes in LUTs beside the formula of training: line buffers, comparisons, sums.

    python -m benchmarks.fabric.image_costs [--pairs xcup/portable ...] [--recipe NAME]
        [--keep FILE]

Poolings alone, of images of 1 to 3 channels of codes of 2 and 5 bits, with valid and ready, are
synthesised as ``kanhw estimate`` does. Printed are the factors of
:mod:`kanhw.targets.table_costs` that suit them best, by relative squares, with what every design
has besides (its handshake), and the errors of kanhw's own, with the same constant.
"""

from __future__ import annotations

import json
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from benchmarks.common.measuring import Table, argument_parser, environment_line
from benchmarks.fabric.synthesis import synthesise
from kanhw.estimation import yosys_version
from kanhw.formats import CodeFormat
from kanhw.gateware import generate_verilog
from kanhw.program import InputEncoder, PoolingLayer, Program, Requantizer
from kanhw.quant.fabric.learned.pooling import Pool
from kanhw.schedule.schedule import Schedule
from kanhw.targets.table_costs import TABLE_COSTS, table_costs_of
from kanhw.windows import Window

FACTORS = ("line", "comparator", "averager", "divider", "stage")
IMAGES = ((1, 8, 8), (3, 8, 8), (2, 16, 40))
BITS = (2, 5)
KINDS = ("max", "average")


def main() -> int:
    """Synthesise, fit, print."""
    parser = argument_parser(__doc__)
    pairs = ["/".join(pair) for pair in TABLE_COSTS]
    parser.add_argument("--pairs", nargs="+", choices=pairs, default=pairs)
    parser.add_argument("--recipe", help="one recipe of the targets, not the smaller of all")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="where designs are kept")
    options = parser.parse_args()
    print(environment_line(yosys_version()) + "\n")
    head = ("pair", "designs", "LUT", *FACTORS, "besides", "error %: median", "largest", "kanhw's")
    table = Table(head, (18, 7, 7))
    for pair in options.pairs:
        rows = _rows(pair, options.recipe, options.keep)
        counts = np.array([[*row["counts"], 1] for row in rows], float)
        luts = np.array([row["lut"] for row in rows], float)
        weights = 1 / luts
        found, _ = nnls(counts * weights[:, None], luts * weights)
        own = table_costs_of(*pair.split("/"))
        theirs = np.array([*(getattr(own, name) for name in FACTORS), found[-1]])
        errors, known = (100 * np.abs(counts @ each / luts - 1) for each in (found, theirs))
        table.add(
            pair,
            len(rows),
            f"{luts.min():.0f}-{luts.max():.0f}",
            *(f"{value:.2f}" for value in found),
            f"{np.median(errors):.1f}",
            f"{errors.max():.1f}",
            f"{np.median(known):.1f}",
        )
    return 0


def pools() -> dict[str, tuple[Pool, int]]:
    """Poolings by name, and the bits of their codes."""
    found = {}
    for number, (shape, bits, kind) in enumerate(product(IMAGES, BITS, KINDS)):
        for size in ((2, 2), (4, 2), (3, 3), shape[1:]):
            if size == (3, 3) and shape[1] % 3 != 1:
                continue
            name = f"pool{number}_{size[0]}"
            found[name] = Pool(kind, Window(shape, size, size), name), bits  # type: ignore[arg-type]
    return found


def program_of(pool: Pool, bits: int) -> Program:
    """A pooling alone."""
    each = np.full(pool.window.shape[0], bits)
    multipliers, biases, shift = pool.factors(each, each)
    positions, code = pool.window.positions, CodeFormat(bits, signed=False)
    join = Requantizer(
        np.repeat(multipliers, positions)[None], np.repeat(biases, positions), shift, code
    )
    layer = PoolingLayer(np.arange(1 << bits), pool.mode, pool.window, (join,))
    return Program((layer,), InputEncoder(code, pool.window.n_in))


def counts_of(pool: Pool, bits: int) -> npt.NDArray[np.float64]:
    """What the factors are of, in their order."""
    work, of_code = pool.work, bits * pool.window.shape[0]
    each = np.array([work.lines, work.compared, work.added, work.divided], float)
    return np.append(each * of_code, work.stages)


def _rows(pair: str, recipe: str | None, keep: Path | None) -> list[dict[str, Any]]:
    """Every pooling of a pair: kept, or synthesised in one run."""
    kept = [] if keep is None or not keep.exists() else keep.read_text().splitlines()
    rows = [row for row in map(json.loads, kept) if row["pair"] == pair]
    if rows:
        return rows
    target, fabric = pair.split("/")
    schedule = Schedule(adder_levels=2, fabric=fabric)
    chosen = pools()
    designs = {
        name: generate_verilog(program_of(*own), schedule, name=name).text
        for name, own in chosen.items()
    }
    found = synthesise(designs, target, recipe)
    rows = [
        {"pair": pair, "name": name, "lut": found[name].lut, "counts": list(counts_of(*own))}
        for name, own in chosen.items()
    ]
    if keep is not None:
        with keep.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    return rows


if __name__ == "__main__":
    sys.exit(main())
