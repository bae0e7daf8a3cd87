"""Pooling in reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kanhw.program import PoolingLayer
from kanhw.reports.kinds.record import LayerReport
from kanhw.reports.kinds.words import window_text
from kanhw.windows import Window

__all__ = ["POOLING"]


def _details(layer: PoolingLayer) -> dict[str, Any]:
    return {"mode": layer.mode}


def _words(details: Mapping[str, Any], window: Window | None) -> str:
    return f"{details['mode']} of {window_text(window)}"


POOLING = LayerReport(plural="pooling", has_edges=False, details=_details, words=_words)
