"""The table of how layers of every kind are laid out: which stage each becomes, folded or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from kanhw.errors import InputError
from kanhw.program import ConvolutionLayer, PoolingLayer, ProgramLayer
from kanhw.schedule.schedule import Schedule
from kanhw.windows import Window

__all__ = [
    "LAYER_LAYOUTS",
    "LINE_BUFFERS",
    "PIPELINE",
    "LayerLayout",
    "edges_of",
    "is_folded",
    "is_pipelined",
    "layout_of",
    "unrolled_stage",
    "window_of",
]

# The stage that takes a vector at every clock; neighbours of it become one.
PIPELINE = "pipeline"
# The stages that have a line buffer in front of their windows.
LINE_BUFFERS = ("convolution", "pooling")


@dataclass(frozen=True)
class LayerLayout:
    """The record of a kind of layer: the stages that it may become, and what it reads.

    Parameters
    ----------
    unrolled
        The kind of stage that such a layer becomes with hardware for every edge; None if it is
        always folded. ``pipeline`` takes a vector at every clock.
    folded
        The kind of stage that it becomes when its edges take turns; None if it cannot be folded.
    reads_codes
        Whether it computes with codes: the layer in front may not hand it a raw sum as an address.
    window
        The windows of a layer that takes an image pixel by pixel; None for one that takes vectors.
    edges
        The layer of one window; None where that is the layer itself.
    own_tables
        Whether every edge has tables of its own even where edges take turns, so that these can
        contain the ranges of the codes that they read: the layer has a method ``clamped``.
    """

    unrolled: str | None
    folded: str | None = None
    reads_codes: bool = False
    window: Callable[[ProgramLayer], Window] | None = None
    edges: Callable[[ProgramLayer], ProgramLayer] | None = None
    own_tables: bool = False


def _taps(layer: ProgramLayer) -> ProgramLayer:
    return cast(ConvolutionLayer, layer).taps


def _window(layer: ProgramLayer) -> Window:
    return cast(ConvolutionLayer | PoolingLayer, layer).window


LAYER_LAYOUTS: dict[str, LayerLayout] = {
    "edge_table": LayerLayout(PIPELINE, "folded", own_tables=True),
    "branch_edge_table": LayerLayout(PIPELINE, "folded", own_tables=True),
    "basis_table": LayerLayout(PIPELINE, "folded"),
    "codebook": LayerLayout(PIPELINE, "folded"),
    "spline_evaluator": LayerLayout(PIPELINE, "folded", reads_codes=True),
    "product": LayerLayout(PIPELINE, reads_codes=True),
    "resident": LayerLayout(None, "resident"),
    "layer_norm": LayerLayout("layer_norm", reads_codes=True),
    "convolution": LayerLayout("convolution", "folded_convolution", window=_window, edges=_taps),
    "pooling": LayerLayout("pooling", window=_window),
}


def layout_of(layer: ProgramLayer) -> LayerLayout:
    """The record of a layer's kind.

    Raises
    ------
    InputError
        If there is none.
    """
    record = LAYER_LAYOUTS.get(layer.kind)
    if record is None:
        raise InputError(
            f"Layer {layer.name!r}: nothing says how layers of kind {layer.kind!r} are laid out: "
            "add a LayerLayout to LAYER_LAYOUTS (kanhw.schedule.layer_layouts), which knows "
            f"{', '.join(LAYER_LAYOUTS)}"
        )
    return record


def edges_of(layer: ProgramLayer) -> ProgramLayer:
    """The layer whose edges are computed: of one window, or the layer itself."""
    own = layout_of(layer).edges
    return layer if own is None else own(layer)


def window_of(layer: ProgramLayer) -> Window | None:
    """The windows of a layer that takes an image pixel by pixel; None for one of vectors."""
    own = layout_of(layer).window
    return None if own is None else own(layer)


def is_folded(layer: ProgramLayer, schedule: Schedule) -> bool:
    """True where the edges of a layer take turns with its hardware."""
    if not schedule.folded or layout_of(layer).folded is None:
        return False
    return layout_of(edges_of(layer)).folded is not None


def is_pipelined(layer: ProgramLayer, schedule: Schedule) -> bool:
    """True where a layer takes a vector at every clock."""
    return layout_of(layer).unrolled == PIPELINE and not is_folded(layer, schedule)


def unrolled_stage(layer: ProgramLayer) -> str:
    """The kind of stage that a layer becomes with hardware for every edge.

    Raises
    ------
    InputError
        If it is always folded.
    """
    kind = layout_of(layer).unrolled
    if kind is None:
        raise InputError(
            f"Layer {layer.name!r}: layers of kind {layer.kind!r} are always folded: use "
            "Schedule(kind='folded')"
        )
    return kind
