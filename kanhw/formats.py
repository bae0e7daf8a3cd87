"""Integer code formats: the one description of a number's width shared by every stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.entries import Entry
from kanhw.errors import InputError
from kanhw.values import brief, is_integer

__all__ = ["CodeFormat", "FloatArray", "IntArray", "format_for"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CodeFormat:
    """An integer code of ``width`` bits, two's complement when ``signed``.

    Parameters
    ----------
    width
        Number of bits, 1 to 63 (a code and the sums made of it fit an int64).
    signed
        Whether the top bit is the sign.
    """

    width: int
    signed: bool

    def __post_init__(self) -> None:
        if not is_integer(self.width):
            raise TypeError(f"Code width must be an integer, not {brief(self.width)}")
        if not isinstance(self.signed, bool):
            raise TypeError(f"Code signed must be True or False, not {brief(self.signed)}")
        if not 1 <= self.width <= 63:
            raise InputError(f"Code width must be 1 to 63 bits, not {brief(self.width)}")

    @property
    def lo(self) -> int:
        """The smallest code."""
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def hi(self) -> int:
        """The largest code."""
        return (1 << (self.width - 1)) - 1 if self.signed else (1 << self.width) - 1

    @property
    def count(self) -> int:
        """How many codes there are, which is the depth of a table that they address."""
        return 1 << self.width

    def codes(self) -> IntArray:
        """Every code in the order of table addresses: address a holds code ``lo + a``."""
        return np.arange(self.lo, self.hi + 1, dtype=np.int64)

    def holds(self, lo: int, hi: int) -> bool:
        """Whether every integer of [lo, hi] is a code of this format."""
        return self.lo <= lo and hi <= self.hi

    def to_json(self) -> dict[str, Any]:
        """The format as plain JSON values."""
        return {"width": self.width, "signed": self.signed}

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | Entry) -> CodeFormat:
        """The inverse of :meth:`to_json`; other keys are the caller's."""
        entry = data if isinstance(data, Entry) else Entry(data, "the format of a code")
        return cls(width=entry.integer("width"), signed=entry.boolean("signed"))

    def __str__(self) -> str:
        return f"{'signed' if self.signed else 'unsigned'} {self.width} bit"


def format_for(lo: int, hi: int, *, signed: bool | None = None) -> CodeFormat:
    """The narrowest format that holds every integer of [lo, hi].

    Parameters
    ----------
    lo, hi
        The interval, lo <= hi.
    signed
        True asks for a signed format even where an unsigned one would do; None chooses.
    """
    lo, hi = int(lo), int(hi)
    if lo > hi:
        raise InputError(f"An interval needs lo <= hi, not [{lo}, {hi}]")
    if signed or lo < 0:
        return CodeFormat(max(hi, -lo - 1, 0).bit_length() + 1, True)
    return CodeFormat(max(hi.bit_length(), 1), False)
