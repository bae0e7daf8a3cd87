"""What the cost of training says of trained networks, against synthesis; and a fit to them.

    python -m benchmarks.fabric.trained_costs [FRONT...] [--train TASK ... --out DIR [--seeds 0 1]]
        [--pairs xcup/portable ...] [--random 10] [--least 20] [--at-most 1300] [--merged]
        [--keep ROWS.jsonl]

A FRONT is a folder of a training for the fabric. With --train networks are trained for every pair
of target and fabric under its own cost, in folders of DIR; those that are there are not trained
again. --random adds as many random networks of few inputs, and of many with narrow tables. All are
generated as cores (two adder levels between registers, without handshake but where images come
pixel by pixel) and synthesised by the smaller recipe of the pair.

Printed are, for networks of 150 LUTs and more and for smaller ones, front by front, ratios to
synthesis: of what they are told to cost (:mod:`kanhw.estimation.told`), and how many are more than
10 % off, 15 % of the smaller ones; of the same by weights that were fitted to all *other* fronts;
of the factors that are trained under (:mod:`kanhw.targets.table_costs`), for the sizes that
hardware has; and of factors fitted to others, in which random networks count less. Last come fits
to all: weights to trained networks, factors to random ones as well. Images have no sizes and take
no part in fits. With --merged all are synthesised once more with merged tables, and it is told what
that saves, and how far off what they are told to cost is; --merge-tables trains networks that know
of merging. Rows of --keep are not made again.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import kanhw
from benchmarks.common.kept import keep_rows, kept_rows
from benchmarks.common.measuring import Table, argument_parser, environment_line
from benchmarks.fabric.cost_fit import stored_sizes, structure_of
from benchmarks.fabric.formula import fitted, luts_of
from benchmarks.fabric.front import load
from benchmarks.fabric.random_networks import random_network, wide_network
from benchmarks.fabric.sizes import NetworkSizes, sizes_of
from benchmarks.fabric.synthesis import synthesise
from benchmarks.fabric.told_fit import fitted_weights
from kanhw.estimation import yosys_version
from kanhw.estimation.resource_model import luts_of as luts_of_parts
from kanhw.estimation.told import parts_of, told_schedule
from kanhw.gateware import generate_verilog
from kanhw.program import Program, load_program
from kanhw.targets.table import network_model_of
from kanhw.targets.table_costs import TABLE_COSTS, TableCosts, table_costs_of
from kanhw.targets.target import PartWeights

# Designs in a run of Yosys.
BATCH = 10
# Data, shape and settings of what is trained: shorter than what results are reported of.
TASKS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "moons": ("moons", "2-2-1", {"epochs": 800}),
    "wine": ("wine", "13-2-3", {"epochs": 1500, "folds": 5, "jitter": 0.3}),
    "dry_bean": ("dry_bean", "16-3-7", {"epochs": 300}),
    "digits": ("digits", "64-10-10", {"epochs": 600, "folds": 5, "jitter": 0.5}),
    "digits_image": (
        "digits",
        "1x8x8-4@4x4s2-10",
        {"epochs": 400, "folds": 5, "jitter": 0.5},
    ),
    "digits_pooled": (
        "digits",
        "1x8x8-3@3x3-max2x2-10",
        {"epochs": 300, "folds": 5, "jitter": 0.5},
    ),
}
STARTS, SPACING = 2, 1.3
# Random networks, and what an error of one counts in a fit beside that of a trained one.
RANDOM: dict[str, tuple[Callable[[np.random.Generator], Program], float]] = {
    "random": (random_network, 0.4),
    "wide": (wide_network, 0.7),
}
# LUTs of small networks, and how far off the others may be told, and these.
SMALL, OFF = 150, (0.1, 0.15)
# Of random networks those that have so many edges: others take minutes, or nothing.
EDGES = range(5, 71)


def main() -> int:
    """Train and synthesise what is missing; print errors and fits."""
    parser = argument_parser(__doc__)
    pairs = ["/".join(pair) for pair in TABLE_COSTS]
    parser.add_argument("fronts", type=Path, nargs="*", metavar="FRONT")
    parser.add_argument("--train", nargs="+", choices=tuple(TASKS), default=[])
    parser.add_argument("--out", type=Path, metavar="DIR", help="where fronts are trained")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--random", type=int, default=0, metavar="N", help="networks of each kind")
    parser.add_argument("--pairs", nargs="+", choices=pairs, default=pairs)
    parser.add_argument("--least", type=float, default=20, help="the least modelled cost")
    parser.add_argument("--at-most", type=float, default=1300, help="the largest modelled cost")
    parser.add_argument("--merged", action="store_true", help="once more with merged tables")
    parser.add_argument("--merge-tables", action="store_true", help="trainings know of merging")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="where rows are kept")
    options = parser.parse_args()
    if options.train and options.out is None:
        parser.error("--train needs --out")
    print(environment_line(yosys_version()) + "\n")
    rows = kept_rows(options.keep)
    for pair in options.pairs:
        own = [
            trained(pair, task, options.seeds, options.out, merge_tables=options.merge_tables)
            for task in options.train
        ]
        for front in (*options.fronts, *own):
            files = chosen(front, options.least, options.at_most)
            programs = {file: load_program(Path(file)) for file in files}
            for merged in (False, True) if options.merged else (False,):
                rows += _missing(pair, front.name, programs, rows, options.keep, merged)
        for kind in RANDOM if options.random else ():
            programs = dict(random_programs(kind, options.random))
            rows += _missing(pair, kind, programs, rows, options.keep)
    for pair in options.pairs:
        print_pair(pair, [row for row in rows if row["pair"] == pair and not row["merged"]])
    if options.merged:
        print_merged(rows, options.pairs)
    return 0


def trained(
    pair: str, task: str, seeds: list[int], out: Path, *, merge_tables: bool = False
) -> Path:
    """The front of a task under the cost of a pair."""
    target, fabric = pair.split("/")
    folder = out / f"{target}-{fabric}" / (f"{task}-merged" if merge_tables else task)
    if not (folder / "front.json").exists():
        dataset, shape, settings = TASKS[task]
        given = load(dataset, Path())
        folder.parent.mkdir(parents=True, exist_ok=True)
        kanhw.train_for_fabric(
            shape,
            given.train_x,
            given.train_y,
            validation=(given.validation_x, given.validation_y),
            out=folder,
            seeds=seeds,
            starts=STARTS,
            spacing=SPACING,
            target=target,
            fabric=fabric,
            merge_tables=merge_tables,
            **settings,
        )
    return folder


def chosen(front: Path, least: float, most: float) -> list[str]:
    """Files of the points of a front that cost neither too little nor too much."""
    told = json.loads((front / "front.json").read_text(encoding="utf-8"))
    return [
        str(front / "points" / f"{point['name']}.safetensors")
        for point in told["points"]
        if least <= point["cost"] <= most
    ]


def random_programs(kind: str, count: int) -> Iterator[tuple[str, Program]]:
    """The first so many networks of a kind that are neither too small nor too large."""
    make, number = RANDOM[kind][0], 0
    while count:
        program = make(np.random.default_rng([1, number]))
        if len(sizes_of(program).edges) in EDGES:
            yield f"{kind} {number}", program
            count -= 1
        number += 1


def _missing(
    pair: str,
    front: str,
    programs: Mapping[str, Program],
    rows: list[dict[str, Any]],
    keep: Path | None,
    merged: bool = False,
) -> list[dict[str, Any]]:
    """Rows of networks that have none."""
    there = [row for row in rows if row["pair"] == pair and row["merged"] == merged]
    known = {row["network"] for row in there}
    names, found = [name for name in programs if name not in known], []
    for start in range(0, len(names), BATCH):
        batch = names[start : start + BATCH]
        luts = synthesised(pair, [programs[name] for name in batch], merged=merged)
        new = [
            {
                "pair": pair,
                "network": name,
                "front": front,
                "merged": merged,
                "lut": lut,
                "parts": dict(parts_of(programs[name], *pair.split("/"), merged=merged)),
                "sizes": None if _is_image(programs[name]) else asdict(sizes_of(programs[name])),
            }
            for name, lut in zip(batch, luts, strict=True)
        ]
        keep_rows(keep, new)
        found += new
    return found


def synthesised(pair: str, programs: list[Program], *, merged: bool) -> list[int]:
    """LUTs of each."""
    target, fabric = pair.split("/")
    schedules = [told_schedule(own, fabric, target if merged else None) for own in programs]
    designs = {
        f"n{k}": generate_verilog(program, schedule, name=f"n{k}").text
        for k, (program, schedule) in enumerate(zip(programs, schedules, strict=True))
    }
    found = synthesise(designs, target)
    return [found[name].lut for name in designs]


def _is_image(program: Program) -> bool:
    return any(layer.window is not None for layer in program.layers)


def print_pair(pair: str, rows: list[dict[str, Any]]) -> None:
    """Errors by size and front, of what is told and of factors, and of both fitted to others."""
    rows = [row for row in rows if row["lut"]]
    if not rows:
        return
    target, fabric = pair.split("/")
    weights, factors = network_model_of(target).weights, table_costs_of(target, fabric)
    structure = structure_of(target, fabric)
    print(f"{pair}: told and modelled over synthesised")
    head = ("of LUT", "front", "networks", "LUT", "told", "off", "told, fitted to others")
    table = Table((*head, "factors", "fitted to others"), (8, 14, 8, 10, 17, 4, 22, 17, 17))
    fronts = list(dict.fromkeys(row["front"] for row in rows))
    every: dict[bool, list[dict[str, Any]]] = {}
    for front in fronts:
        here, others = ([r for r in rows if (r["front"] == front) == own] for own in (True, False))
        sized = [row for row in others if row["sizes"] is not None]
        blind = _fit(sized, structure) if sized else None
        # Of ultrascale+ what is fitted is hardly there: cells are counted.
        known = _fit_weights(others, target) if fabric == "portable" else None
        for small in (False, True):
            own = [row for row in here if (row["lut"] < SMALL) == small]
            if not own:
                continue
            told = _told(own, weights)
            if front not in RANDOM:
                every.setdefault(small, []).extend(own)
            table.add(
                _size(small),
                front,
                len(own),
                f"{min(row['lut'] for row in own)}-{max(row['lut'] for row in own)}",
                spread(told),
                off(told, small=small),
                spread(_told(own, known) if known else []),
                spread(_ratios(own, factors)),
                spread(_ratios(own, blind) if blind else []),
            )
    for small, own in sorted(every.items()):
        told, known_by = _told(own, weights), spread(_ratios(own, factors))
        missed = off(told, small=small)
        table.add(
            *(_size(small), "all trained", len(own), ""), spread(told), missed, "", known_by, ""
        )
    if fabric == "portable":
        print(_fit_weights(rows, target))
    if any(row["sizes"] is not None for row in rows):
        print(_fit([row for row in rows if row["sizes"] is not None], structure))
    print(flush=True)


def _size(small: bool) -> str:
    return f"below {SMALL}" if small else f"{SMALL} on"


def off(ratios: list[float], *, small: bool) -> int:
    """How many networks are told too far off."""
    return sum(abs(ratio - 1) > OFF[small] for ratio in ratios)


def _told(rows: list[dict[str, Any]], weights: PartWeights) -> list[float]:
    return [luts_of_parts(Counter(row["parts"]), weights) / row["lut"] for row in rows]


def _fit_weights(rows: list[dict[str, Any]], target: str) -> PartWeights | None:
    """Of trained networks of vectors; None where there are none."""
    own = [row for row in rows if row["front"] not in RANDOM and row["sizes"] is not None]
    return fitted_weights([(row["parts"], row["lut"]) for row in own], target) if own else None


def print_merged(rows: list[dict[str, Any]], pairs: list[str]) -> None:
    """What merging saves, front by front; and what is told of merged tables, over synthesised."""
    table = Table(
        ("pair", "front", "networks", "LUT", "merged", "saved %", "of single ones", "told"),
        (17, 16, 8, 7, 7, 7, 18, 17),
    )
    for pair in pairs:
        own = [row for row in rows if row["pair"] == pair]
        weights = network_model_of(pair.split("/")[0]).weights
        apart = {row["network"]: row for row in own if not row["merged"]}
        both = [(apart[row["network"]], row) for row in own if row["merged"]]
        for front in dict.fromkeys(row["front"] for row, _ in both):
            here = [(a, b) for a, b in both if a["front"] == front]
            luts = [(a["lut"], b["lut"]) for a, b in here]
            before, after = map(sum, zip(*luts, strict=True))
            saved = [100 * (1 - b / a) for a, b in luts]
            table.add(
                pair,
                front,
                len(luts),
                before,
                after,
                f"{100 * (1 - after / before):.1f}",
                f"{min(saved):.1f} to {max(saved):.1f}",
                spread(_told([b for _, b in here], weights)),
            )


def spread(ratios: list[float]) -> str:
    """The mean, the lowest and the highest."""
    if not ratios:
        return "-"
    return f"{np.mean(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


def _fit(rows: list[dict[str, Any]], structure: TableCosts) -> TableCosts:
    weights = [RANDOM[row["front"]][1] if row["front"] in RANDOM else 1.0 for row in rows]
    return fitted([_network(row) for row in rows], structure, weights)


def _ratios(rows: list[dict[str, Any]], costs: TableCosts) -> list[float]:
    sized = [row for row in rows if row["sizes"] is not None]
    return [luts_of(sizes, costs) / lut for sizes, lut in map(_network, sized)]


def _network(row: dict[str, Any]) -> tuple[NetworkSizes, int]:
    return stored_sizes(row["sizes"]), int(row["lut"])


if __name__ == "__main__":
    sys.exit(main())
