"""Basis tables in reports."""

from __future__ import annotations

import numpy as np

from kanhw.formats import IntArray
from kanhw.program import BasisTableLayer
from kanhw.reports.kinds.record import EdgeFunctions, LayerReport

__all__ = ["BASIS_TABLE"]


def _values(layer: BasisTableLayer, i: int) -> tuple[IntArray, ...]:
    spline: IntArray = layer.coefficients[:, i] @ layer.basis[layer.basis_index[i]].T
    base: IntArray = layer.base_weights[:, i] @ layer.base[layer.base_index[i]].T
    return spline, base


def _peaks(layer: BasisTableLayer) -> tuple[int, ...]:
    return int(np.abs(layer.basis).max()), int(np.abs(layer.base).max())


BASIS_TABLE = LayerReport(plural="basis tables", functions=EdgeFunctions(_values, _peaks))
