"""Interval arithmetic on integer arrays: how wide a sum can get, from the actual integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import CodeFormat, IntArray, format_for
from kanhw.program.functions.tables import requantize, round_shift

__all__ = ["LIMIT", "Interval", "basis_table_interval", "check_magnitude", "edge_table_interval"]

BoolArray = npt.NDArray[np.bool_]

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
        """After :func:`~kanhw.program.functions.tables.round_shift`, which is monotone."""
        return Interval(round_shift(self.lo, shift), round_shift(self.hi, shift))

    def requantized(self, shift: int, lo: IntArray, hi: IntArray) -> Interval:
        """After :func:`~kanhw.program.functions.tables.requantize`, which is monotone.

        Parameters
        ----------
        shift
            As there.
        lo, hi
            ``[n]``: the ends that every element is clamped to.
        """
        return Interval(requantize(self.lo, shift, lo, hi), requantize(self.hi, shift, lo, hi))

    @property
    def format(self) -> CodeFormat:
        """The narrowest signed format that holds every element."""
        return format_for(int(self.lo.min()), int(self.hi.max()), signed=True)

    def fits(self, format: CodeFormat) -> bool:
        """Whether every element is a code of ``format``."""
        return format.holds(int(self.lo.min()), int(self.hi.max()))


def edge_table_interval(
    tables: IntArray, addresses: Interval, missing: BoolArray | None
) -> Interval:
    """Exact bounds of :func:`~kanhw.program.functions.tables.edge_table_sums`.

    Parameters
    ----------
    tables
        ``[n_out, n_in, 2**width]``.
    addresses
        Of the inputs.
    missing
        ``[n_in]``: whether an input may be absent, which adds 0; None is never.
    """
    lo, hi = _reachable(tables, addresses)
    if missing is not None:
        lo, hi = np.where(missing, np.minimum(lo, 0), lo), np.where(missing, np.maximum(hi, 0), hi)
    check_magnitude(np.stack([lo, hi]).astype(np.float64).sum(axis=2))
    return Interval(lo.sum(axis=1), hi.sum(axis=1))


def basis_table_interval(
    tables: IntArray,
    index: IntArray,
    weights: IntArray,
    addresses: Interval,
    missing: BoolArray | None,
) -> Interval:
    """Exact bounds of :func:`~kanhw.program.functions.tables.basis_table_sums`.

    Parameters
    ----------
    tables, index, weights
        As for that function.
    addresses, missing
        As for :func:`edge_table_interval`.
    """
    n_out, n_in, _ = weights.shape
    total = Interval(np.zeros(n_out, np.int64), np.zeros(n_out, np.int64))
    for i in range(n_in):
        check_magnitude(np.abs(weights[:, i] * 1.0) @ np.abs(tables[index[i]].T * 1.0))
        # [n_out, 1, depth]: what each edge from input i can add, address by address.
        values = (weights[:, i] @ tables[index[i]].T)[:, None]
        one = slice(i, i + 1)
        total = total + edge_table_interval(
            values,
            Interval(addresses.lo[one], addresses.hi[one]),
            None if missing is None else missing[one],
        )
    return total


def _reachable(values: IntArray, addresses: Interval) -> tuple[IntArray, IntArray]:
    """Smallest and largest of ``values[n_out, n_in, depth]`` over each input's addresses."""
    position = np.arange(values.shape[2])
    inside = (position >= addresses.lo[:, None]) & (position <= addresses.hi[:, None])
    far = np.int64(1) << 62
    lo = np.where(inside, values, far).min(axis=2)
    hi = np.where(inside, values, -far).max(axis=2)
    return lo, hi
