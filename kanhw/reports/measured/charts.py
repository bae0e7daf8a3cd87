"""Drawings of measurements as SVG text: codes in use, answers against what they should be."""

from __future__ import annotations

from html import escape

import numpy as np

from kanhw.formats import FloatArray, IntArray
from kanhw.reports.svg import Frame
from kanhw.reports.text import count, real

__all__ = ["MOST_POINTS", "histogram_svg", "parity_svg", "share_bar"]

# More points than a small plot shows apart.
MOST_POINTS = 1500
_MOST_BARS = 64
_SIDE, _HEIGHT, _WIDTH = 180, 108, 180
_LEFT, _RIGHT, _TOP = 3, 177, 13


def histogram_svg(codes: IntArray, lo: int, hi: int, title: str) -> str:
    """How often each code of ``lo`` to ``hi`` is used, neighbours together where there are many."""
    bars = min(hi - lo + 1, _MOST_BARS)
    counts, _ = np.histogram(codes, bins=bars, range=(lo - 0.5, hi + 0.5))
    frame = Frame((0, bars), (0, float(counts.max())), _LEFT, _RIGHT, _TOP, 95)
    left, right = frame.x(np.arange(bars)), frame.x(np.arange(bars) + 0.9)
    top, floor = frame.y(counts), float(frame.y(0))
    path = "".join(
        f"M{a:.1f},{floor:.1f}V{y:.1f}H{b:.1f}V{floor:.1f}Z"
        for a, b, y, number in zip(left, right, top, counts, strict=True)
        if number
    )
    return (
        f'<svg class="plot" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">'
        f"<title>{escape(title)}</title>"
        f'<path class="bars" d="{path}"/>'
        f'<text x="{_LEFT}" y="9">{count(int(counts.max()))}</text>'
        f'<text x="{_LEFT}" y="106">{lo}</text>'
        f'<text x="{_RIGHT}" y="106" text-anchor="end">code {hi}</text></svg>'
    )


def parity_svg(wanted: FloatArray, given: FloatArray, title: str) -> str:
    """Answers over what they should be: points on the diagonal are right."""
    if len(wanted) > MOST_POINTS:
        chosen = np.linspace(0, len(wanted) - 1, MOST_POINTS).round().astype(int)
        wanted, given = wanted[chosen], given[chosen]
    lo = min(float(wanted.min()), float(given.min()))
    hi = max(float(wanted.max()), float(given.max()))
    frame = Frame((lo, hi), (lo, hi), 6, 174, 13, 165)
    points = "".join(
        f"M{x:.1f},{y:.1f}h0" for x, y in zip(frame.x(wanted), frame.y(given), strict=True)
    )
    return (
        f'<svg class="plot" viewBox="0 0 {_SIDE} {_SIDE}" role="img">'
        f"<title>{escape(title)}</title>"
        '<path class="float" d="M6,165L174,13"/>'
        f'<path class="points" d="{points}"/>'
        f'<text x="{_LEFT}" y="9">{real(hi)}</text>'
        f'<text x="{_LEFT}" y="177">{real(lo)}</text>'
        f'<text x="{_RIGHT}" y="177" text-anchor="end">{real(hi)}</text></svg>'
    )


def share_bar(share: float, largest: float) -> str:
    """A bar in a table's row, as long as its share of the largest one."""
    width = 100 * share / largest if largest > 0 else 0.0
    return (
        '<svg class="row" preserveAspectRatio="none" viewBox="0 0 100 10" aria-hidden="true">'
        f'<rect class="shade4" x="0" y="0" width="{width:.2f}" height="10"/></svg>'
    )
