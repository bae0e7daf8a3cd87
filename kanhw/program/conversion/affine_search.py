"""The smallest multiplier, bias and shift with which integers equal a rounded line at every code.

From code to code of two grids is a line of real numbers, rounded and clamped: a staircase. Where it
steps is found by bisection with the very functions that define it, which never fall, so that what
holds at either side of every step holds for every code. A multiplier m and a bias b make the same
stairs if ``m * c + b`` reaches ``e << shift`` at the first code c of step e, and not a code before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kanhw.formats import CodeFormat, IntArray

__all__ = ["MAX_SHIFT", "AffineCodes", "Stairs", "find_affine", "stairs_of"]

MAX_SHIFT = 48
# Products stay well inside of an int64.
_LIMIT = 2.0**60
# Multipliers that are tried, around the slope of the line.
_NEAR = np.arange(-2, 3)


@dataclass(frozen=True)
class Stairs:
    """Where a staircase that never falls steps.

    Parameters
    ----------
    levels
        ``[T]``: the codes behind the first step, behind the second ...
    first
        ``[T]``: the smallest code that reaches each; one above the format's largest for none.
    lowest
        The level in front of all steps.
    """

    levels: IntArray
    first: IntArray
    lowest: int


@dataclass(frozen=True)
class AffineCodes:
    """``(multiplier * c + bias) >> shift``, to be clamped."""

    multiplier: int
    bias: int
    shift: int


def stairs_of(
    level_of: Callable[[IntArray], IntArray], format: CodeFormat, lo: IntArray, hi: IntArray
) -> list[Stairs]:
    """The stairs of every feature.

    Parameters
    ----------
    level_of
        From codes ``[N, n]`` to levels ``[N, n]``, which never fall from one code to the next.
    format
        Of the codes.
    lo, hi
        ``[n]``: the smallest and largest level.
    """
    steps = int((hi - lo).max())
    levels = np.minimum(lo + 1 + np.arange(max(steps, 1))[:, np.newaxis], hi)
    below = np.full(levels.shape, format.lo - 1)
    reached = np.full(levels.shape, format.hi + 1)
    # Between the two is always a code less; 2**width codes take width + 1 halvings.
    for _ in range(format.width + 1):
        middle = (below + reached) >> 1
        inside = (middle >= format.lo) & (middle <= format.hi)
        high = level_of(middle.clip(format.lo, format.hi)) >= levels
        reached = np.where(inside & high, middle, reached)
        below = np.where(inside & ~high, middle, below)
    return [
        Stairs(levels[: hi[i] - lo[i], i], reached[: hi[i] - lo[i], i], int(lo[i]))
        for i in range(len(lo))
    ]


def find_affine(stairs: Stairs, format: CodeFormat, slope: float) -> AffineCodes | None:
    """Integers that make the stairs with the smallest shift; None if there are none.

    Parameters
    ----------
    stairs
        Of a feature.
    format
        Of the codes.
    slope
        Of the line, levels a code: multipliers near ``slope << shift`` are tried.
    """
    reached = stairs.first <= format.hi
    climbed = stairs.first > format.lo
    if not (reached & climbed).any():
        # One level for all codes.
        highest = stairs.levels[reached]
        return AffineCodes(0, int(highest.max()) if highest.size else stairs.lowest, 0)
    reach = max(abs(format.lo), format.hi + 1)
    level = float(np.abs(stairs.levels).max()) + 1
    for shift in range(MAX_SHIFT + 1):
        near = round(slope * 2.0**shift)
        if (near + 2.0) * reach >= _LIMIT or level * 2.0**shift >= _LIMIT:
            return None
        factors = np.unique(np.maximum(near + _NEAR, 0))[:, np.newaxis]
        wanted = stairs.levels << shift
        least = (wanted - factors * stairs.first)[:, reached].max(axis=1)
        most = (wanted - 1 - factors * (stairs.first - 1))[:, climbed].min(axis=1)
        fitting = np.flatnonzero(least <= most)
        if fitting.size:
            # The slope's own multiplier if it fits, else the nearest one.
            best = min(fitting.tolist(), key=lambda k: (abs(int(factors[k, 0]) - near), k))
            return AffineCodes(int(factors[best, 0]), int(least[best] + most[best]) >> 1, shift)
    return None
