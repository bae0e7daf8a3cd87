"""The form in which a code travels between two layers: an unsigned table address."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kanhw.formats import CodeFormat, IntArray

__all__ = ["FREE_ADDRESS_BITS", "Address", "input_addresses", "output_address"]

# A LUT6 reads six bits at the price of five: up to here a wider table costs no more.
FREE_ADDRESS_BITS = 6


@dataclass(frozen=True)
class Address:
    """A signal of ``width`` bits between two layers, and the code that it stands for.

    The signal holds p in [lo, hi], and stands for entry ``clamp(p + offset, first, last)`` of the
    consumer's tables; ``last`` None is ``2**code_width - 1``. A saturated code has offset 0, or,
    where its value has fewer codes than the format, the first of these. A narrow sum may travel as
    it is, with its smallest value as offset: the consumer's tables then contain the saturation. A
    ``padded`` value may be absent, which a flag beside the signal says; then it adds nothing to any
    sum.
    """

    width: int
    lo: int
    hi: int
    code_width: int
    offset: int = 0
    padded: bool = False
    first: int = 0
    last: int | None = None

    @property
    def saturated(self) -> bool:
        """True where the signal is the code's own table address."""
        return self.offset == 0 and self.width == self.code_width

    @cached_property
    def entries(self) -> IntArray:
        """Entry of the consumer's tables for every value of the signal, ``[2**width]``."""
        position = np.arange(1 << self.width, dtype=np.int64)
        return (position + self.offset).clip(self.first, self.highest)

    def entry(self, position: int) -> int:
        """Entry of the consumer's tables for one value of the signal, of whatever width."""
        return min(max(position + self.offset, self.first), self.highest)

    @property
    def highest(self) -> int:
        """The last entry of the consumer's tables that it may stand for."""
        return (1 << self.code_width) - 1 if self.last is None else self.last


def input_addresses(format: CodeFormat, count: int) -> tuple[Address, ...]:
    """Addresses of a network's input codes."""
    return (Address(format.width, 0, format.count - 1, format.width),) * count


def output_address(
    lo: int, hi: int, format: CodeFormat, *, last: bool, codes: tuple[int, int] | None = None
) -> Address:
    """The form in which a rounded sum is handed on.

    Parameters
    ----------
    lo, hi
        Of the rounded sum, before saturation.
    format
        Of the code.
    last
        Whether it leaves the network, where only the code itself will do.
    codes
        Smallest and largest code of a value that has fewer than the format, which the consumer's
        tables are addressed within; None is all. Not with ``last``.
    """
    if codes is not None and codes != (format.lo, format.hi):
        return _ranged_address(lo, hi, format, codes)
    width, top = format.width, format.count - 1
    lowest, highest = lo - format.lo, hi - format.lo
    raw_width = max((hi - lo).bit_length(), 1)
    saturates = lowest < 0 or highest > top
    if saturates and not last and raw_width <= max(FREE_ADDRESS_BITS, width):
        return Address(raw_width, 0, hi - lo, width, lowest)
    return Address(width, min(max(lowest, 0), top), min(max(highest, 0), top), width)


def _ranged_address(lo: int, hi: int, format: CodeFormat, codes: tuple[int, int]) -> Address:
    """As :func:`output_address`, of as few bits as the range needs; tables contain what is left."""
    first, last = (end - format.lo for end in codes)
    width = max((last - first).bit_length(), 1)
    lowest, highest = lo - format.lo, hi - format.lo
    raw_width = max((hi - lo).bit_length(), 1)
    saturates = lowest < first or highest > last
    if saturates and raw_width <= max(FREE_ADDRESS_BITS, width):
        return Address(raw_width, 0, hi - lo, format.width, lowest, first=first, last=last)
    top = (1 << width) - 1
    lowest, highest = (min(max(end - first, 0), top) for end in (lowest, highest))
    return Address(width, lowest, highest, format.width, first, first=first, last=last)
