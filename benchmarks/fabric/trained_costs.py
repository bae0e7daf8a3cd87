"""What the cost of training says of trained networks, against synthesis; and a fit to them.

    python -m benchmarks.fabric.trained_costs FRONT... [--pairs xcup/portable ...] [--least 100]
        [--at-most 2000] [--keep ROWS.jsonl]

A FRONT is a folder of a training for the fabric. Its networks are generated as bare cores (two
adder levels between registers) and synthesised by the smaller recipe of every pair of target and
fabric. Errors of the factors of :mod:`kanhw.targets.table_costs` are told by front, then those of a
fit to all *other* fronts, then the factors of a fit to all. Rows of --keep are not made again.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.kept import keep_rows, kept_rows
from benchmarks.common.measuring import Table, argument_parser, environment_line
from benchmarks.fabric.cost_fit import LEVELS, stored_sizes, structure_of
from benchmarks.fabric.formula import fitted, luts_of
from benchmarks.fabric.sizes import NetworkSizes, sizes_of
from benchmarks.fabric.synthesis import synthesise
from kanhw.estimation import yosys_version
from kanhw.gateware import generate_verilog
from kanhw.program import load_program
from kanhw.schedule.schedule import Schedule
from kanhw.targets.table_costs import TABLE_COSTS, TableCosts, table_costs_of

# Designs in a run of Yosys.
BATCH = 10


def main() -> int:
    """Synthesise what is missing; print errors and fits."""
    parser = argument_parser(__doc__)
    pairs = ["/".join(pair) for pair in TABLE_COSTS]
    parser.add_argument("fronts", type=Path, nargs="+", metavar="FRONT")
    parser.add_argument("--pairs", nargs="+", choices=pairs, default=pairs)
    parser.add_argument("--least", type=float, default=100, help="the least modelled cost")
    parser.add_argument("--at-most", type=float, default=2000, help="the largest modelled cost")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="where rows are kept")
    options = parser.parse_args()
    print(environment_line(yosys_version()) + "\n")
    rows = kept_rows(options.keep)
    for pair in options.pairs:
        for front in options.fronts:
            known = {row["network"] for row in rows if row["pair"] == pair}
            names = _chosen(front, options.least, options.at_most)
            missing = [name for name in names if name not in known]
            for start in range(0, len(missing), BATCH):
                new = _measured(pair, missing[start : start + BATCH])
                rows += new
                keep_rows(options.keep, new)
    for pair in options.pairs:
        print_pair(pair, [row for row in rows if row["pair"] == pair])
    return 0


def _chosen(front: Path, least: float, most: float) -> list[str]:
    """Files of the points of a front that cost neither too little nor too much."""
    told = json.loads((front / "front.json").read_text(encoding="utf-8"))
    return [
        str(front / "points" / f"{point['name']}.safetensors")
        for point in told["points"]
        if least <= point["cost"] <= most
    ]


def _measured(pair: str, files: list[str]) -> list[dict[str, Any]]:
    target, fabric = pair.split("/")
    schedule = Schedule(adder_levels=LEVELS, handshake=False, fabric=fabric)
    programs = {f"n{k}": load_program(Path(file)) for k, file in enumerate(files)}
    designs = {
        name: generate_verilog(program, schedule, name=name).text
        for name, program in programs.items()
    }
    found = synthesise(designs, target)
    return [
        {
            "pair": pair,
            "network": file,
            "front": Path(file).parent.parent.name,
            "lut": found[name].lut,
            "sizes": asdict(sizes_of(program)),
        }
        for file, (name, program) in zip(files, programs.items(), strict=True)
    ]


def print_pair(pair: str, rows: list[dict[str, Any]]) -> None:
    """Errors by front, of kanhw's factors and of those fitted to all other fronts."""
    if not rows:
        return
    own, structure = table_costs_of(*pair.split("/")), structure_of(*pair.split("/"))
    print(f"{pair}: modelled over synthesised")
    table = Table(
        ("front", "networks", "LUT", "kanhw's: mean", "lowest", "highest", "fitted to others"),
        (20, 9, 10, 14, 8, 8, 24),
    )
    fronts = list(dict.fromkeys(row["front"] for row in rows))
    for front in fronts:
        here = [_network(row) for row in rows if row["front"] == front]
        others = [_network(row) for row in rows if row["front"] != front]
        luts = [lut for _, lut in here]
        ratios = _ratios(here, own)
        fit = "-"
        if others:
            there = _ratios(here, fitted(others, structure))
            fit = f"{np.mean(there):.2f} ({min(there):.2f}-{max(there):.2f})"
        cells = [f"{value:.2f}" for value in (np.mean(ratios), min(ratios), max(ratios))]
        table.add(front, len(here), f"{min(luts)}-{max(luts)}", *cells, fit)
    print(fitted([_network(row) for row in rows], structure), "\n", flush=True)


def _ratios(networks: list[tuple[NetworkSizes, int]], costs: TableCosts) -> list[float]:
    return [luts_of(sizes, costs) / lut for sizes, lut in networks]


def _network(row: dict[str, Any]) -> tuple[NetworkSizes, int]:
    return stored_sizes(row["sizes"]), int(row["lut"])


if __name__ == "__main__":
    sys.exit(main())
