"""The front as a plot for papers: PNG and SVG, readable in grey, the same bytes every time."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kanhw.errors import InputError, ToolNotFound
from kanhw.exploration.answers.exploration import Exploration
from kanhw.exploration.answers.front import front_of
from kanhw.exploration.answers.rated import Rated
from kanhw.exploration.study.objectives import Objective
from kanhw.places import write_whole

__all__ = ["has_matplotlib", "write_plots"]

_SIZE, _DPI = (6.0, 3.8), 200  # inches, and dots of them
# Names of an SVG's elements come from the salt in place of chance, and text stays text.
_STYLE: dict[str, Any] = {
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
    import matplotlib as mpl
    from matplotlib.figure import Figure

    up, right = found.objectives[:2]
    points = [each for each in found.points if each.kept and _known(each, (up, right))]
    front = sorted(front_of(points, (up, right)), key=lambda each: _of(each, right))
    others = [each for each in points if each not in front]
    defaults = mpl.rcParamsDefault
    with mpl.rc_context(dict(defaults)), mpl.rc_context(_STYLE):
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
