"""Gaussian bumps on centres that a whole layer shares, in float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kanhw import numerics
from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.arrays import (
    checked_batch,
    frozen_array,
    input_values,
    positive_count,
)
from kanhw.values import brief_repr, is_number

__all__ = ["RadialBasis"]


@dataclass(frozen=True, eq=False)
class RadialBasis:
    """``exp(-((z - g_k) / d)^2)`` for every centre g_k: FastKAN's basis.

    There is no factor 1/2, so the standard deviation of a bump is d / sqrt(2). A bump never
    becomes 0, but is below 2^-17 from 3.44 d on.

    Parameters
    ----------
    centres
        ``[K]``, at least one; they need not be evenly spaced. Kept as a read-only float64 copy.
    denominator
        d > 0, in units of z.
    n_in
        Inputs, at least 1.

    Raises
    ------
    InputError
        If a number is not finite, d is not positive or there are no inputs.
    TypeError
        If ``n_in`` is not an integer or ``denominator`` no number.
    """

    centres: FloatArray
    denominator: float
    n_in: int

    def __post_init__(self) -> None:
        positive_count(self.n_in)
        object.__setattr__(self, "centres", frozen_array(self.centres, "centres", ("K",)))
        if not is_number(self.denominator):
            raise TypeError(f"The RBF denominator must be a number, not {self.denominator!r}")
        if not (np.isfinite(self.denominator) and self.denominator > 0):
            raise InputError(
                f"The RBF denominator must be positive and finite, not {self.denominator}"
            )
        object.__setattr__(self, "denominator", float(self.denominator))

    __repr__ = brief_repr

    @property
    def count(self) -> int:
        """K, the centres."""
        return int(self.centres.shape[0])

    @property
    def spare(self) -> int:
        """Nothing but the results is held."""
        return 0

    @property
    def support(self) -> None:
        """A bump is 0 nowhere."""
        return

    def __call__(self, x: FloatArray) -> FloatArray:
        """``[N, n_in]`` finite numbers to ``[N, n_in, K]``."""
        return self._values(checked_batch(x, self.n_in, "The basis"))

    def evaluate_input(self, i: int, x: FloatArray) -> FloatArray:
        """Evaluate the functions of input ``i`` at ``x`` ``[M]``: ``[M, K]``."""
        return self._values(input_values(i, x, self.n_in))

    def _values(self, z: FloatArray) -> FloatArray:
        distance = (z[..., np.newaxis] - self.centres) / self.denominator
        # Far away the square overflows to infinity, whose exp is the 0 that is meant.
        with np.errstate(over="ignore"):
            result: FloatArray = numerics.exp(-np.square(distance))
        return result
