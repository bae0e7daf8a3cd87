"""The front as a plot for papers: PNG and SVG, readable in grey, the same bytes every time."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kanhw.errors import InputError, ToolNotFound
from kanhw.exploration.answers.exploration import Exploration
from kanhw.exploration.answers.front import front_of
from kanhw.exploration.answers.rated import Rated
from kanhw.exploration.study.objectives import Objective
from kanhw.places import write_whole

__all__ = ["has_matplotlib", "map_of", "write_plots"]

_SIZE, _DPI = (6.0, 3.8), 200  # inches, and dots of them
# Names of an SVG's elements come from the salt in place of chance, and text stays text.
_STYLE: Any = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9,
    "grid.color": "0.9",
    "svg.fonttype": "none",
    "svg.hashsalt": "kanhw",
}
# Figures that span so many times their least are drawn along powers of ten.
_WIDE = 30


def has_matplotlib() -> bool:
    """Whether plots can be drawn."""
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None


def write_plots(found: Exploration, stem: Path) -> list[Path]:
    """Draw the first objective over the second: all points, and what none beats in these two.

    Parameters
    ----------
    found
        All points; two objectives at least.
    stem
        The files without their suffixes.

    Returns
    -------
    list of Path
        The SVG and the PNG.

    Raises
    ------
    InputError
        If there is one objective only, or a file cannot be written.
    ToolNotFound
        If matplotlib is not installed.
    """
    if len(found.objectives) < 2:
        raise InputError("A plot needs two objectives: name another (--objectives accuracy,lut)")
    if not has_matplotlib():
        raise ToolNotFound("Plots need matplotlib: pip install 'kanhw[explore]'")
    return [
        write_whole(stem.with_suffix(f".{kind}"), _drawn(found, kind)) for kind in ("svg", "png")
    ]


def _drawn(found: Exploration, kind: str) -> bytes:
    from matplotlib.figure import Figure

    up, right = found.objectives[:2]
    points = [each for each in found.points if each.kept and _known(each, (up, right))]
    front = sorted(front_of(points, (up, right)), key=lambda each: _of(each, right))
    others = [each for each in points if each not in front]
    with _styled():
        figure = Figure(figsize=_SIZE, dpi=_DPI, layout="constrained")
        axes = figure.subplots()
        axes.plot(*_xy(others, up, right), "o", color="0.6", mfc="none", ms=4, label="points")
        axes.plot(
            *_xy(front, up, right), "s-", color="0.0", ms=4.5, drawstyle=_steps(up), label="front"
        )
        values = [_of(each, right) for each in points]
        if min(values) > 0 and max(values) > _WIDE * min(values):
            axes.set_xscale("log")
        axes.set_xlabel(right.title)
        axes.set_ylabel(up.title)
        axes.legend(frameon=False)
        return _bytes(figure, kind)


def map_of(
    table: Sequence[Sequence[float | None]],
    values: tuple[Sequence[object], Sequence[object]],
    names: tuple[str, str],
    objective: Objective,
    kind: str,
) -> bytes:
    """A map of figures in greys, darker where better, with the figure in every field.

    Parameters
    ----------
    table
        Rows of figures; None leaves a field empty.
    values, names
        Of the rows, and of the columns.
    objective
        What the figures are.
    kind
        ``svg`` or ``png``.
    """
    from matplotlib.figure import Figure

    known = [value for row in table for value in row if value is not None]
    low, high = min(known), max(known)
    span = (high - low) or 1.0
    with _styled():
        figure = Figure(figsize=_SIZE, dpi=_DPI, layout="constrained")
        axes = figure.subplots()
        axes.grid(visible=False)
        for y, row in enumerate(table):
            for x, value in enumerate(row):
                if value is None:
                    continue
                good = (value - low) / span if objective.more else (high - value) / span
                grey = 0.95 - 0.75 * good
                axes.fill([x, x + 1, x + 1, x], [y, y, y + 1, y + 1], color=str(grey), lw=0)
                ink = "1.0" if grey < 0.55 else "0.0"
                text = objective.text(value)
                axes.text(x + 0.5, y + 0.5, text, color=ink, ha="center", va="center", size=8)
        axes.set_xticks([x + 0.5 for x in range(len(values[1]))], [str(v) for v in values[1]])
        axes.set_yticks([y + 0.5 for y in range(len(values[0]))], [str(v) for v in values[0]])
        axes.set_xlim(0, len(values[1]))
        axes.set_ylim(len(values[0]), 0)
        axes.set_xlabel(names[1])
        axes.set_ylabel(names[0])
        axes.set_title(objective.title, loc="left", size=10)
        return _bytes(figure, kind)


@contextmanager
def _styled() -> Iterator[None]:
    """The library's own defaults with ours, whatever the user's settings are."""
    import matplotlib as mpl

    defaults: Any = dict(mpl.rcParamsDefault)
    with mpl.rc_context(defaults), mpl.rc_context(_STYLE):
        yield


def _bytes(figure: Any, kind: str) -> bytes:
    buffer = io.BytesIO()
    # Nothing of the day or of the program gets into a file.
    metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    figure.savefig(buffer, format=kind, metadata=metadata)
    return buffer.getvalue()


def _steps(up: Objective) -> str:
    """Between two points of a front nothing better is known than the one that costs less."""
    return "steps-post" if up.more else "default"


def _known(rated: Rated, objectives: Sequence[Objective]) -> bool:
    return all(rated.figures.get(own.name) is not None for own in objectives)


def _of(rated: Rated, objective: Objective) -> float:
    return rated.figures[objective.name] or 0.0


def _xy(
    points: Sequence[Rated], up: Objective, right: Objective
) -> tuple[list[float], list[float]]:
    return [_of(each, right) for each in points], [_of(each, up) for each in points]
