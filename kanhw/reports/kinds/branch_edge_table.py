"""Edge tables of two branches in reports."""

from __future__ import annotations

from kanhw.formats import IntArray
from kanhw.program import BranchEdgeTableLayer
from kanhw.reports.kinds.record import EdgeFunctions, LayerReport

__all__ = ["BRANCH_EDGE_TABLE"]


def _values(layer: BranchEdgeTableLayer, i: int) -> tuple[IntArray, ...]:
    return layer.spline_tables[:, i], layer.base_tables[:, i]


# In a list of kinds they are edge tables, whose branches do not matter.
BRANCH_EDGE_TABLE = LayerReport(plural="edge tables", functions=EdgeFunctions(_values))
