"""The grid of a basis: where its splines were made for values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kanhw.formats import FloatArray
from kanhw.model.bases.affine import AffineBasis
from kanhw.model.bases.basis import Basis, NoBasis
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.bases.knots import KnotBasis
from kanhw.model.bases.polynomial import ChebyshevBasis, GramBasis
from kanhw.model.bases.radial import RadialBasis
from kanhw.model.bases.repeated_knots import RepeatedKnotBasis
from kanhw.records import record_of

__all__ = ["GRIDS", "grid_ends"]


def grid_ends(basis: Basis) -> FloatArray | None:
    """Ends of the grid of every input ``[n_in, 2]``, without its extension.

    None for a basis that has no such bounds. Outside, fewer and fewer splines are not 0, and beyond
    the extension none is.

    Raises
    ------
    InputError
        If nothing says what grid such a basis has.
    """
    return record_of(GRIDS, type(basis), "grid of bases", "kanhw.model.bases.grids.GRIDS")(basis)


def _knots(basis: KnotBasis) -> FloatArray:
    return basis.knots[:, [basis.order, -basis.order - 1]]


def _affine(basis: AffineBasis) -> FloatArray | None:
    inner = grid_ends(basis.inner)
    if inner is None:
        return None
    ends: FloatArray = np.sort((inner - basis.shift[:, None]) / basis.scale[:, None], axis=1)
    return ends


def _unbounded(basis: Basis) -> None:
    return None


# The grids of bases of every kind.
GRIDS: dict[type, Callable[[Any], FloatArray | None]] = {
    BSplineBasis: _knots,
    RepeatedKnotBasis: _knots,
    AffineBasis: _affine,
    RadialBasis: _unbounded,
    GramBasis: _unbounded,
    ChebyshevBasis: _unbounded,
    NoBasis: _unbounded,
}
