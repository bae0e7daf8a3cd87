"""Sums of integer tables, in float64."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kanhw.formats import FloatArray, IntArray

__all__ = ["table_sums"]


def table_sums(
    tables: IntArray, address: IntArray, present: npt.NDArray[np.bool_] | None = None
) -> FloatArray:
    """The sums ``[N, n_out]`` of tables ``[n_out, n_in, A]``; what is not ``present`` adds 0."""
    total = np.zeros((len(address), tables.shape[0]))
    for i in range(tables.shape[1]):
        values = tables[:, i].astype(np.float64)[:, address[:, i]].T
        total += values if present is None else values * present[:, i : i + 1]
    return total
