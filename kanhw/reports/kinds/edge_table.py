"""Edge tables in reports."""

from __future__ import annotations

from kanhw.formats import IntArray
from kanhw.program import EdgeTableLayer
from kanhw.reports.kinds.record import EdgeFunctions, LayerReport

__all__ = ["EDGE_TABLE"]


def _values(layer: EdgeTableLayer, i: int) -> tuple[IntArray, ...]:
    return (layer.tables[:, i],)


EDGE_TABLE = LayerReport(plural="edge tables", functions=EdgeFunctions(_values))
