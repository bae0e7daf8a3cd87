"""Interval arithmetic on integer arrays: how wide a sum can get, from the actual integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import CodeFormat, IntArray, format_for
from kanhw.program.reference import requantize, round_shift

__all__ = ["Interval", "check_magnitude"]

# Rounding may add half a step to a sum, and still it has to fit an int64.
LIMIT = 2.0**62


def check_magnitude(values: npt.NDArray[np.float64]) -> None:
    """Refuse sums, given in float64, that an int64 could not hold.

    Raises
    ------
    InputError
        If one reaches 2**62.
    """
    if float(np.abs(values).max()) >= LIMIT:
        raise InputError(
            f"Sums reach {np.abs(values).max():.3g}, beyond 62 bits: use smaller tables, weights "
            "or multipliers"
        )


@dataclass(frozen=True)
class Interval:
    """Inclusive bounds of every element of a vector of integers.

    Parameters
    ----------
    lo, hi
        ``[n]`` each, lo <= hi.
    """

    lo: IntArray
    hi: IntArray

    @classmethod
    def of_format(cls, format: CodeFormat, count: int) -> Interval:
        """All codes of a format, for ``count`` elements."""
        return cls(np.full(count, format.lo, np.int64), np.full(count, format.hi, np.int64))

    def __add__(self, other: Interval | IntArray | np.int64) -> Interval:
        lo, hi = (other.lo, other.hi) if isinstance(other, Interval) else (other, other)
        check_magnitude(
            np.stack([self.lo.astype(np.float64) + lo, self.hi + hi.astype(np.float64)])
        )
        return Interval(self.lo + lo, self.hi + hi)

    def scaled(self, factor: IntArray) -> Interval:
        """Multiplied element by element by constants of either sign."""
        check_magnitude(np.stack([self.lo, self.hi]).astype(np.float64) * factor)
        ends = np.stack([self.lo * factor, self.hi * factor])
        return Interval(ends.min(axis=0), ends.max(axis=0))

    def shifted(self, shift: int) -> Interval:
        """After :func:`~kanhw.program.reference.round_shift`, which is monotone."""
        return Interval(round_shift(self.lo, shift), round_shift(self.hi, shift))

    def requantized(self, shift: int, format: CodeFormat) -> Interval:
        """After :func:`~kanhw.program.reference.requantize`, which is monotone."""
        return Interval(
            requantize(self.lo, shift, format.lo, format.hi),
            requantize(self.hi, shift, format.lo, format.hi),
        )

    @property
    def format(self) -> CodeFormat:
        """The narrowest signed format that holds every element."""
        return format_for(int(self.lo.min()), int(self.hi.max()), signed=True)

    def fits(self, format: CodeFormat) -> bool:
        """Whether every element is a code of ``format``."""
        return format.holds(int(self.lo.min()), int(self.hi.max()))
