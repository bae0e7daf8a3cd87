"""Products in reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kanhw.program import ProductLayer
from kanhw.reports.kinds.record import LayerReport
from kanhw.windows import Window

__all__ = ["PRODUCT"]


def _details(layer: ProductLayer) -> dict[str, Any]:
    return {"factors": [len(group) for group in layer.groups]}


def _words(details: Mapping[str, Any], window: Window | None) -> str:
    factors = details["factors"]
    products = [number for number in factors if number > 1]
    single = len(factors) - len(products)
    words = f"products of {', '.join(map(str, products))}" if products else "no products"
    return f"{words}; {single} handed on" if single else words


PRODUCT = LayerReport(plural="products", has_edges=False, details=_details, words=_words)
