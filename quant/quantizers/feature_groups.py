"""Which features of a network's input share a scale."""

from __future__ import annotations

import numpy as np

from kanhw.formats import FloatArray, IntArray
from kanhw.numerics import indistinct

__all__ = ["feature_groups"]

# Features share a scale where that makes no range more than this many times its own: two bits.
_WIDENING = 4.0


def feature_groups(values: FloatArray, *, alone: bool) -> IntArray:
    """Give the group of every feature, ``[n]`` integers from 0 on: one scale serves a group.

    Parameters
    ----------
    values
        ``[N, n]`` observed reals.
    alone
        Whether every feature that varies is a group of its own; else those whose ranges are alike
        (a shared one is at most four times as wide as each) are put together, wide ones first.
    """
    lo, hi = values.min(axis=0), values.max(axis=0)
    varies = np.array([not indistinct(*ends) for ends in zip(lo, hi, strict=True)])
    group = np.full(len(lo), -1)
    ends: list[tuple[float, float]] = []
    for i in sorted(np.flatnonzero(varies), key=lambda i: (lo[i] - hi[i], i)):
        group[i] = len(ends)
        for known, (low, high) in enumerate(ends if not alone else []):
            widest = max(high, hi[i]) - min(low, lo[i])
            if widest <= _WIDENING * (hi[i] - lo[i]) and widest <= _WIDENING * (high - low):
                group[i] = known
                break
        own = (float(lo[i]), float(hi[i]))
        if group[i] == len(ends):
            ends.append(own)
        else:
            low, high = ends[group[i]]
            ends[group[i]] = (min(low, own[0]), max(high, own[1]))
    for i in np.flatnonzero(~varies):
        # A constant says nothing of what will come: the widest range that has it, if there is one.
        holds = [known for known, (low, high) in enumerate(ends) if low <= lo[i] <= high]
        group[i] = min(holds, default=-1)
        if group[i] < 0:
            group[i] = len(ends)
            ends.append((float(lo[i]), float(hi[i])))
    return group
