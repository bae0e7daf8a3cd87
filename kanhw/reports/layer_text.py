"""Layers and edges in words, the same in the terminal, the HTML report and the picture."""

from __future__ import annotations

from kanhw.design.design import Port
from kanhw.reports.curves import EdgePlot, LayerCurves
from kanhw.reports.kinds.kinds import report_of
from kanhw.reports.kinds.words import times
from kanhw.reports.layer_facts import LayerFacts
from kanhw.reports.summary import Summary
from kanhw.reports.text import count, format_list

__all__ = [
    "codes_text",
    "curves_title",
    "edge_name",
    "edges_text",
    "kind_text",
    "kinds_text",
    "layer_details",
    "output_list",
    "shape_text",
    "short_edge_name",
    "sizes_text",
]

def output_list(layer: LayerFacts) -> str:
    """The formats that leave a layer, those that it only passes on marked."""
    own = format_list(layer.outputs[: len(layer.sums)])
    return f"{own}, {format_list(layer.passed)} passed on" if layer.passed else own


def kind_text(layer: LayerFacts) -> str:
    """The kind of a layer in words."""
    return layer.kind.replace("_", " ")


def kinds_text(summary: Summary) -> str:
    """The kinds of all layers, such as ``edge tables, products and pooling``."""
    names = [report_of(layer.kind).plural for layer in summary.layers]
    *first, last = dict.fromkeys(names)
    return f"{', '.join(first)} and {last}" if first else last


def layer_details(layer: LayerFacts) -> str:
    """What else there is to a layer; empty for a plain one."""
    return report_of(layer.kind).words(layer.details, layer.window)


def sizes_text(layer: LayerFacts) -> str:
    """Sizes in and out; those of an image are channels × rows × columns."""
    return f"{times(layer.in_shape)} → {times(layer.out_shape)}"


def shape_text(summary: Summary, longest: int | None = None) -> str:
    """The sizes of all layers, or if that is too long of the first and last."""
    sizes = [layer.out_shape for layer in summary.stations]
    names = [times(shape) for shape in (summary.layers[0].in_shape, *sizes)]
    whole = " → ".join(names)
    return f"{names[0]} → … → {names[-1]}" if longest and len(whole) > longest else whole


def edges_text(layer: LayerFacts) -> str:
    """Active edges of those that there could be; a dash for a layer without edges."""
    if not layer.edges:
        return "–"
    return f"{count(layer.active_edges)} of {count(layer.edges)}"


def codes_text(port: Port) -> str:
    """What passes a port, such as ``64 codes (unsigned 8 bit)``."""
    codes = f"{count(port.count)} code{'' if port.count == 1 else 's'}"
    if port.beats == 1:
        return f"{codes} ({port.format})"
    if port.length is not None:
        return f"{count(port.length)} codes, {count(port.count)} a beat ({port.format})"
    return f"{count(port.beats)} pixels of {codes} ({port.format})"


def curves_title(curves: LayerCurves) -> str:
    """Heading of a layer's plots."""
    if curves.window is None:
        return f"{curves.name}: {curves.n_in} → {curves.n_out}"
    taps = f"{curves.n_in} tap{'' if curves.n_in == 1 else 's'}"
    channels = f"{curves.n_out} channel{'' if curves.n_out == 1 else 's'}"
    return f"{curves.name}: {taps} → {channels}, the same at {curves.window.positions} positions"


def edge_name(plot: EdgePlot) -> str:
    """An edge in words."""
    if plot.tap is None:
        return f"input {plot.input} to output {plot.output}"
    channel, row, column = plot.tap
    return f"channel {channel}, row {row}, column {column} of the window to channel {plot.output}"


def short_edge_name(plot: EdgePlot) -> str:
    """An edge in a caption: ``in 3 → out 1``, or the channel and place in the window."""
    if plot.tap is None:
        return f"in {plot.input} → out {plot.output}"
    channel, row, column = plot.tap
    return f"in {channel} [{row}, {column}] → out {plot.output}"
