"""Layer normalisations in reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kanhw.program import NormLayer
from kanhw.reports.kinds.record import LayerReport
from kanhw.windows import Window

__all__ = ["NORM"]


def _details(layer: NormLayer) -> dict[str, Any]:
    return {"fraction_bits": layer.fraction_bits, "epsilon": layer.epsilon}


def _words(details: Mapping[str, Any], window: Window | None) -> str:
    return f"{details['fraction_bits']} fraction bits in the reciprocal root"


NORM = LayerReport(plural="layer norms", has_edges=False, details=_details, words=_words)
