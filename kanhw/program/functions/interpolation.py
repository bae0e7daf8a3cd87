"""Curves from a few of their points: what an evaluator's base branch computes with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import IntArray
from kanhw.program.arrays import checked_integer, frozen_integers
from kanhw.program.functions.spline_arithmetic import WIDEST_CODES
from kanhw.program.functions.splines import interpolated
from kanhw.program.functions.tables import constants_like

__all__ = ["Interpolation"]


@dataclass(frozen=True, eq=False)
class Interpolation:
    """Curves from a few of their points; see :func:`~kanhw.program.functions.splines.interpolated`.

    Parameters
    ----------
    tables
        ``[T, 2**(width - fraction_bits) + 1]``: the distinct curves.
    index
        ``[n_in]``: which of them an input has.
    width
        Bits of a code, 1 to 16.
    fraction_bits
        Bits of a code between two points, 0 to width - 1.
    guard_bits
        How much finer than the values the points are.
    """

    tables: IntArray
    index: IntArray
    width: int
    fraction_bits: int
    guard_bits: int

    def __post_init__(self) -> None:
        checked_integer("width", self.width, 1, WIDEST_CODES)
        checked_integer("fraction_bits", self.fraction_bits, 0, self.width - 1)
        checked_integer("guard_bits", self.guard_bits, 0, 16)
        object.__setattr__(self, "tables", frozen_integers(self.tables, "tables", 2))
        object.__setattr__(self, "index", frozen_integers(self.index, "index", 1))
        points = (1 << (self.width - self.fraction_bits)) + 1
        if self.tables.shape[1] != points:
            raise InputError(f"A curve must have {points} points, not {self.tables.shape[1]}")
        if int(self.index.min()) < 0 or int(self.index.max()) >= len(self.tables):
            raise InputError(f"index must name one of {len(self.tables)} curves for every input")
        if int(np.abs(self.tables).max()) >= 1 << 32:
            raise InputError("Points of a curve must have fewer than 32 bits")

    def __call__(self, addresses: Any) -> list[Any]:
        """The values of every input's curve, ``[N]`` each (numpy or torch)."""
        return [
            interpolated(
                constants_like(self.tables[int(kind)], addresses),
                addresses[:, i],
                self.fraction_bits,
                self.guard_bits,
            )
            for i, kind in enumerate(self.index)
        ]

    @cached_property
    def values(self) -> IntArray:
        """Every curve at every code, ``[T, 2**width]``."""
        codes = np.arange(1 << self.width)
        curves = [
            interpolated(table, codes, self.fraction_bits, self.guard_bits) for table in self.tables
        ]
        return np.stack(curves)
