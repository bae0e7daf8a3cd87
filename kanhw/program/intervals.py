"""Interval arithmetic on integer arrays: how wide a sum can get, from the actual integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kanhw.formats import CodeFormat, IntArray, format_for
from kanhw.program.reference import requantize, round_shift

__all__ = ["Interval"]


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

    def __add__(self, other: Interval | IntArray) -> Interval:
        if isinstance(other, Interval):
            return Interval(self.lo + other.lo, self.hi + other.hi)
        return Interval(self.lo + other, self.hi + other)

    def scaled(self, factor: IntArray) -> Interval:
        """Multiplied element by element by constants of either sign."""
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
