"""The best figure over two choices: a table, CSV, and a map in greys."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kanhw.exploration.answers.exploration import Exploration
from kanhw.exploration.answers.plots import has_matplotlib, map_of
from kanhw.exploration.answers.rated import Rated
from kanhw.exploration.space.configuration import Value
from kanhw.exploration.space.defaults import SURFACES
from kanhw.exploration.study.objectives import Objective
from kanhw.places import write_whole

__all__ = ["Surface", "surfaces_of", "write_surfaces"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Surface:
    """The best figure of all points with two choices.

    Parameters
    ----------
    name
        What the points have in common: their realisation.
    objective
        Whose best figure.
    down, across
        Names of the choices.
    rows, columns
        Their values.
    best
        The best point for every pair; pairs that no point has, or none within the limits, are
        absent.
    """

    name: str
    objective: Objective
    down: str
    across: str
    rows: tuple[Value, ...]
    columns: tuple[Value, ...]
    best: dict[tuple[Value, Value], Rated]

    def figure(self, row: Value, column: Value) -> float | None:
        """The best figure of a pair; None where there is none."""
        rated = self.best.get((row, column))
        return None if rated is None else rated.figures.get(self.objective.name)

    def text(self) -> str:
        """The surface as a table."""
        head = [f"{self.down} \\ {self.across}", *map(str, self.columns)]
        rows = [
            [str(row), *(self.objective.text(self.figure(row, own)) for own in self.columns)]
            for row in self.rows
        ]
        widths = [max(len(line[place]) for line in (head, *rows)) for place in range(len(head))]
        lines = [
            "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
            for line in (head, *rows)
        ]
        return "\n".join([f"{self.name}: best {self.objective.title}", *lines])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "realisation": self.name,
            "objective": self.objective.name,
            "down": self.down,
            "across": self.across,
            "rows": list(self.rows),
            "columns": list(self.columns),
            "figures": [[self.figure(row, own) for own in self.columns] for row in self.rows],
        }


def surfaces_of(found: Exploration, sweep: str) -> list[Surface]:
    """The surfaces that a sweep is about, by the first objective."""
    made = (_surface(found, *surface) for surface in SURFACES[sweep])
    return [surface for surface in made if surface.best]


def _surface(found: Exploration, name: str, down: str, across: str) -> Surface:
    objective = found.objectives[0]
    best: dict[tuple[Value, Value], Rated] = {}
    for each in found.points:
        chosen = each.point.configuration
        row, column = chosen.value(down), chosen.value(across)
        # The codes behind the inputs have as many bits, and tables are what they are of.
        swept = chosen.value("realisation") == name and chosen.value("activation_bits") == row
        figure = each.figures.get(objective.name)
        if not (swept and each.kept) or row is None or column is None or figure is None:
            continue
        other = best.get((row, column))
        before = None if other is None else other.figures.get(objective.name)
        if before is None or objective.loss(figure) < objective.loss(before):
            best[row, column] = each
    rows, columns = (_sorted({pair[place] for pair in best}) for place in range(2))
    return Surface(
        name=name,
        objective=objective,
        down=down,
        across=across,
        rows=rows,
        columns=columns,
        best=best,
    )


def _sorted(values: set[Value]) -> tuple[Value, ...]:
    return tuple(sorted(values, key=lambda value: (str(type(value)), value)))


def write_surfaces(found: Exploration, surfaces: Sequence[Surface]) -> list[Path]:
    """Write surfaces as CSV, and as a map where matplotlib is installed."""
    written = []
    for surface in surfaces:
        stem = found.folder / f"surface-{surface.name}"
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow([f"{surface.down} \\ {surface.across}", *surface.columns])
        table = [[surface.figure(row, own) for own in surface.columns] for row in surface.rows]
        for row, figures in zip(surface.rows, table, strict=True):
            writer.writerow([row, *("" if value is None else repr(value) for value in figures)])
        written.append(write_whole(stem.with_suffix(".csv"), buffer.getvalue()))
        if not has_matplotlib():
            continue
        labels = (surface.rows, surface.columns), (surface.down, surface.across)
        for kind in ("svg", "png"):
            drawn = map_of(table, *labels, surface.objective, kind)
            written.append(write_whole(stem.with_suffix(f".{kind}"), drawn))
    return written
