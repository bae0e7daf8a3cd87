"""B-splines on knots that may repeat, by PyKAN's rule, in float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.arrays import frozen_array
from kanhw.model.bases.knots import KnotBasis
from kanhw.values import brief_repr, is_integer

__all__ = ["RepeatedKnotBasis"]


@dataclass(frozen=True, eq=False)
class RepeatedKnotBasis(KnotBasis):
    """B-splines whose recursion drops a function when either of its two terms is 0/0.

    PyKAN replaces NaN by 0 in the *sum* of the two terms of Cox-de Boor, at each degree. So a
    function of degree q is 0 everywhere if one of the two of degree q - 1 that it is made of has no
    width, where the textbook leaves out that term alone. On knots that do not repeat this is the
    same as :class:`kanhw.model.bases.bspline.BSplineBasis`, which is quicker.

    Parameters
    ----------
    knots
        [n_in, G + 2 p + 1] extended knots, none below its neighbour on the left. Kept as a
        read-only float64 copy.
    order
        The degree p >= 1.

    Raises
    ------
    InputError
        If the knots are not 2-D, too few for the order, not finite or decreasing.
    TypeError
        If the order is not an integer or the knots are not numbers.
    """

    knots: FloatArray
    order: int

    def __post_init__(self) -> None:
        if not is_integer(self.order):
            raise TypeError(f"The spline order must be an integer, not {self.order!r}")
        knots = frozen_array(self.knots, "knots", ("n_in", "G + 2 p + 1"))
        if self.order < 1 or knots.shape[1] < 2 * self.order + 2:
            raise InputError(
                f"A spline needs an order p of at least 1 and 2 p + 2 knots, not order "
                f"{self.order} and {knots.shape[1]} knots"
            )
        places = np.argwhere(np.diff(knots, axis=1) < 0)
        if len(places):
            i, m = (int(place) for place in places[0])
            raise InputError(
                f"Input {i} has decreasing knots: position {m} holds {knots[i, m]:.9g} and "
                f"position {m + 1} {knots[i, m + 1]:.9g}"
            )
        object.__setattr__(self, "knots", knots)

    __repr__ = brief_repr

    @staticmethod
    def recursion(knots: FloatArray, order: int, x: FloatArray) -> FloatArray:
        """The functions [N, n_in, K] of knots at checked numbers [N, n_in]."""
        return _evaluate(knots, order, x)


def _evaluate(knots: FloatArray, order: int, x: FloatArray) -> FloatArray:
    x = x[..., np.newaxis]
    values = ((x >= knots[:, :-1]) & (x < knots[:, 1:])).astype(np.float64)
    for degree in range(1, order + 1):
        width = knots[:, degree:] - knots[:, :-degree]
        empty = width == 0
        progress = (x - knots[:, :-degree]) / np.where(empty, 1.0, width)
        values = progress[..., :-1] * values[..., :-1] + (1 - progress[..., 1:]) * values[..., 1:]
        values[:, empty[:, :-1] | empty[:, 1:]] = 0.0
    return values
