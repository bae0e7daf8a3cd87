"""What was measured of networks of either tool: rows, their means over seeds, the plot."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.measuring import Table
from benchmarks.common.plots import Lines, line_panels

__all__ = ["Row", "plot", "show"]

# What panels of the plot are called where they are not called as the dataset is.
TITLES = {"dry_bean": "Dry Bean"}


@dataclass(frozen=True)
class Row:
    """A network: of which data, by whom, how it was chosen, and what was measured of it.

    ``tuned`` is for the fabric "ultrascale+", which is a way of ours to write Verilog; ``settings``
    are those of the tool's training.
    """

    dataset: str
    tool: str
    seed: int
    at_most: float
    cost: float
    validation: float
    test: float
    portable: int
    tuned: int | None
    ff: int
    settings: str


def spread(rows: Sequence[Row], name: str, factor: float = 1, digits: int = 0) -> str:
    """Mean and standard deviation of a figure; nothing where a row has none."""
    values = [factor * getattr(row, name) for row in rows if getattr(row, name) is not None]
    if not values:
        return "-"
    deviation = statistics.stdev(values) if len(values) > 1 else math.nan
    return f"{statistics.fmean(values):.{digits}f} ({deviation:.{digits}f})"


def by_limit(rows: Sequence[Row]) -> dict[tuple[str, float], list[Row]]:
    """The rows of all seeds, by tool and limit."""
    found: dict[tuple[str, float], list[Row]] = {}
    for row in rows:
        found.setdefault((row.tool, row.at_most), []).append(row)
    return found


def show(rows: Sequence[Row], seeds: int) -> None:
    """Means and deviations over seeds at each limit."""
    table = Table(
        ("tool", "at most", "seeds", "cost", "validation", "test", "LUT portable", "tuned", "FF"),
        (6, 7, 5, 6, 13, 13, 14, 12, 5),
    )
    for (tool, limit), own in by_limit(rows).items():
        table.add(
            tool,
            f"{limit:g}",
            f"{len(own)}/{seeds}",
            f"{statistics.fmean(row.cost for row in own):.0f}",
            spread(own, "validation", 100, 2),
            spread(own, "test", 100, 2),
            spread(own, "portable"),
            spread(own, "tuned"),
            f"{statistics.fmean(row.ff for row in own):.0f}",
        )


def plot(rows: Sequence[Row], path: Path) -> None:
    """Both fronts of every dataset: means over seeds, portable Verilog on both sides."""
    panels: dict[str, list[Row]] = {}
    for row in rows:
        panels.setdefault(TITLES.get(row.dataset, row.dataset), []).append(row)
    labels = "LUT after synthesis, portable Verilog", "test accuracy, %"
    line_panels({title: lines(own) for title, own in panels.items()}, path, *labels, log_x=True)


def lines(rows: Sequence[Row]) -> Lines:
    """Test accuracy in percent over LUTs, a line a tool."""
    series: dict[str, tuple[list[float], list[float]]] = {}
    deviations: dict[str, list[float]] = {}
    for (tool, _), own in by_limit(rows).items():
        luts, values = series.setdefault(tool, ([], []))
        tests = [100 * row.test for row in own]
        luts.append(statistics.fmean(row.portable for row in own))
        values.append(statistics.fmean(tests))
        deviations.setdefault(tool, []).append(statistics.stdev(tests) if len(own) > 1 else 0.0)
    return Lines(series, deviations)
