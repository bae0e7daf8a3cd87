"""Codebooks of several heads in reports."""

from __future__ import annotations

from kanhw.reports.kinds.record import LayerReport

__all__ = ["RESIDENT"]

# Its edges are those of several networks: none is drawn.
RESIDENT = LayerReport(plural="residents")
