"""Codebooks in reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kanhw.formats import IntArray
from kanhw.program import CodebookLayer
from kanhw.reports.kinds.record import EdgeFunctions, LayerReport
from kanhw.windows import Window

__all__ = ["CODEBOOK"]


def _values(layer: CodebookLayer, i: int) -> tuple[IntArray, ...]:
    spline, base = layer.edge_tables([i])
    return spline[:, 0], base[:, 0]


def _peaks(layer: CodebookLayer) -> tuple[int, ...]:
    return int(np.abs(layer.shapes).max()), int(np.abs(layer.base).max())


def _details(layer: CodebookLayer) -> dict[str, Any]:
    return {"shapes": layer.shapes.shape[0], "index_bits": layer.index_bits}


def _words(details: Mapping[str, Any], window: Window | None) -> str:
    """How large a codebook is: its shapes, and what naming one costs an edge."""
    shapes, index_bits = details["shapes"], details["index_bits"]
    words = f"{shapes:,} shape{'' if shapes == 1 else 's'}"
    return f"{words}, {index_bits} index bit{'' if index_bits == 1 else 's'} per edge"


CODEBOOK = LayerReport(
    plural="codebooks", functions=EdgeFunctions(_values, _peaks), details=_details, words=_words
)
