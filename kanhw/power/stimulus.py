"""Vectors that activity is counted with where the user gives none."""

from __future__ import annotations

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import IntArray
from kanhw.program import Program
from kanhw.values import is_number

__all__ = ["VECTORS", "toggling_codes"]

VECTORS = 10_000
"""So many are drawn."""


def toggling_codes(program: Program, rate: float, seed: int, count: int = VECTORS) -> IntArray:
    """Random codes whose bits change from vector to vector with a probability.

    Every bit is 0 and 1 equally often and independent of the others, as a vendor's estimate without
    vectors assumes of a design's inputs.

    Parameters
    ----------
    program
        Whose input they are for.
    rate
        The probability, above 0 and at most 1.
    seed
        Of the draw.
    count
        Vectors.

    Raises
    ------
    TypeError, InputError
        If the rate is no such number.
    """
    if not is_number(rate):
        raise TypeError(f"The toggle rate must be a number, as in 0.125, not {rate!r}")
    if not 0 < rate <= 1:
        raise InputError(f"The toggle rate must be above 0 and at most 1, not {rate}")
    rng = np.random.default_rng(seed)
    form = program.input.format
    changes = rng.random((count, program.n_in, form.width)) < rate
    changes[0] = rng.random(changes.shape[1:]) < 0.5
    bits = np.logical_xor.accumulate(changes, axis=0)
    weights = np.int64(1) << np.arange(form.width, dtype=np.int64)
    if form.lo < 0:
        weights[-1] = -weights[-1]
    return np.asarray((bits * weights).sum(axis=2), np.int64)
