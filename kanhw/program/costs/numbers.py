"""Facts of integers that their costs follow from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanhw.formats import IntArray, format_for
from kanhw.targets.lut import LUT_INPUTS

__all__ = ["Numbers", "depth_factor", "numbers_of", "sum_width", "width_of"]


@dataclass(frozen=True, eq=False)
class Numbers:
    """Facts of some integers that costs follow from.

    Parameters
    ----------
    shape
        Of the array.
    width
        The narrowest that holds them; 0 where all are zero.
    nonzero
        How many are not 0.
    digits
        Signed digits of them all: adders that multiplying by them as constants takes, the one
        that accumulates included.
    active
        ``[n_out, n_in]``, for weights: where not all of an edge's are 0.
    terms
        For weights: the most that are not 0 in one output.
    """

    shape: tuple[int, ...]
    width: int
    nonzero: int
    digits: int
    active: npt.NDArray[np.bool_]
    terms: int


def numbers_of(values: IntArray) -> Numbers:
    """The facts of integers of any shape."""
    present = values != 0
    magnitude = np.abs(values).astype(np.uint64)
    # The digits of the non-adjacent form, which has the fewest, are where x and 3 x differ.
    digits = int(np.bitwise_count(magnitude ^ (magnitude * np.uint64(3))).sum())
    per_edge = present.reshape(*present.shape[:2], -1) if present.ndim > 1 else present[:, None]
    active = per_edge.reshape(*per_edge.shape[:2], -1).any(axis=2)
    terms = int(present.reshape(len(present), -1).sum(axis=1).max(initial=0))
    return Numbers(values.shape, width_of(values), int(present.sum()), digits, active, terms)


def width_of(values: IntArray) -> int:
    """Bits of the narrowest format that holds all values; 0 where all are zero."""
    if not values.any():
        return 0
    return format_for(int(values.min()), int(values.max())).width


def sum_width(width: int, terms: int) -> int:
    """Bits of a sum of ``terms`` integers of ``width`` bits."""
    return width + max(terms - 1, 0).bit_length() if width else 0


def depth_factor(depth: int) -> int:
    """LUTs of one bit of a table."""
    return 1 << max((depth - 1).bit_length() - LUT_INPUTS, 0)
