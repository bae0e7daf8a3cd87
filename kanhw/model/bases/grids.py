"""The grid of a basis: where its splines were made for values."""

from __future__ import annotations

import numpy as np

from kanhw.formats import FloatArray
from kanhw.model.bases.affine import AffineBasis
from kanhw.model.bases.basis import Basis
from kanhw.model.bases.knots import KnotBasis

__all__ = ["grid_ends"]


def grid_ends(basis: Basis) -> FloatArray | None:
    """Ends of the grid of every input ``[n_in, 2]``, without its extension.

    None for a basis that has no such bounds. Outside, fewer and fewer splines are not 0, and beyond
    the extension none is.
    """
    if isinstance(basis, AffineBasis):
        inner = grid_ends(basis.inner)
        if inner is None:
            return None
        ends: FloatArray = np.sort((inner - basis.shift[:, None]) / basis.scale[:, None], axis=1)
        return ends
    if isinstance(basis, KnotBasis):
        return basis.knots[:, [basis.order, -basis.order - 1]]
    return None
