"""What unrolled edge tables take in LUTs: a formula of their sizes, fitted to synthesis.

    python -m benchmarks.fabric.cost_fit [--pairs xcup/portable ...] [--count 60] [--recipe NAME]
        [--merged] [--keep ROWS.jsonl]

Random networks of the kind that learned widths give are generated as bare cores (two adder levels
between registers), and synthesised as ``kanhw estimate`` does. The factors of
:mod:`kanhw.targets.table_costs` are fitted to those of at least 100 LUTs; errors are those on the
third that a fit has not seen, three times. ``--merged`` synthesises each once more with merged
tables and says what that saves. A row of ``--keep`` is a network that was synthesised: a run goes
on behind it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.kept import keep_rows, kept_rows
from benchmarks.common.measuring import Table, argument_parser, environment_line
from benchmarks.fabric.formula import fitted, luts_of
from benchmarks.fabric.random_networks import random_network
from benchmarks.fabric.sizes import EdgeSizes, NetworkSizes, sizes_of
from benchmarks.fabric.synthesis import synthesise
from kanhw.estimation import yosys_version
from kanhw.gateware import generate_verilog
from kanhw.schedule.schedule import Schedule
from kanhw.targets.table_costs import TABLE_COSTS, TableCosts, table_costs_of

LEVELS = 2
# Every third network is kept from a fit.
FOLDS = 3
LEAST_LUTS = 100

# What structure says: a bit of a table is a LUT of as many inputs, or half of one that has two
# outputs; a place of an adder takes a LUT, or half of one where it has three operands, and more
# than one where it is a full adder of LUTs that read four inputs.
STRUCTURE = {
    "portable": TableCosts(
        table=(0.05, 0.5, 0.9, 1.0, 1.1, 1.2, 2.4, 4.8),
        adder=1.0,
        adder_offset=0.8,
        saturator=0.3,
        encoder=1.0,
    ),
    "ultrascale+": TableCosts(
        table=(0.05, 0.4, 0.45, 0.5, 0.55, 1.0, 2.0, 4.0),
        adder=0.6,
        adder_offset=0.7,
        saturator=0.5,
        encoder=1.0,
        widest=0.5,
    ),
}
FOUR_INPUTS = TableCosts(
    table=(0.05, 0.7, 0.9, 1.2, 2.8, 4.5, 9.0, 18.0),
    adder=1.7,
    adder_offset=0.47,
    saturator=0.6,
    encoder=1.0,
    widest=0.2,
)


def main() -> int:
    """Synthesise, fit, print."""
    parser = argument_parser(__doc__)
    pairs = ["/".join(pair) for pair in TABLE_COSTS]
    parser.add_argument("--pairs", nargs="+", choices=pairs, default=pairs)
    parser.add_argument("--count", type=int, default=60, help="networks of every pair")
    parser.add_argument("--batch", type=int, default=15, help="networks in a run of Yosys")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--recipe", help="one recipe of the targets, not the smaller of all")
    parser.add_argument("--merged", action="store_true", help="once more with merged tables")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="where networks are kept")
    options = parser.parse_args()
    print(environment_line(yosys_version()) + "\n")
    rows = kept_rows(options.keep)
    for pair in options.pairs:
        for merge in (False, True) if options.merged else (False,):
            there = {row["number"] for row in _of(rows, pair, merge=merge)}
            missing = [number for number in range(options.count) if number not in there]
            for start in range(0, len(missing), options.batch):
                batch = missing[start : start + options.batch]
                new = measured(pair, batch, options.seed, recipe=options.recipe, merge=merge)
                rows += new
                keep_rows(options.keep, new)
    print_fits(rows, options.pairs)
    if options.merged:
        print_merged(rows, options.pairs)
    return 0


def measured(
    pair: str, numbers: Sequence[int], seed: int, *, recipe: str | None, merge: bool
) -> list[dict[str, Any]]:
    """The networks of some numbers, each with its sizes and what it takes."""
    target, fabric = pair.split("/")
    merged = target if merge else None
    schedule = Schedule(adder_levels=LEVELS, handshake=False, fabric=fabric, merge_tables=merged)
    networks = {f"n{k}": random_network(np.random.default_rng([seed, k])) for k in numbers}
    designs = {
        name: generate_verilog(network, schedule, name=name).text
        for name, network in networks.items()
    }
    found = synthesise(designs, target, recipe)
    return [
        {
            "pair": pair,
            "number": number,
            "merged": merge,
            "lut": found[name].lut,
            "ff": found[name].ff,
            "sizes": asdict(sizes_of(network)),
        }
        for number, (name, network) in zip(numbers, networks.items(), strict=True)
    ]


def print_fits(rows: list[dict[str, Any]], pairs: list[str]) -> None:
    """The factors that suit every pair best, and the errors of these and of kanhw's."""
    head = ("pair", "networks", "LUT", "error %: median", "90 %", "largest", "kanhw's", "90 %")
    table = Table(head, (18, 8, 8, 15, 6, 7, 7, 6))
    found = {}
    for pair in pairs:
        networks = [
            (stored_sizes(row["sizes"]), row["lut"])
            for row in _of(rows, pair, merge=False)
            if row["lut"] >= LEAST_LUTS
        ]
        if len(networks) < FOLDS:
            continue
        structure = structure_of(*pair.split("/"))
        errors, theirs = list[float](), _errors(networks, table_costs_of(*pair.split("/")))
        for fold in range(FOLDS):
            seen = [network for k, network in enumerate(networks) if k % FOLDS != fold]
            errors += _errors(networks[fold::FOLDS], fitted(seen, structure))
        luts = [lut for _, lut in networks]
        cells = [f"{value:.1f}" for value in (*_spread(errors), *_spread(theirs)[:2])]
        table.add(pair, len(networks), f"{min(luts)}-{max(luts)}", *cells)
        found[pair] = fitted(networks, structure)
    print()
    for pair, costs in found.items():
        print(pair, costs)


def print_merged(rows: list[dict[str, Any]], pairs: list[str]) -> None:
    """What merging saves, network by network."""
    print()
    table = Table(("pair", "networks", "LUT", "merged", "saved %", "FF", "merged", "LUT more in"))
    for pair in pairs:
        apart = {row["number"]: row for row in _of(rows, pair, merge=False)}
        merged = [row for row in _of(rows, pair, merge=True) if row["number"] in apart]
        both = [(apart[row["number"]], row) for row in merged]
        if not both:
            continue
        luts, ffs = ([sum(p[k][key] for p in both) for k in (0, 1)] for key in ("lut", "ff"))
        more = [f"{b['number']}: +{b['lut'] - a['lut']}" for a, b in both if b["lut"] > a["lut"]]
        saved = f"{100 * (1 - luts[1] / luts[0]):.1f}"
        table.add(pair, len(both), *luts, saved, *ffs, ", ".join(more) or "none")


def structure_of(target: str, fabric: str) -> TableCosts:
    """What structure says of a pair: by the inputs of the target's LUTs."""
    return STRUCTURE[fabric] if target == "xcup" else FOUR_INPUTS


def _errors(networks: list[tuple[NetworkSizes, int]], costs: TableCosts) -> list[float]:
    return [abs(luts_of(sizes, costs) / lut - 1) for sizes, lut in networks]


def _spread(errors: list[float]) -> tuple[float, float, float]:
    """Median, 90 % and largest, in per cent."""
    points = 100 * np.quantile(errors, (0.5, 0.9, 1.0))
    return float(points[0]), float(points[1]), float(points[2])


def _of(rows: list[dict[str, Any]], pair: str, *, merge: bool) -> list[dict[str, Any]]:
    chosen = [row for row in rows if row["pair"] == pair and row["merged"] == merge]
    return sorted(chosen, key=lambda row: int(row["number"]))


def stored_sizes(stored: dict[str, Any]) -> NetworkSizes:
    """Sizes as :func:`dataclasses.asdict` and JSON keep them."""
    edges = tuple(
        EdgeSizes(tuple(edge["output"]), edge["address_bits"], edge["output_bits"])
        for edge in stored["edges"]
    )
    return NetworkSizes(edges, stored["saturated_bits"])


if __name__ == "__main__":
    sys.exit(main())
