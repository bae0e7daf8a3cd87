"""The table of kinds: how a stored layer is made again."""

from __future__ import annotations

from collections.abc import Callable

from kanhw.program.kinds.basis_table import BasisTableLayer
from kanhw.program.kinds.branch_edge_table import BranchEdgeTableLayer
from kanhw.program.kinds.codebook import CodebookLayer
from kanhw.program.kinds.edge_table import EdgeTableLayer
from kanhw.program.kinds.layer import ProgramLayer
from kanhw.program.kinds.norm import NormLayer
from kanhw.program.kinds.pooling import PoolingLayer
from kanhw.program.kinds.product import ProductLayer
from kanhw.program.kinds.resident import ResidentLayer
from kanhw.program.kinds.spline_evaluator import SplineEvaluatorLayer

__all__ = ["LAYER_KINDS"]

# A class, or what makes one of stored fields, by kind. Convolutions hold one of the table layers.
LAYER_KINDS: dict[str, Callable[..., ProgramLayer]] = {
    "edge_table": EdgeTableLayer,
    "branch_edge_table": BranchEdgeTableLayer,
    "basis_table": BasisTableLayer,
    "codebook": CodebookLayer,
    "resident": ResidentLayer.stored,
    "spline_evaluator": SplineEvaluatorLayer.stored,
    "layer_norm": NormLayer,
    "product": ProductLayer,
    "pooling": PoolingLayer,
}
