"""The table of kinds: how what the edges of each add up is written."""

from __future__ import annotations

from collections.abc import Callable

from kanhw.hls.kinds.basis_table import basis_table
from kanhw.hls.kinds.codebook import codebook
from kanhw.hls.kinds.edge_table import branch_edge_table, edge_table
from kanhw.hls.kinds.product import product
from kanhw.hls.kinds.site import EdgeSite
from kanhw.hls.kinds.spline_evaluator import spline_evaluator
from kanhw.records import record_of

__all__ = ["LAYER_SUMS", "EdgeWriter", "sums_writer"]

EdgeWriter = Callable[[EdgeSite], list[str]]
"""Statements of C++ that add to ``sums.BRANCH[j]`` what the inputs ``a0[i]``, ``a1[i]`` make."""

LAYER_SUMS: dict[str, EdgeWriter] = {
    "edge_table": edge_table,
    "branch_edge_table": branch_edge_table,
    "basis_table": basis_table,
    "codebook": codebook,
    "resident": codebook,
    "spline_evaluator": spline_evaluator,
    "product": product,
}


def sums_writer(kind: str) -> EdgeWriter:
    """What writes the sums of layers of a kind.

    Raises
    ------
    InputError
        If there is none.
    """
    return record_of(LAYER_SUMS, kind, "C++ of sums", "LAYER_SUMS (kanhw.hls.kinds.table)")
