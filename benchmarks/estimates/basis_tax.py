"""The basis-evaluation tax: what bases cost in hardware, over bits, variants and realisations.

    python -m benchmarks.estimates.basis_tax [--seeds 0 1 2] [--shape 4 8] [--weights 4]
        [--parts bits shapes synthesis] [--out FOLDER]

The tax of a layer is (a) the share of its LUTs, energy and clocks that makes values of codes: the
tables and evaluators of bases. Products weight and add these, the rest brings sums to codes. And it
is (b) what the layer costs over a linear layer of equal shape and bits: codes times constant
weights, or the same in edge tables.

Codes in and out have 2 to 12 bits, basis values 1 to 14: entries of edge tables, of tables of bases
and base activations, of shapes of a codebook, values of an evaluator. Networks are untrained, their
weights and inputs random by seed: accuracy is not the question here. The first seed has all bits,
the others 4 and 8 of each. Figures are those of ``kanhw.estimate(..., grade="model")``
for xcup, parts those of its records (``LayerCore.own_parts``, ``FoldedSums.source_costs``). Folded,
an edge takes a clock.

Tables are printed; --out gets basis-tax.csv with every point, and basis-tax.svg. The part "shapes"
has other sizes and bits of weights, "synthesis" Yosys' LUTs beside the model's for some points.
"""

from __future__ import annotations

import csv
import io
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import kanhw
from benchmarks.common.measuring import Table, argument_parser, environment_line
from benchmarks.common.plots import choice_maps
from benchmarks.estimates.layer_tax import REACH, REALISATIONS, TARGET, Bits, Networks
from benchmarks.estimates.tax_points import SCHEDULES, Point, Refused, Sweep, winner
from kanhw.errors import InputError
from kanhw.estimation import yosys_version
from kanhw.places import write_whole

CODES, BASIS = tuple(range(2, 13)), tuple(range(1, 15))
SHOWN = (2, 4, 8, 14)
# Of every seed.
SPREAD = tuple((codes, basis) for codes in (4, 8) for basis in (4, 8))
LETTERS = {"edge_table": "E", "basis_table": "B", "codebook": "C", "spline_evaluator": "S"}
WITH_BLOCKS = " with DSP or block RAM"
BLOCKS = ("DSP", "block RAM")
FIGURES = {"lut": "LUTs", "energy": "energy"}
# Code and basis bits that are synthesised.
CHECKED = ((4, 4), (8, 8))
# Code bits, inputs, outputs and weight bits: what changes first, then at wider codes.
SHAPES = (
    *((6, 4, 2, 4), (6, 4, 8, 4), (6, 4, 32, 4), (6, 16, 8, 4), (6, 4, 8, 2), (6, 4, 8, 8)),
    *((10, 4, 2, 4), (10, 4, 8, 4), (10, 4, 32, 4)),
)

# Variant, realisation, schedule, code and basis bits, seed.
Key = tuple[str, str, str, int, int, int]
Figure = Callable[[Point], float | None]


@dataclass
class Results:
    """All points by what they are, and why others are not.

    Parameters
    ----------
    seeds
        The first has all bits.
    """

    seeds: Sequence[int]
    points: dict[Key, Point] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)

    def add(self, variant: str, realisation: str, sweep: Sweep) -> None:
        """Measure a variant as a realisation, with the seed of the sweep."""
        seed = sweep.networks.seed
        first = seed == self.seeds[0]
        grid = [(c, b) for c in CODES for b in BASIS]
        if not first:
            grid = list(SPREAD)
        for bits, found in sweep.points(variant, realisation, grid):
            if isinstance(found, Refused):
                why = f"{variant} as {realisation}: {found.why}"
                self.refused[why] = self.refused.get(why, 0) + 1
                continue
            for schedule, point in found.items():
                key = variant, realisation, schedule, bits.codes, bits.basis, seed
                self.points[key] = point

    def get(
        self, variant: str, realisation: str, schedule: str, codes: int, basis: int
    ) -> Point | None:
        """Of the first seed."""
        key = variant, realisation, schedule, codes, basis, self.seeds[0]
        return self.points.get(key)

    def has(self, variant: str, realisation: str) -> bool:
        """Whether there is any such point."""
        return any(key[:2] == (variant, realisation) for key in self.points)

    def winner(self, variant: str, codes: int, basis: int, figure: str) -> str | None:
        """The unrolled realisation that takes least of a figure."""
        found = {
            name: point
            for name in REALISATIONS
            if (point := self.get(variant, name, "unrolled", codes, basis)) is not None
        }
        least = winner(found, figure)
        return f"{least}{WITH_BLOCKS}" if least and found[least].blocks else least

    def deviation(self, variant: str, realisation: str, figure: Figure) -> float | None:
        """The largest distance of a seed from the mean of all, in percent of it, unrolled.

        None where the figure is not known of any point.
        """
        worst: float | None = None
        for codes, basis in SPREAD:
            keys = [(variant, realisation, "unrolled", codes, basis, seed) for seed in self.seeds]
            values = [figure(self.points[key]) for key in keys if key in self.points]
            known = [value for value in values if value is not None]
            mean = sum(known) / len(known) if known else 0.0
            if mean:
                worst = max(worst or 0.0, *(100 * abs(value / mean - 1) for value in known))
        return worst


def shown(values: Iterable[float | None], form: str) -> str:
    """Figures side by side, ``-`` for what is not known or does not exist."""
    return " / ".join("-" if value is None else f"{value:{form}}" for value in values)


def tabulate(results: Results, variant: str, realisation: str, schedule: str) -> None:
    """A table of a variant as a realisation: a row for every number of code bits."""
    across = "/".join(map(str, SHOWN))
    print(f"\n{variant}, {realisation}, {schedule}; basis bits {across} side by side\n")
    columns: dict[str, tuple[Figure, str]] = {
        "LUT": (lambda p: p.whole.lut, ".0f"),
        "bases, % of LUT": (lambda p: p.luts.tax, ".0f"),
        "x linear": (lambda p: p.over_luts, ".2f"),
        "energy, pJ": (lambda p: p.energy_pj, ".0f"),
        "bases, % of energy": (lambda p: p.energies.tax, ".0f"),
        "x linear energy": (lambda p: p.over_energy, ".2f"),
        "DSP": (lambda p: p.whole.dsp, ".0f"),
        "block RAM": (lambda p: p.whole.bram, ".0f"),
        "interval": (lambda p: p.interval if p.interval > 1 else None, ".0f"),
        "latency": (lambda p: p.latency, ".0f"),
        "of bases": (lambda p: p.basis_clocks, ".0f"),
        "more than linear": (lambda p: p.more_clocks, ".0f"),
        "x linear edge tables": (_over_tables, ".2f"),
    }
    rows = {
        codes: [results.get(variant, realisation, schedule, codes, basis) for basis in SHOWN]
        for codes in CODES
    }
    every = [point for points in rows.values() for point in points if point is not None]
    # A column that is not known of any point is left out, and so are blocks that nobody takes.
    kept = {
        name: column
        for name, column in columns.items()
        if {column[0](p) for p in every} - {None, *((0,) if name in BLOCKS else ())}
    }
    cells = [
        [
            shown((None if point is None else figure(point) for point in points), form)
            for figure, form in kept.values()
        ]
        for points in rows.values()
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    table = Table(("codes", *kept), (5, *widths))
    for codes, texts in zip(rows, cells, strict=True):
        table.add(codes, *texts)


def _over_tables(point: Point) -> float | None:
    return None if point.tabulated is None else point.whole.lut / point.tabulated.whole.lut


def tabulate_linear(sweep: Sweep) -> None:
    """What everything is compared with."""
    print("\nThe linear layer, codes times weights; and its products in edge tables, unrolled\n")
    table = Table(
        (
            *("codes", "LUT", "products", "rest", "energy, pJ", "latency"),
            *("folded LUT", "DSP", "interval", "latency"),
            f"edge tables of {'/'.join(map(str, SHOWN[:-1]))} bits, LUT",
        )
    )
    for codes in CODES:
        one, folded = (sweep.linear(schedule, codes) for schedule in SCHEDULES)
        tables = [sweep.tabulated("unrolled", codes, basis) for basis in SHOWN[:-1]]
        table.add(
            *(
                codes,
                one.whole.lut,
                shown((one.luts.products,), ".0f"),
            ),
            *(shown((one.luts.rest,), ".0f"), shown((one.energy_pj,), ".0f"), one.latency),
            *(folded.whole.lut, folded.whole.dsp, folded.interval, folded.latency),
            shown((each.whole.lut for each in tables), ".0f"),
        )


def tabulate_winners(results: Results) -> None:
    """Which realisation takes least, unrolled."""
    letters = ", ".join(f"{letter} {name}" for name, letter in LETTERS.items())
    letters += f", +{WITH_BLOCKS}, - not known"
    across = "/".join(map(str, SHOWN))
    for figure, name in FIGURES.items():
        print(f"\nLeast {name}, unrolled, basis bits {across} side by side: {letters}\n")
        table = Table(("codes", *REACH), (5, 12, 12, 12, 12))
        for codes in CODES:
            cells = [
                " ".join(
                    _letter(won)
                    for won in (results.winner(variant, codes, basis, figure) for basis in SHOWN)
                )
                for variant in REACH
            ]
            table.add(codes, *cells)


def _letter(won: str | None) -> str:
    if won is None:
        return "-"
    name, blocks, _ = won.partition(WITH_BLOCKS)
    return LETTERS[name] + ("+" if blocks else "")


def tabulate_spread(results: Results) -> None:
    """How far seeds are from their mean."""
    seeds = ", ".join(map(str, results.seeds))
    print(
        f"\nLargest distance of a seed ({seeds}) from the mean, % of it, unrolled, codes and basis "
        "values of 4 and 8 bits\n"
    )
    table = Table(("network", "realisation", "LUT", "x linear", "bases' share", "energy"), (12, 16))
    figures: list[Figure] = [
        lambda p: p.whole.lut,
        lambda p: p.over_luts,
        lambda p: p.luts.tax,
        lambda p: p.energy_pj,
    ]
    for variant, realisation in _every():
        if results.has(variant, realisation):
            worst = [results.deviation(variant, realisation, figure) for figure in figures]
            table.add(variant, realisation, *(shown((each,), ".1f") for each in worst))


def tabulate_shapes(options: Namespace) -> None:
    """What else moves the tax: outputs that share an input's bases, inputs, bits of weights."""
    print("\nEfficientKAN, 8-bit basis values, unrolled\n")
    table = Table(
        (
            *("codes", "inputs", "outputs", "weight bits", "realisation"),
            *("LUT", "bases, % of LUT", "x linear"),
        ),
        (5, 6, 7, 11, 26),
    )
    for codes, n_in, n_out, weights in SHAPES:
        sweep = Sweep(Networks(n_in, n_out, options.seeds[0]), weights)
        for realisation in REALISATIONS:
            ((_, found),) = sweep.points("EfficientKAN", realisation, [(codes, 8)])
            if isinstance(found, Refused):
                raise InputError(f"{realisation}: {found.why}")
            point = found["unrolled"]
            name = realisation + (", DSP or BRAM" if point.blocks else "")
            tax = shown((point.luts.tax,), ".0f")
            figures = point.whole.lut, tax, f"{point.over_luts:.2f}"
            table.add(codes, n_in, n_out, weights, name, *figures)


def synthesised(options: Namespace) -> None:
    """Yosys' LUTs beside the model's."""
    print(f"\n{yosys_version()}")
    networks = Networks(*options.shape, options.seeds[0])
    print("\nLUTs of the model and of Yosys, unrolled, EfficientKAN\n")
    table = Table(("codes", "basis", "layer", "model", "Yosys", "model / Yosys"), (5, 5, 16))
    model = networks.kan("EfficientKAN")
    for codes, basis in CHECKED:
        bits = Bits(codes, basis, options.weights)
        programs = {"linear": networks.linear_program(bits)}
        for realisation in REALISATIONS:
            programs[realisation] = networks.kan_program(model, "EfficientKAN", realisation, bits)
        for name, program in programs.items():
            luts = [
                kanhw.estimate(program, TARGET, SCHEDULES["unrolled"], grade=grade).lut
                for grade in ("model", "synthesis")
            ]
            if luts[0] is None or luts[1] is None:
                raise InputError(f"{name}: Yosys counted no LUTs")
            table.add(codes, basis, name, *luts, f"{luts[0] / luts[1]:.2f}")


def csv_of(results: Results) -> str:
    """Every point with all its figures; empty where there is none."""
    columns: Mapping[str, Figure] = {
        "lut": lambda p: p.whole.lut,
        "lut_basis": lambda p: p.luts.basis,
        "lut_products": lambda p: p.luts.products,
        "lut_rest": lambda p: p.luts.rest,
        "ff": lambda p: p.whole.ff,
        "dsp": lambda p: p.whole.dsp,
        "bram": lambda p: p.whole.bram,
        "energy_pj": lambda p: p.energy_pj,
        "energy_at_least_pj": lambda p: p.known_pj,
        "energy_basis": lambda p: p.energies.basis,
        "energy_products": lambda p: p.energies.products,
        "energy_rest": lambda p: p.energies.rest,
        "latency": lambda p: p.latency,
        "source_clocks": lambda p: p.source_clocks,
        "interval": lambda p: p.interval,
        "lut_over_linear": lambda p: p.over_luts,
        "energy_over_linear": lambda p: p.over_energy,
        "lut_over_linear_edge_tables": _over_tables,
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = ("variant", "realisation", "schedule", "codes", "basis", "seed")
    writer.writerow([*names, *columns])
    for key, point in sorted(results.points.items()):
        values = [figure(point) for figure in columns.values()]
        writer.writerow([*key, *("" if value is None else f"{value:.6g}" for value in values)])
    return text.getvalue()


def draw(results: Results, path: Path) -> Path:
    """Where each realisation takes least, unrolled."""
    panels = {
        f"{variant}, least {name}": [
            [results.winner(variant, codes, basis, figure) for basis in BASIS] for codes in CODES
        ]
        for figure, name in FIGURES.items()
        for variant in REACH
    }
    won = {name for rows in panels.values() for row in rows for name in row}
    every = [name + more for name in REALISATIONS for more in ("", WITH_BLOCKS)]
    choices = [name for name in every if name in won]
    return choice_maps(panels, choices, CODES, BASIS, path, "basis bits", "code bits", len(REACH))


def _every() -> list[tuple[str, str]]:
    return [(variant, realisation) for variant in REACH for realisation in REALISATIONS]


def tabulate_bits(options: Namespace) -> None:
    """The tables of every variant and realisation over bits, and the files."""
    results = Results(options.seeds)
    sweeps = [Sweep(Networks(*options.shape, seed), options.weights) for seed in options.seeds]
    tabulate_linear(sweeps[0])
    for variant, realisation in _every():
        for sweep in sweeps:
            results.add(variant, realisation, sweep)
        if results.has(variant, realisation):
            for schedule in SCHEDULES:
                tabulate(results, variant, realisation, schedule)
    tabulate_winners(results)
    tabulate_spread(results)
    print("\nLeft out:")
    for why, count in results.refused.items():
        print(f"- {count} points: {why}")
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        write_whole(options.out / "basis-tax.csv", csv_of(results))
        draw(results, options.out / "basis-tax.svg")


PARTS: Mapping[str, Callable[[Namespace], None]] = {
    "bits": tabulate_bits,
    "shapes": tabulate_shapes,
    "synthesis": synthesised,
}


def main() -> int:
    """Run and print."""
    parser = argument_parser(__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=["bits", "shapes"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--shape", nargs=2, type=int, default=[4, 8], metavar=("IN", "OUT"))
    parser.add_argument("--weights", type=int, default=4, help="bits")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="for a CSV file and a plot")
    options = parser.parse_args()
    print(environment_line())
    n_in, n_out = options.shape
    print(f"{n_in} inputs, {n_out} outputs, weights of {options.weights} bits, {TARGET}")
    for part in options.parts:
        PARTS[part](options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
