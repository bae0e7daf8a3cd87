"""Basis tables by bank: only as many values a code as are not zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kanhw.formats import IntArray

__all__ = ["BasisBanks", "basis_banks"]


@dataclass(frozen=True)
class BasisBanks:
    """Basis values in ``L`` banks: basis function k is in row ``k // L`` of bank ``k % L``.

    At every code the functions that are not zero lie within L consecutive ones, hence in a bank
    each. So a bank needs one value a code, that of its live function, and the row of it.

    Parameters
    ----------
    values, rows
        ``[tables, 2**width, L]``: of every bank, the live function's value and its row.
    depth
        Rows of a bank.
    """

    values: IntArray
    rows: IntArray
    depth: int

    @property
    def count(self) -> int:
        """Number of banks L."""
        return int(self.values.shape[2])

    def weights(self, weights: IntArray) -> IntArray:
        """Weights ``[..., K]`` by bank and row, ``[..., L, depth]``; 0 where there is none."""
        padding = self.count * self.depth - weights.shape[-1]
        filled = np.pad(weights, [(0, 0)] * (weights.ndim - 1) + [(0, padding)])
        split = filled.reshape(*weights.shape[:-1], self.depth, self.count)
        return split.swapaxes(-1, -2)


def basis_banks(tables: IntArray) -> BasisBanks:
    """The fewest banks that basis tables ``[tables, 2**width, K]`` allow, at least one."""
    live = tables != 0
    functions = tables.shape[2]
    first = np.where(live.any(axis=2), live.argmax(axis=2), 0)
    last = np.where(live.any(axis=2), functions - 1 - live[:, :, ::-1].argmax(axis=2), 0)
    count = int((last - first).max()) + 1
    start = np.minimum(first, functions - count)[:, :, None]
    bank = np.arange(count)
    function = start + (bank - start) % count
    values = np.take_along_axis(tables, function, axis=2)
    return BasisBanks(values, function // count, -(-functions // count))
