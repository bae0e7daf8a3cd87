"""Small line plots as SVG text; colours come from the style sheet around them."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

from kanhw.formats import FloatArray
from kanhw.reports.curves import EdgePlot, Trace
from kanhw.reports.layer_text import edge_name
from kanhw.reports.text import lsb, real, sentence

__all__ = ["Frame", "edge_description", "edge_svg", "line_path", "step_path"]

# More steps than pixels would only make the file large.
MAX_STEPS = 160

_WIDTH, _HEIGHT = 180, 108
_LEFT, _RIGHT, _TOP, _BOTTOM = 3, 177, 13, 95


@dataclass(frozen=True)
class Frame:
    """Maps values to coordinates of a drawing; y grows upwards.

    Parameters
    ----------
    x_range, y_range
        Values at the edges; an empty range is widened.
    left, right, top, bottom
        Coordinates of the edges.
    """

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    left: float
    right: float
    top: float
    bottom: float

    def x(self, values: npt.ArrayLike) -> FloatArray:
        """Horizontal coordinates of values."""
        lo, hi = _widened(self.x_range)
        return self.left + (np.asarray(values, np.float64) - lo) / (hi - lo) * (
            self.right - self.left
        )

    def y(self, values: npt.ArrayLike) -> FloatArray:
        """Vertical coordinates of values."""
        lo, hi = _widened(self.y_range)
        return self.bottom - (np.asarray(values, np.float64) - lo) / (hi - lo) * (
            self.bottom - self.top
        )


def _widened(ends: tuple[float, float]) -> tuple[float, float]:
    lo, hi = ends
    return (lo, hi) if hi > lo else (lo - 1.0, hi + 1.0)


def line_path(x: FloatArray, y: FloatArray) -> str:
    """Path data of a line through points in drawing coordinates."""
    points = " ".join(f"{_short(a)},{_short(b)}" for a, b in zip(x, y, strict=True))
    return f"M{points}"


def step_path(x: FloatArray, y: FloatArray) -> str:
    """Path data of a staircase: each value holds half way to its neighbours."""
    if len(x) > MAX_STEPS:
        chosen = np.linspace(0, len(x) - 1, MAX_STEPS).round().astype(int)
        x, y = x[chosen], y[chosen]
    borders = (x[:-1] + x[1:]) / 2
    path, level = [f"M{_short(x[0])},{_short(y[0])}"], _short(y[0])
    for border, value in zip(borders, y[1:], strict=True):
        if _short(value) != level:
            level = _short(value)
            path.append(f"H{_short(border)}V{level}")
    path.append(f"H{_short(x[-1])}")
    return "".join(path)


def _short(value: float) -> str:
    # One decimal of a drawing unit is well below a pixel.
    return f"{value:.1f}".removesuffix(".0")


def edge_svg(plot: EdgePlot) -> str:
    """One edge as an ``<svg>`` element: float curves under the integers' steps.

    Classes for the style sheet: ``zero``, ``float``, ``steps``, ``second`` (a second branch).
    """
    frame = _frame(plot)
    parts = [
        f'<svg class="plot" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f"<title>{escape(edge_description(plot))}</title>",
    ]
    lo, hi = frame.y_range
    if lo < 0 < hi:
        height = _short(float(frame.y(0.0)))
        parts.append(f'<path class="zero" d="M{_LEFT},{height}H{_RIGHT}"/>')
    for index, trace in enumerate(plot.traces):
        second = " second" if index else ""
        if trace.fine_x is not None and trace.fine_y is not None:
            line = line_path(frame.x(trace.fine_x), frame.y(trace.fine_y))
            parts.append(f'<path class="float{second}" d="{line}"/>')
        steps = step_path(frame.x(trace.x), frame.y(trace.y))
        parts.append(f'<path class="steps{second}" d="{steps}"/>')
    parts.append(_axis_labels(frame))
    parts.append("</svg>")
    return "".join(parts)


def _axis_labels(frame: Frame) -> str:
    (x_lo, x_hi), (y_lo, y_hi) = frame.x_range, frame.y_range
    below = _HEIGHT - 2
    return (
        f'<text x="{_LEFT}" y="9">{real(y_hi)}</text>'
        f'<text x="{_LEFT}" y="{below}">{real(y_lo)}</text>'
        f'<text x="{_RIGHT}" y="{below}" text-anchor="end">x {real(x_lo)} to {real(x_hi)}</text>'
    )


def edge_description(plot: EdgePlot) -> str:
    """The edge and its errors in one line."""
    name = sentence(edge_name(plot))
    errors = [
        f"{_branch(trace, plot)}largest |float - integer| {real(trace.error)}"
        f" ({lsb(trace.error / trace.step)})"
        for trace in plot.traces
        if trace.error is not None
    ]
    return f"{name}: {', '.join(errors)}" if errors else name


def _branch(trace: Trace, plot: EdgePlot) -> str:
    return f"{trace.branch} " if len(plot.traces) > 1 else ""


def _frame(plot: EdgePlot) -> Frame:
    xs = [t.x for t in plot.traces]
    ys = [t.y for t in plot.traces] + [t.fine_y for t in plot.traces if t.fine_y is not None]
    return Frame(
        x_range=(min(float(x.min()) for x in xs), max(float(x.max()) for x in xs)),
        y_range=(min(float(y.min()) for y in ys), max(float(y.max()) for y in ys)),
        left=_LEFT,
        right=_RIGHT,
        top=_TOP,
        bottom=_BOTTOM,
    )
