"""What bases have in common that are B-splines on a knot vector per input."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from kanhw.formats import FloatArray
from kanhw.model.arrays import checked_batch, input_values

__all__ = ["KnotBasis"]


class KnotBasis(ABC):
    """Functions of one order p on ``knots`` [n_in, G + 2 p + 1], evaluated by ``recursion``."""

    knots: FloatArray
    order: int

    @staticmethod
    @abstractmethod
    def recursion(knots: FloatArray, order: int, x: FloatArray) -> FloatArray:
        """The functions [N, n_in, K] of knots at checked numbers [N, n_in]."""

    @property
    def n_in(self) -> int:
        """How many inputs have a knot vector here."""
        return int(self.knots.shape[0])

    @property
    def count(self) -> int:
        """K = G + p, the basis functions of one input."""
        return int(self.knots.shape[1]) - self.order - 1

    @property
    def spare(self) -> int:
        """The recursion holds p more values per input."""
        return self.order

    @property
    def support(self) -> FloatArray:
        """[n_in, 2]: the first and last knot of each input; the basis is 0 outside."""
        return self.knots[:, [0, -1]]

    def __call__(self, x: FloatArray) -> FloatArray:
        """Evaluate every basis function of every input.

        Parameters
        ----------
        x
            [N, n_in] finite numbers.

        Returns
        -------
        FloatArray
            [N, n_in, K], float64; at most p + 1 neighbours along K are not zero.
        """
        return self.recursion(self.knots, self.order, checked_batch(x, self.n_in, "The basis"))

    def evaluate_input(self, i: int, x: FloatArray) -> FloatArray:
        """Evaluate the basis functions of input ``i`` at ``x`` [M]: [M, K]."""
        points = input_values(i, x, self.n_in)[:, np.newaxis]
        return self.recursion(self.knots[i : i + 1], self.order, points)[:, 0, :]
