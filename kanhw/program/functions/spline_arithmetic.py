"""What a spline evaluator computes with: constants from codes to basis values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import IntArray
from kanhw.program.arrays import checked_integer, frozen_integers
from kanhw.program.functions.splines import (
    mirrored_columns,
    polynomial_pieces,
    spline_position,
    table_pieces,
)
from kanhw.program.functions.tables import constants_like

__all__ = ["MOST_ORDERS", "WIDEST_CODES", "SplineArithmetic"]

MOST_ORDERS = 5
WIDEST_CODES = 16
# The functions of one cell are tabulated for checks: 2**16 places of 6 functions are 3 MiB.
_MOST_FRACTION_BITS = 16
_LARGEST = 2**62


@dataclass(frozen=True, eq=False)
class SplineArithmetic:
    """From a code to its cell of a uniform grid, and to the p + 1 B-splines that live there.

    See :func:`~kanhw.program.functions.splines.spline_position`, and for the functions
    :func:`~kanhw.program.functions.splines.polynomial_pieces`, or where there is a table
    :func:`~kanhw.program.functions.splines.table_pieces`.

    Parameters
    ----------
    width
        Bits of a code, 1 to 16.
    order
        p, 1 to 5.
    multipliers, offsets
        ``[n_in]``: where a code is, in cells times ``2**(fraction_bits + shift)``. A multiplier
        that is a power of two costs nothing: cells of ``2**D`` codes.
    shift
        Bits that are dropped.
    fraction_bits
        Bits of the place in a cell, 1 to 16.
    scale, guard_bits
        Of the polynomials; 0 where there is a table.
    table
        ``[2**fraction_bits + 1, p // 2 + 1]``; None computes the functions.
    """

    width: int
    order: int
    multipliers: IntArray
    offsets: IntArray
    shift: int
    fraction_bits: int
    scale: int = 0
    guard_bits: int = 0
    table: IntArray | None = None

    def __post_init__(self) -> None:
        for name, lowest, highest in (
            ("width", 1, WIDEST_CODES),
            ("order", 1, MOST_ORDERS),
            ("shift", 0, 40),
            ("fraction_bits", 1, _MOST_FRACTION_BITS),
            ("guard_bits", 0, 16),
            ("scale", 0 if self.table is not None else 1, 1 << 32),
        ):
            checked_integer(name, getattr(self, name), lowest, highest)
        for name in ("multipliers", "offsets"):
            object.__setattr__(self, name, frozen_integers(getattr(self, name), name, 1))
        if self.table is not None:
            object.__setattr__(self, "table", frozen_integers(self.table, "table", 2))
            expected = ((1 << self.fraction_bits) + 1, mirrored_columns(self.order))
            if self.table.shape != expected:
                raise InputError(
                    f"A table of splines of order {self.order} must have the shape {expected}, not "
                    f"{self.table.shape}"
                )
        self._check_positions()
        if int(self.pieces.min()) < 0:
            raise InputError(
                f"Basis values must not be negative, but reach {self.pieces.min()}: use more "
                "guard bits"
            )

    def _check_positions(self) -> None:
        if self.multipliers.shape != self.offsets.shape:
            raise InputError(
                f"{len(self.multipliers)} multipliers do not match {len(self.offsets)} offsets"
            )
        if int(self.multipliers.min()) < 1:
            raise InputError(f"Multipliers must be at least 1, not {self.multipliers.min()}")
        largest = max(
            abs(int(m)) * (1 << self.width) + abs(int(c))
            for m, c in zip(self.multipliers, self.offsets, strict=True)
        )
        if largest >= _LARGEST:
            raise InputError("Positions need more than 62 bits: use smaller multipliers or offsets")

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return len(self.multipliers)

    @property
    def variant(self) -> str:
        """How the functions are made: ``arithmetic`` or ``shared_table``."""
        return "arithmetic" if self.table is None else "shared_table"

    @property
    def aligned(self) -> bool:
        """Whether every cell has a power of two of codes (or a code of cells)."""
        return bool((self.multipliers & (self.multipliers - 1) == 0).all())

    @cached_property
    def pieces(self) -> IntArray:
        """The functions at every place of a cell, ``[2**fraction_bits, p + 1]``."""
        return np.stack(self._pieces(np.arange(1 << self.fraction_bits)), axis=1)

    def _pieces(self, places: Any) -> list[Any]:
        if self.table is not None:
            table = constants_like(self.table, places)
            return table_pieces(places, table, self.order, self.fraction_bits)
        return polynomial_pieces(
            places, self.order, self.scale, self.fraction_bits, self.guard_bits
        )

    def __call__(self, addresses: Any) -> tuple[Any, list[Any]]:
        """Cells ``[N, n_in]`` and the p + 1 live functions, ``[N, n_in]`` each (numpy or torch)."""
        cells, places = spline_position(
            addresses,
            constants_like(self.multipliers, addresses),
            constants_like(self.offsets, addresses),
            self.shift,
            self.fraction_bits,
        )
        return cells, self._pieces(places)

    def values(self, i: int, count: int) -> IntArray:
        """All functions of input i at every code, ``[2**width, count]``."""
        return self._functions(*self._positions(i, 0, (1 << self.width) - 1), count)

    def distinct_values(self, i: int, count: int, lo: int, hi: int) -> IntArray:
        """All functions of input i at the positions of codes lo to hi, each once, ``[M, count]``.

        Neighbouring codes that are alike after rounding are one.
        """
        cells, places = self._positions(i, lo, hi)
        new = np.flatnonzero(np.diff(cells, prepend=cells[0] - 1) | np.diff(places, prepend=-1))
        return self._functions(cells[new], places[new], count)

    def _positions(self, i: int, lo: int, hi: int) -> tuple[IntArray, IntArray]:
        cells, places = spline_position(
            np.arange(lo, hi + 1),
            self.multipliers[i],
            self.offsets[i],
            self.shift,
            self.fraction_bits,
        )
        return cells, places

    def _functions(self, cells: IntArray, places: IntArray, count: int) -> IntArray:
        result = np.zeros((len(cells), count), np.int64)
        live = self.pieces[places]
        for r in range(self.order + 1):
            k = cells - self.order + r
            there = np.flatnonzero((k >= 0) & (k < count))
            result[there, k[there]] = live[there, r]
        return result

    def kinds(self) -> tuple[IntArray, IntArray]:
        """The distinct pairs of multiplier and offset ``[T, 2]``, and whose each input is."""
        pairs = np.stack([self.multipliers, self.offsets], axis=1)
        distinct, index = np.unique(pairs, axis=0, return_inverse=True)
        return distinct, index.ravel()
