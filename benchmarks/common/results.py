"""Tables of results: printed while they grow, kept as Markdown and CSV beside the scripts."""

from __future__ import annotations

import argparse
import csv
import io
import math
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.measuring import Table, argument_parser, environment_line
from kanhw.places import write_whole

__all__ = [
    "DATASETS",
    "RESULTS",
    "SEEDS",
    "Average",
    "ResultTable",
    "average",
    "command_line",
    "read_rows",
    "table_parser",
    "tabulate_datasets",
]

RESULTS = Path(__file__).parents[1] / "quantization" / "results"
SEEDS = (0, 1, 2)
DATASETS = ("digits", "dry_bean")


def table_parser(
    doc: str | None, *, seeds: Sequence[int] = (), datasets: Sequence[str] = ()
) -> argparse.ArgumentParser:
    """A parser of ``--out``, and of ``--seeds`` and ``--datasets`` where there are any.

    Parameters
    ----------
    doc
        What describes the script in its first line.
    seeds, datasets
        Those that are taken by default; none: there is no such argument.
    """
    parser = argument_parser(doc)
    if datasets:
        parser.add_argument("--datasets", nargs="+", default=list(datasets))
    if seeds:
        parser.add_argument("--seeds", nargs="+", type=int, default=list(seeds))
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser


def tabulate_datasets(doc: str | None, tabulate: Callable[[str, list[int], Path], None]) -> None:
    """Run a script that makes a table of every data set, with seeds."""
    options = table_parser(doc, seeds=SEEDS, datasets=DATASETS).parse_args()
    for dataset in options.datasets:
        tabulate(dataset, options.seeds, options.out)


@dataclass(frozen=True)
class Average:
    """Mean and sample standard deviation of figures that differ in their seed only.

    As text both have two decimals, and one figure alone has no deviation: ``97.11 ± 0.20``,
    ``97.11``.
    """

    mean: float
    deviation: float
    count: int

    def __str__(self) -> str:
        if self.count == 1:
            return f"{self.mean:.2f}"
        return f"{self.mean:.2f} ± {self.deviation:.2f}"


def average(figures: Iterable[float]) -> Average:
    """Mean and sample standard deviation (divided by count - 1); NaN of a single figure."""
    values = [float(figure) for figure in figures]
    if not values:
        raise ValueError("There is nothing to average: pass at least one figure")
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return Average(mean, math.nan, 1)
    squares = math.fsum((value - mean) ** 2 for value in values)
    return Average(mean, math.sqrt(squares / (len(values) - 1)), len(values))


Cell = str | int | float | Average


class ResultTable:
    """Rows that are printed as they come and written in the end.

    Floats are shown with two decimals; the CSV file has all their digits, and of an
    :class:`Average` what the table shows.

    Parameters
    ----------
    name
        Of the files, without their endings.
    columns
        Headings, with units.
    note
        What was measured and how; stands above the table in Markdown.
    widths
        Least width of each printed column, 0 for the heading's.
    tools
        Versions that belong into the environment line besides Python's, numpy's and kanhw's.
    """

    def __init__(
        self,
        name: str,
        columns: Sequence[str],
        note: str = "",
        widths: Sequence[int] = (),
        tools: Sequence[str] = (),
    ) -> None:
        self.name, self.columns, self.note = name, list(columns), note
        self.rows: list[list[Cell]] = []
        self._environment = environment_line(*tools)
        given = list(widths) + [0] * (len(self.columns) - len(widths))
        self._widths = [max(len(a), b) for a, b in zip(self.columns, given, strict=True)]
        print(f"{self._environment}\n\n{note}\n" if note else f"{self._environment}\n")
        self._printed = Table(self.columns, self._widths)

    def add(self, *cells: Cell) -> None:
        """Append a row and print it."""
        if len(cells) != len(self.columns):
            raise ValueError(
                f"{self.name} has {len(self.columns)} columns, but the row {cells} has {len(cells)}"
            )
        self.rows.append(list(cells))
        self._printed.add(*_aligned(cells, self._widths))

    def markdown(self) -> str:
        """The note, the command, the environment and the table, as the file holds them."""
        rows: list[list[Cell]] = [[*self.columns], *self.rows]
        texts = [[_shown(cell) for cell in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        lines = [_aligned(row, widths) for row in rows]
        table = [f"| {' | '.join(line)} |" for line in lines]
        table.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        parts = [self.note, f"    {command_line()}", self._environment, "\n".join(table)]
        return "\n\n".join(part for part in parts if part) + "\n"

    def csv(self) -> str:
        """The headings and rows, numbers with all their digits."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(self.rows)
        return text.getvalue()

    def write(self, folder: Path | None = None) -> tuple[Path, Path]:
        """Write NAME.md and NAME.csv, each as a whole; None is the folder ``results`` here."""
        folder = folder or RESULTS
        folder.mkdir(parents=True, exist_ok=True)
        return (
            write_whole(folder / f"{self.name}.md", self.markdown()),
            write_whole(folder / f"{self.name}.csv", self.csv()),
        )


def read_rows(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file that a table wrote, each by its headings."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def command_line() -> str:
    """The command that runs, as typed in the repository.

    ``--out`` is left out: it says where results go, not what they are, and names a place on one
    machine.
    """
    script, *given = sys.argv
    repository, path = Path(__file__).resolve().parents[2], Path(script).resolve()
    run = [script]
    if path.is_relative_to(repository):
        run = ["-m", ".".join(path.relative_to(repository).with_suffix("").parts)]
    kept: list[str] = []
    skipping = False
    for argument in given:
        if not skipping and not argument.startswith("--out="):
            skipping = argument == "--out"
            if not skipping:
                kept.append(argument)
        else:
            skipping = False
    return shlex.join(["python", *run, *kept])


def _shown(cell: Cell) -> str:
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)


def _aligned(cells: Sequence[Cell], widths: Sequence[int]) -> list[str]:
    """Texts of a row, numbers to the right as in :class:`measuring.Table`."""
    return [
        f"{_shown(cell):{'>' if isinstance(cell, int | float) else '<'}{width}}"
        for cell, width in zip(cells, widths, strict=True)
    ]
