"""What unrolled edge tables take in LUTs: a formula of their sizes, fitted to synthesis.

    python -m benchmarks.fabric.cost_fit [--pairs xcup/portable ...] [--count 120] [--batch 20]
        [--json FILE] [--from FILE]

Random networks of the kind that learned widths give are generated as bare cores (2 adder levels
between registers) and synthesised as ``kanhw estimate`` does. The factors of
:mod:`kanhw.targets.table_costs` are fitted to two thirds of them; the error is that on the last
third. Printed are the factors that suit best, those that kanhw has, and the errors of both.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.measuring import Table, argument_parser, environment_line, write_results
from benchmarks.fabric.random_networks import random_network
from benchmarks.fabric.synthesis import synthesise
from kanhw.estimation import yosys_version
from kanhw.gateware import generate_verilog
from kanhw.schedule.schedule import Schedule
from kanhw.targets.table_costs import TABLE_COSTS, TableCosts

LEVELS = 2
FITTED = 2 / 3


def main() -> int:
    """Synthesise, fit, print."""
    parser = argument_parser(__doc__, json_file=True)
    pairs = ["/".join(pair) for pair in TABLE_COSTS]
    parser.add_argument("--pairs", nargs="+", choices=pairs, default=pairs)
    parser.add_argument("--count", type=int, default=120, help="networks of every pair")
    parser.add_argument("--batch", type=int, default=20, help="networks in a run of Yosys")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    return 0


def measured(
    pair: str, numbers: range, seed: int, *, recipe: str | None, merge: bool
) -> list[dict[str, Any]]:
    """The networks of some numbers, each with its sizes and what it takes."""
    target, fabric = pair.split("/")
    schedule = Schedule(
        adder_levels=LEVELS,
        handshake=False,
        fabric=fabric,
        merge_tables=target if merge else None,
    )
    networks = {f"n{k}": random_network(np.random.default_rng([seed, k])) for k in numbers}
    designs = {
        name: generate_verilog(network.program, schedule, name=name).text
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
            "sizes": asdict(network.sizes),
        }
        for number, (name, network) in zip(numbers, networks.items(), strict=True)
    ]


if __name__ == "__main__":
    sys.exit(main())
