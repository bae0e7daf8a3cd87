"""The table of kinds: what reports say and draw of the layers of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kanhw.program import ConvolutionLayer, ProgramLayer
from kanhw.records import record_of
from kanhw.reports.kinds.basis_table import BASIS_TABLE
from kanhw.reports.kinds.branch_edge_table import BRANCH_EDGE_TABLE
from kanhw.reports.kinds.codebook import CODEBOOK
from kanhw.reports.kinds.edge_table import EDGE_TABLE
from kanhw.reports.kinds.norm import NORM
from kanhw.reports.kinds.pooling import POOLING
from kanhw.reports.kinds.product import PRODUCT
from kanhw.reports.kinds.record import LayerReport
from kanhw.reports.kinds.resident import RESIDENT
from kanhw.reports.kinds.spline_evaluator import SPLINE_EVALUATOR
from kanhw.reports.kinds.words import window_text
from kanhw.windows import Window

__all__ = ["LAYER_REPORTS", "report_of"]


def report_of(kind: str) -> LayerReport:
    """What reports say of a kind; an InputError names one that they do not know."""
    return record_of(LAYER_REPORTS, kind, "report of layers", "kanhw.reports.kinds.kinds")


def _taps(layer: ConvolutionLayer) -> ProgramLayer:
    return layer.taps


def _convolution_details(layer: ConvolutionLayer) -> dict[str, Any]:
    return {"taps": layer.taps.kind, **report_of(layer.taps.kind).details(layer.taps)}


def _convolution_words(details: Mapping[str, Any], window: Window | None) -> str:
    kind = details["taps"]
    own = report_of(kind).words(details, None)
    return f"{kind.replace('_', ' ')}s{f' of {own}' if own else ''} on {window_text(window)}"


LAYER_REPORTS: dict[str, LayerReport] = {
    "edge_table": EDGE_TABLE,
    "branch_edge_table": BRANCH_EDGE_TABLE,
    "basis_table": BASIS_TABLE,
    "codebook": CODEBOOK,
    "resident": RESIDENT,
    "spline_evaluator": SPLINE_EVALUATOR,
    "layer_norm": NORM,
    "product": PRODUCT,
    "pooling": POOLING,
    # A layer of edges on windows: it is drawn as its taps.
    "convolution": LayerReport(
        plural="convolutions",
        taps=_taps,
        details=_convolution_details,
        words=_convolution_words,
    ),
}
