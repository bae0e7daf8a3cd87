"""The B-spline basis of a KAN layer, exactly as Cox and de Boor define it, in float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.arrays import frozen_array
from kanhw.model.bases.knots import KnotBasis
from kanhw.values import brief_repr, is_integer

__all__ = ["BSplineBasis"]

# float32 knots are uniform to about 3e-6 of a step; real non-uniform grids differ by far more.
UNIFORM_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class BSplineBasis(KnotBasis):
    """B-splines of one order over one knot vector per input.

    Cells are half open, [t_m, t_(m+1)), and every basis is 0 outside of the extended knots: the
    argument is never clamped.

    Parameters
    ----------
    knots
        [n_in, G + 2 p + 1] extended knots (p more on either side of the grid of G cells), strictly
        increasing along each row. Kept as a read-only float64 copy.
    order
        The degree p >= 1 of the polynomials.

    Raises
    ------
    InputError
        If the knots are not 2-D, too few for the order, not finite, repeated or decreasing.
    TypeError
        If the order is not an integer or the knots are not numbers.
    """

    knots: FloatArray
    order: int

    def __post_init__(self) -> None:
        if not is_integer(self.order):
            raise TypeError(f"The spline order must be an integer, not {self.order!r}")
        if self.order < 1:
            raise InputError(f"The spline order must be at least 1, not {self.order}")
        knots = frozen_array(self.knots, "knots", ("n_in", "G + 2 p + 1"))
        if knots.shape[1] < 2 * self.order + 2:
            raise InputError(
                f"A spline of order {self.order} needs at least {2 * self.order + 2} knots (one "
                f"cell and {self.order} more knots on either side), not {knots.shape[1]}"
            )
        _check_increasing(knots)
        object.__setattr__(self, "knots", knots)

    __repr__ = brief_repr

    @property
    def uniform(self) -> npt.NDArray[np.bool_]:
        """[n_in]: whether all cells of an input are equally wide, to 1e-4 of their mean."""
        steps = np.diff(self.knots, axis=1)
        mean = steps.mean(axis=1, keepdims=True)
        result: npt.NDArray[np.bool_] = (
            np.abs(steps - mean) <= UNIFORM_TOLERANCE * mean
        ).all(axis=1)
        return result

    @staticmethod
    def recursion(knots: FloatArray, order: int, x: FloatArray) -> FloatArray:
        """The functions [N, n_in, K] of knots at checked numbers [N, n_in]."""
        return _evaluate(knots, order, x)


def _evaluate(knots: FloatArray, order: int, x: FloatArray) -> FloatArray:
    """Cox-de Boor restricted to the p + 1 functions that live on the cell of each x.

    Function r of the p + 1 has index cell - p + r. Those that fall below 0 or above K - 1 do not
    exist; they land in p spare columns on either side. They use repeated end knots, on which no
    function that exists depends; every span still holds the whole cell, so none is 0.
    """
    n_in, knot_count = knots.shape
    rows = np.arange(n_in)
    cell = np.full(x.shape, -1, np.int64)
    for m in range(knot_count):
        cell += x >= knots[:, m]
    inside = (cell >= 0) & (cell < knot_count - 1)
    cell = np.where(inside, cell, 0)
    x = np.where(inside, x, knots[:, 0])

    padded = np.pad(knots, ((0, 0), (order, order)), mode="edge")
    # near[order - 1 + d] is the knot d places after the start of the cell, d = 1 - p .. p.
    near = [padded[rows, cell + order + d] for d in range(1 - order, order + 1)]
    live = [inside.astype(np.float64)]
    for degree in range(1, order + 1):
        raised = [np.zeros_like(x) for _ in range(degree + 1)]
        for r, lower in enumerate(live):
            start, end = near[order - degree + r], near[order + r]
            ratio = (x - start) / (end - start)
            raised[r] += (1.0 - ratio) * lower
            raised[r + 1] += ratio * lower
        live = raised

    values = np.zeros((*x.shape, knot_count + order - 1), np.float64)
    columns = cell[..., np.newaxis] + np.arange(order + 1)
    np.put_along_axis(values, columns, np.stack(live, axis=-1), axis=-1)
    return values[..., order : knot_count - 1]


def _check_increasing(knots: FloatArray) -> None:
    places = np.argwhere(np.diff(knots, axis=1) <= 0)
    if not len(places):
        return
    i, m = (int(place) for place in places[0])
    here, after = float(knots[i, m]), float(knots[i, m + 1])
    if here == after:
        raise InputError(
            f"Input {i} has the knot {here:.9g} twice (positions {m} and {m + 1}): Cox-de Boor "
            f"divides 0 by 0 there; spread the knots (a fresh uniform grid, or update_grid on data "
            f"that varies and with a larger grid_eps) and train on"
        )
    raise InputError(
        f"Input {i} has decreasing knots: position {m} holds {here:.9g} and position {m + 1} "
        f"{after:.9g}; knots must increase strictly"
    )
