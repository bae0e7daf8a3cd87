"""Points as rows: text for a terminal, CSV and JSON for whoever goes on with them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kanhw.exploration.answers.rated import Rated
from kanhw.exploration.space.configuration import HARDWARE, Value
from kanhw.exploration.study.objectives import OBJECTIVES, Objective

__all__ = ["Column", "columns_of", "csv_text", "figures_known", "text_table"]


@dataclass(frozen=True)
class Column:
    """A choice that differs among points.

    Parameters
    ----------
    names
        The fields; several that always have the same value.
    """

    names: tuple[str, ...]

    @property
    def title(self) -> str:
        """The names in one."""
        return " = ".join(self.names)

    def value(self, rated: Rated) -> Value | None:
        """What a point has; None where it has no single value of its own."""
        return rated.point.configuration.value(self.names[0])

    def text(self, rated: Rated) -> str:
        """The same as tables show it."""
        value = self.value(rated)
        return "-" if value is None else str(value)


def columns_of(points: Sequence[Rated]) -> list[Column]:
    """The choices that differ among points; those that differ alike in one column."""
    names = dict.fromkeys(
        name for each in points for name in each.point.configuration.quantize
    )
    own = ("epochs", *HARDWARE)
    patterns: dict[tuple[Any, ...], list[str]] = {}
    for name in (*_in_order(list(names)), *own):
        values = tuple(each.point.configuration.value(name) for each in points)
        if len(set(map(repr, values))) > 1:
            patterns.setdefault(tuple(map(repr, values)), []).append(name)
    return [Column(tuple(group)) for group in patterns.values()]


def _in_order(names: list[str]) -> list[str]:
    """Fields of a quantization: the realisation and the inputs first."""
    first = ("realisation", "method", "input_bits", "activation_bits")
    return [name for name in first if name in names] + sorted(set(names) - set(first))


def figures_known(points: Sequence[Rated]) -> list[Objective]:
    """The objectives of which some point has a figure."""
    return [
        own
        for own in OBJECTIVES.values()
        if any(each.figures.get(own.name) is not None for each in points)
    ]


def text_table(
    points: Sequence[Rated], columns: Sequence[Column], first: Sequence[Objective]
) -> str:
    """Points as a table of plain text, those objectives first that points were compared by."""
    shown = [*first, *(own for own in figures_known(points) if own not in first)]
    head = ["point", *(own.name for own in shown), *(column.title for column in columns)]
    rows = [
        [
            each.point.short,
            *(own.text(each.figures.get(own.name)) for own in shown),
            *(column.text(each) for column in columns),
        ]
        for each in points
    ]
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    numbers = range(1, 1 + len(shown))
    lines = [
        "  ".join(
            cell.rjust(width) if place in numbers else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]
    return "\n".join(lines)


def csv_text(points: Sequence[Rated], columns: Sequence[Column]) -> str:
    """Points as CSV with every figure in full; what is not known is empty."""
    known = figures_known(points)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    names = [name for column in columns for name in column.names]
    writer.writerow(["point", *(own.name for own in known), *names, "error"])
    for each in points:
        figures = [each.figures.get(own.name) for own in known]
        writer.writerow(
            [
                each.point.name,
                *("" if value is None else repr(value) for value in figures),
                *(_cell(each.point.configuration.value(name)) for name in names),
                each.point.error,
            ]
        )
    return buffer.getvalue()


def _cell(value: Value | None) -> str:
    return "" if value is None else str(value)
