"""Plots as SVG, readable in grey and the same bytes for the same figures.

Series differ in marker, dashes and lightness, so that none needs a colour. Nothing of the day or of
the machine gets into a file.
"""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter

from kanhw.places import write_whole

__all__ = [
    "Lines",
    "Point",
    "choice_maps",
    "heat_map",
    "line_panels",
    "line_plot",
    "pareto_front",
    "pareto_plot",
]

STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.unicode_minus": False,
    "font.family": "sans-serif",
    "font.size": 9,
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 5,
    # Names of the elements come from this instead of from chance.
    "svg.hashsalt": "kanhw",
    # Text stays text.
    "svg.fonttype": "none",
}
SIZE = (6.0, 3.8)  # inches
MARKERS = "osD^vPX*"
SHADES = ("0.0", "0.35", "0.55", "0.15", "0.45", "0.65", "0.25", "0.5")
DASHES = ("-", "--", ":", "-.")


class Point(NamedTuple):
    """One design: what it costs, what it is worth, its group for the legend, its own label."""

    cost: float
    value: float
    group: str = ""
    label: str = ""


class Lines(NamedTuple):
    """Name to x and y values, and deviations of the y values of some, drawn as bars."""

    series: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    deviations: Mapping[str, Sequence[float]] = {}


def line_plot(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    path: Path,
    x_label: str,
    y_label: str,
    title: str = "",
    log_x: bool = False,
    deviations: Mapping[str, Sequence[float]] | None = None,
) -> Path:
    """Lines with a marker at every figure.

    Parameters
    ----------
    series
        Name to x and y values.
    path
        The SVG file.
    x_label, y_label
        With units.
    title
        Above the plot.
    log_x
        Whether x goes by factors of 2.
    deviations
        Of the y values of some series, drawn as bars up and down.
    """
    with _styled():
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        _draw_lines(axes, Lines(series, deviations or {}), log_x)
        _label(axes, x_label, y_label, title, legend=len(series) > 1)
        return _save(figure, path)


def line_panels(
    panels: Mapping[str, Lines], path: Path, x_label: str, y_label: str, log_x: bool = False
) -> Path:
    """Panels of lines beside each other, each with axes of its own.

    Parameters
    ----------
    panels
        Title to lines; series of one name should come in the same order in all of them.
    path
        The SVG file.
    x_label, y_label
        Of every panel, with units.
    log_x
        Whether x goes by factors of 2.
    """
    with _styled():
        figure = Figure(figsize=(0.8 * SIZE[0] * len(panels), SIZE[1]), layout="constrained")
        for axes, (title, lines) in zip(
            figure.subplots(1, len(panels), squeeze=False).flat, panels.items(), strict=True
        ):
            _draw_lines(axes, lines, log_x)
            _label(axes, x_label, y_label, title, legend=len(lines.series) > 1)
        return _save(figure, path)


def heat_map(
    matrix: npt.ArrayLike,
    rows: Sequence[str],
    columns: Sequence[str],
    path: Path,
    title: str = "",
    x_label: str = "",
    y_label: str = "",
    form: str = ".2f",
) -> Path:
    """A grid of grey cells, darker where the figure is larger, with the figure in each.

    NaN is an empty cell. ``form`` is the figures' format; their unit belongs in the title.
    """
    values = np.asarray(matrix, np.float64)
    if values.shape != (len(rows), len(columns)):
        raise ValueError(
            f"{len(rows)} rows and {len(columns)} columns are named, but the matrix is "
            f"{list(values.shape)}"
        )
    with _styled():
        size = (1.5 + 0.7 * len(columns), 1.1 + 0.4 * len(rows))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        # Squares instead of an image, which would be a PNG inside the SVG.
        places = np.arange(len(columns)), np.arange(len(rows))
        low, high = np.nanmin(values), np.nanmax(values)
        # The darkest grey is far from black, so that a page of these stays light.
        top = low + 1.5 * (high - low) if high > low else low + 1
        axes.pcolormesh(
            *places, values, cmap="Greys", shading="nearest", vmin=low, vmax=top, edgecolors="white"
        )
        axes.invert_yaxis()
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                shade = "white" if value > low + 0.8 * (top - low) * 2 / 3 else "black"
                axes.text(column, row, f"{value:{form}}", ha="center", va="center", color=shade)
        axes.set_xticks(places[0], columns)
        axes.set_yticks(places[1], rows)
        axes.tick_params(length=0)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        _label(axes, x_label, y_label, title, legend=False)
        return _save(figure, path)


Choices = Sequence[Sequence[str | None]]


def choice_maps(
    panels: Mapping[str, Choices],
    choices: Sequence[str],
    rows: Sequence[int],
    columns: Sequence[int],
    path: Path,
    x_label: str,
    y_label: str,
    across: int = 4,
) -> Path:
    """Panels of what was chosen at every row and column, a grey a choice; None is left white.

    Parameters
    ----------
    panels
        Title to choices, ``[rows][columns]``.
    choices
        All that there are, from dark to light.
    rows, columns
        What they stand for, each one more than the one before.
    path
        The SVG file.
    x_label, y_label
        Of every panel.
    across
        Panels beside each other.
    """
    shades = dict(zip(choices, np.linspace(0.25, 0.92, len(choices)), strict=True))
    down = -(-len(panels) // across)
    with _styled():
        figure = Figure(figsize=(1.0 + 1.9 * across, 0.9 + 1.9 * down), layout="constrained")
        grid = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
        for axes, (title, chosen) in zip(grid.flat, panels.items(), strict=False):
            for (top, height), (left, width), name in _areas(chosen):
                corner = columns[left] - 0.5, rows[top] - 0.5
                axes.add_patch(Rectangle(corner, width, height, color=str(shades[name]), lw=0))
            axes.set_xlim(columns[0] - 0.5, columns[-1] + 0.5)
            axes.set_ylim(rows[0] - 0.5, rows[-1] + 0.5)
            axes.set_xticks(columns[::4])
            axes.set_yticks(rows[::2])
            axes.grid(visible=False)
            axes.set_title(title, fontsize=9)
        for axes in list(grid.flat)[len(panels) :]:
            axes.set_visible(False)
        figure.supxlabel(x_label, fontsize=9)
        figure.supylabel(y_label, fontsize=9)
        squares = [Rectangle((0, 0), 1, 1, color=str(shade), lw=0) for shade in shades.values()]
        figure.legend(squares, choices, loc="outside upper center", ncols=len(choices))
        return _save(figure, path)


def _areas(chosen: Choices) -> Iterator[tuple[tuple[int, int], tuple[int, int], str]]:
    """Rectangles that cover all choices: (top, height), (left, width), choice.

    Rows that are alike are one, so that a map of few borders is a small file.
    """
    for _, same in itertools.groupby(enumerate(chosen), key=lambda pair: list(pair[1])):
        members = list(same)
        top, row = members[0]
        for name, run in itertools.groupby(enumerate(row), key=lambda pair: pair[1]):
            places = [place for place, _ in run]
            if name is not None:
                yield (top, len(members)), (places[0], len(places)), name


def pareto_front(
    points: Sequence[tuple[float, float]], *, lower_is_better: bool = False
) -> list[int]:
    """The points that no other beats, in order of cost.

    Parameters
    ----------
    points
        Cost and value; a lower cost is better.
    lower_is_better
        Whether a lower value is better (errors), or a higher one (accuracies).

    Returns
    -------
    list of int
        Their indices: no other point is at least as good in both and better in one. Points that
        are equal are all kept; points with a NaN never are.
    """
    sign = 1.0 if lower_is_better else -1.0
    figures = [(float(cost), sign * float(value)) for cost, value in points]
    # Without NaN, which no sorting puts in order.
    order = sorted(
        (*pair, index) for index, pair in enumerate(figures) if not any(map(math.isnan, pair))
    )
    front: list[int] = []
    for cost, worth, index in order:
        if not front or worth < figures[front[-1]][1] or (cost, worth) == figures[front[-1]]:
            front.append(index)
    return front


def pareto_plot(
    points: Sequence[Point],
    path: Path,
    x_label: str,
    y_label: str,
    title: str = "",
    log_x: bool = False,
    lower_is_better: bool = False,
) -> Path:
    """Designs by cost and value, and the front of those that no other beats.

    Points on the front are filled and carry their labels; the line between them goes along what is
    reached, in steps.
    """
    front = pareto_front([point[:2] for point in points], lower_is_better=lower_is_better)
    with _styled():
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        reached = [points[index] for index in front]
        axes.plot(
            [point.cost for point in reached],
            [point.value for point in reached],
            color="0.6",
            drawstyle="steps-post",
            label="Pareto front",
            zorder=1,
        )
        groups = list(dict.fromkeys(point.group for point in points))
        for index, group in enumerate(groups):
            marks = _marks(index)
            for on_front in (True, False):
                chosen = [
                    point
                    for place, point in enumerate(points)
                    if point.group == group and (place in front) is on_front
                ]
                axes.plot(
                    [point.cost for point in chosen],
                    [point.value for point in chosen],
                    linestyle="none",
                    # An empty series still names its group in the legend.
                    label=group if on_front and group else None,
                    **(marks if on_front else {**marks, "markerfacecolor": "white"}),
                )
        for point in reached:
            axes.annotate(
                point.label,
                point[:2],
                textcoords="offset points",
                # On the side where no point can be: it would beat this one.
                xytext=(-4, -4 if lower_is_better else 4),
                ha="right",
                va="top" if lower_is_better else "bottom",
                fontsize=8,
            )
        if log_x:
            _powers_of_two(axes)
        _label(axes, x_label, y_label, title, legend=True)
        return _save(figure, path)


def _draw_lines(axes: Any, lines: Lines, log_x: bool) -> None:
    for index, (name, (x, y)) in enumerate(lines.series.items()):
        axes.errorbar(
            x,
            y,
            yerr=lines.deviations.get(name),
            label=name,
            capsize=2,
            linestyle=DASHES[index % len(DASHES)],
            **_marks(index),
        )
    if log_x:
        _powers_of_two(axes)


def _marks(index: int) -> dict[str, Any]:
    return {
        "color": SHADES[index % len(SHADES)],
        "marker": MARKERS[index % len(MARKERS)],
    }


def _powers_of_two(axes: Any) -> None:
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))


def _label(axes: Any, x_label: str, y_label: str, title: str, *, legend: bool) -> None:
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.set_title(title)
    if legend:
        axes.legend()


@contextmanager
def _styled() -> Iterator[None]:
    """matplotlib's own defaults with ``STYLE``, whatever the user's settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        rc_params: Any = mpl.rcParams
        rc_params.update(STYLE)
        yield


def _save(figure: Figure, path: Path) -> Path:
    text = io.StringIO()
    canvas: Any = FigureCanvasSVG(figure)
    canvas.print_svg(text, metadata={"Date": None, "Creator": None})
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_whole(path, text.getvalue())
