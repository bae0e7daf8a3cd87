"""FuncCode's nine designs (Vivado HLS 2019.1) beside the HLS model.

    python -m benchmarks.hls.funccode [--json FILE]

First the operators with what each takes, then cycles, LUTs, flip-flops, multiplier blocks and block
RAMs of every design, reported (post-synthesis estimates on xczu9eg at 6.67 ns) and modelled. The
rules are read from the reports of these designs, so a second table leaves out: what stands around
operators is scaled by the mean of the other designs, or of the other families, whose own figures
are not used then.

Last the C++ of this package: the one report of such a network, KANELE's jets of 16-4-5 (84 tables
of 6-bit codes, Vitis HLS 2024.1 at 3 ns), beside the model of a random one of its sizes. Of the
other two reports of the references one has no sizes of its tables, the other trains its network.
"""

from __future__ import annotations

import sys
from collections import Counter
from math import exp, log
from typing import Any

import numpy as np

from benchmarks.common.measuring import (
    Table,
    argument_parser,
    environment_line,
    reference_folder,
    write_results,
)
from benchmarks.hls.funccode_designs import DESIGNS, WITHOUT, Facts, Published
from kanhw.formats import CodeFormat
from kanhw.hls import model_of, read_report
from kanhw.hls.costs.operators import Operator
from kanhw.hls.costs.work import Function, Taken
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer

FIGURES = ("cycles", "lut", "ff", "dsp", "bram18")


def modelled(function: Function) -> dict[str, int]:
    """The figures of a design by the model."""
    taken = function.taken()
    own = {"cycles": function.clocks, "lut": taken.lut, "ff": taken.ff}
    return {**own, "dsp": taken.dsp, "bram18": taken.bram18}


def error(value: float, reported: int) -> str:
    """In percent."""
    return f"{100 * (value / reported - 1):+.1f}"


def operators_of(function: Function) -> Counter[Operator]:
    """Instances of operators of a design."""
    return sum((own.instances() for own in function.functions()), Counter[Operator]())


def around(design: Published, taken: Taken) -> float:
    """What is reported around operators over what is modelled."""
    return (design.lut - taken.operators) / (taken.lut - taken.operators)


def left_out(design: Published, others: list[Published], facts: Facts) -> float:
    """LUTs of a design with what stands around operators scaled by the mean of others."""
    logs = [log(around(own, own.make(facts).taken())) for own in others]
    taken = design.make(facts).taken()
    factor = exp(sum(logs) / len(logs))
    return taken.operators + factor * (taken.lut - taken.operators)


def operator_costs() -> list[dict[str, Any]]:
    """Print every operator with its figures and the designs that have it."""
    found: dict[Operator, dict[str, int]] = {}
    for design in DESIGNS:
        for operator, count in operators_of(design.make(Facts())).items():
            if count:
                found.setdefault(operator, {})[design.name] = count
    table = Table(("operator", "LUT", "FF", "DSP", "clocks", "instances"), (24,))
    rows = []
    for own in sorted(found, key=lambda o: (not o.shared, -o.lut, o.name)):
        instances = ", ".join(f"{name} {count}" for name, count in found[own].items())
        table.add(own.name, own.lut, own.ff, own.dsp, own.latency, instances)
        rows.append({"operator": own.name, "lut": own.lut, "instances": found[own]})
    return rows


def jets() -> Program:
    """Random tables of 16-4-5, as the report of KANELE's has: codes of 6 bits, entries of 8."""
    rng, code = np.random.default_rng(0), CodeFormat(6, signed=True)
    layers: list[EdgeTableLayer] = []
    for n, m, form in ((16, 4, code), (4, 5, CodeFormat(8, signed=True))):
        tables = rng.integers(-128, 128, (m, n, 64))
        join = Requantizer(np.ones((1, m), np.int64), np.zeros(m, np.int64), format=form)
        layers.append(EdgeTableLayer(tables, (join,), f"layers.{len(layers)}"))
    return Program(tuple(layers), InputEncoder(code, 16))


def outside() -> dict[str, Any]:
    """Print a report of a network that neither rules nor factors come from."""
    path = reference_folder("peers/hls-reports") / "vitis-2024.1-kan-cernbox.xml"
    report, found = read_report(path), model_of(jets())
    print(f"\n{path.name} ({report.tool}, {report.part}), and the model of its sizes\n")
    table, rows = Table(("figure", "reported", "model", "error %")), {}
    for name in ("lut", "ff", "dsp", "bram18", "interval_max"):
        given, made = getattr(report, name), getattr(found, name)
        table.add(name, given, made, error(made, given) if given else "-")
        rows[name] = [given, made]
    return rows


def main() -> int:
    """Run and print."""
    options = argument_parser(__doc__, json_file=True).parse_args()
    print(environment_line() + "\n\noperators, and how many instances of each the model finds\n")
    operators, rows = operator_costs(), list[dict[str, Any]]()
    print("\nreported and modelled, and the error in %\n")
    heads = [text for name in FIGURES for text in (name, "model", "%")]
    table = Table(("design", *heads))
    for design in DESIGNS:
        figures = modelled(design.make(Facts()))
        cells: list[Any] = []
        for name in FIGURES:
            reported = getattr(design, name)
            cells += [f"{reported:,}", f"{figures[name]:,}", error(figures[name], reported)]
        table.add(design.name, *cells)
        rows.append({"design": design.name, "modelled": figures})
    print("\nLUTs and cycles left out, error in %\n")
    head = ("design", "LUT alone out", "LUT family out", "cycles family out")
    table = Table(head)
    for design, row in zip(DESIGNS, rows, strict=True):
        others = [own for own in DESIGNS if own is not design]
        families = [own for own in DESIGNS if own.name[0] != design.name[0]]
        facts = WITHOUT[design.name[0]]
        alone = left_out(design, others, Facts())
        family = left_out(design, families, facts)
        cycles = design.make(facts).clocks
        table.add(
            design.name,
            error(alone, design.lut),
            error(family, design.lut),
            error(cycles, design.cycles),
        )
        row |= {"lut_left_out": alone, "lut_family_out": family, "cycles_family_out": cycles}
    results = {"operators": operators, "designs": rows, "jets": outside()}
    write_results(options.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
