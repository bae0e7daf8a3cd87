"""Evaluated splines in reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kanhw.formats import IntArray
from kanhw.program import SplineEvaluatorLayer
from kanhw.reports.kinds.record import EdgeFunctions, LayerReport
from kanhw.reports.kinds.words import lsb
from kanhw.windows import Window

__all__ = ["SPLINE_EVALUATOR"]


def _values(layer: SplineEvaluatorLayer, i: int) -> tuple[IntArray, ...]:
    spline: IntArray = layer.coefficients[:, i] @ layer.basis_values(i).T
    base: IntArray = layer.base_weights[:, i] @ layer.base_values(i)[np.newaxis]
    return spline, base


def _peaks(layer: SplineEvaluatorLayer) -> tuple[int, ...]:
    return int(np.abs(layer.splines.pieces).max()), int(np.abs(layer.base.values).max())


def _details(layer: SplineEvaluatorLayer) -> dict[str, Any]:
    return {
        "order": layer.splines.order,
        "variant": layer.splines.variant,
        "aligned": layer.splines.aligned,
        "errors": dict(layer.errors),
        "note": layer.note,
    }


def _words(details: Mapping[str, Any], window: Window | None) -> str:
    """Where an evaluator's functions come from, how exact they are, what the grid did not allow."""
    source = "arithmetic" if details["variant"] == "arithmetic" else "a half table"
    words = f"order {details['order']} by {source}"
    errors = details["errors"]
    if errors:
        words += f", basis within {lsb(errors['basis'])} (at most {lsb(errors['basis_bound'])})"
        words += f", base within {lsb(errors['base'])}"
    return f"{words}; {details['note']}" if details["note"] else words


SPLINE_EVALUATOR = LayerReport(
    plural="spline evaluators",
    functions=EdgeFunctions(_values, _peaks),
    details=_details,
    words=_words,
)
