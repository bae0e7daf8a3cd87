"""A record of a kind: what reports say of its layers, and the functions that they draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kanhw.formats import IntArray
from kanhw.windows import Window

__all__ = ["EdgeFunctions", "LayerReport"]


@dataclass(frozen=True)
class EdgeFunctions:
    """The edges of a kind as integer functions of codes.

    Parameters
    ----------
    values
        Of a layer and an input: ``[n_out, A]`` of every branch, before the join's multipliers.
    peaks
        Of a layer whose edges are weights: the largest value that a weight of each branch is
        multiplied with. None where tables hold the values themselves.
    """

    values: Callable[[Any, int], tuple[IntArray, ...]]
    peaks: Callable[[Any], tuple[int, ...]] | None = None


def _itself(layer: Any) -> Any:
    """The layer that holds the edges."""
    return layer


def _no_details(layer: Any) -> dict[str, Any]:
    """Nothing besides sizes, widths and bits."""
    return {}


def _no_words(details: Mapping[str, Any], window: Window | None) -> str:
    """Nothing to add to the name of the kind."""
    return ""


@dataclass(frozen=True, kw_only=True)
class LayerReport:
    """What reports say and draw of the layers of a kind.

    Parameters
    ----------
    plural
        What several layers are called.
    has_edges
        Whether every output has an edge from every input that it reads.
    functions
        How its edges are drawn; None for a kind of which none are.
    taps
        The layer that holds the edges: of windows, that of one of them.
    details
        What else there is to a layer, as plain JSON values by name.
    words
        The details in words, with the windows that the layer reads.
    """

    plural: str
    has_edges: bool = True
    functions: EdgeFunctions | None = None
    taps: Callable[[Any], Any] = _itself
    details: Callable[[Any], dict[str, Any]] = _no_details
    words: Callable[[Mapping[str, Any], Window | None], str] = _no_words
