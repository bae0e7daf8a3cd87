"""The picture at the top of a README: one measured design at a glance."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from html import escape

import numpy as np

from kanhw.errors import InputError
from kanhw.reports import layer_text, text
from kanhw.reports.curves import EdgePlot, LayerCurves, Trace
from kanhw.reports.summary import Summary
from kanhw.reports.svg import Frame, line_path, step_path

__all__ = ["readme_picture"]

WIDTH, HEIGHT = 1000, 330

# An opaque card: GitHub's theme and the browser's can differ, so nothing may rely on the page.
_STYLE = """
  .card { fill: #ffffff; stroke: #d5dae0; }
  .panel { fill: #f5f7f9; }
  .rule { stroke: #dde1e6; }
  text { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif;
    fill: #1b2128; }
  .soft { fill: #5b6673; }
  .steps { fill: none; stroke: #1f6feb; stroke-width: 2; stroke-linejoin: round; }
  .float { fill: none; stroke: #f5b666; stroke-width: 5; stroke-linejoin: round;
    stroke-linecap: round; }
  .arrow { fill: none; stroke: #8a95a1; stroke-width: 1.6; stroke-linecap: round;
    stroke-linejoin: round; }
  .blue { fill: #1f6feb; } .orange { fill: #c06a00; }
  @media (prefers-color-scheme: dark) {
    .card { fill: #14181d; stroke: #323a43; }
    .panel { fill: #1d242b; }
    .rule { stroke: #323a43; }
    text { fill: #e4e8ec; }
    .soft { fill: #9aa6b2; }
    .steps { stroke: #6aa8ff; }
    .float { stroke: #8a5a1f; }
    .blue { fill: #6aa8ff; } .orange { fill: #f0a04b; }
  }
"""

_OPENING = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
    f'width="{WIDTH}" height="{HEIGHT}" role="img" aria-labelledby="title">'
)

_PLOT = (28, 62, 318, 236)  # left, top, width, height
_FLOW_X, _FLOW_WIDTH = 376, 236
_TABLE_LEFT, _TABLE_RIGHT = 648, 972
# Characters of the layer sizes that fit their box, beside the number of edges.
_SHAPE_LENGTH = 24


def readme_picture(summary: Summary, curves: Sequence[LayerCurves]) -> str:
    """Draw a design: an edge function with its table, the way to Verilog, the measured figures.

    Parameters
    ----------
    summary
        Of the design. What it does not hold is left out, never made up.
    curves
        From :func:`kanhw.reports.network_curves` with a float model; the liveliest edge is drawn.

    Returns
    -------
    str
        A whole SVG document, 1000 x 330.

    Raises
    ------
    InputError
        If no edge has a float curve.
    """
    layer, plot = _liveliest(curves)
    parts = [
        _OPENING,
        f'<title id="title">{escape(_spoken(summary))}</title>',
        f"<style>{_STYLE}</style>",
        f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="12"/>',
        *_edge_panel(layer, plot),
        *_flow(summary),
        *_figures(summary),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _liveliest(curves: Sequence[LayerCurves]) -> tuple[LayerCurves, EdgePlot]:
    """The edge that goes up and down the most for its range, among the wider half of its layer."""
    best: tuple[float, LayerCurves, EdgePlot] | None = None
    for layer in curves:
        for plot in layer.plots[: max(1, len(layer.plots) // 2)]:
            fine = plot.traces[0].fine_y
            if fine is None or np.ptp(fine) == 0:
                continue
            # Beyond two turns more wiggling is no clearer.
            liveliness = min(float(np.abs(np.diff(fine)).sum() / np.ptp(fine)), 2.5)
            if best is None or liveliness > best[0]:
                best = (liveliness, layer, plot)
    if best is None:
        raise InputError(
            "The picture needs an edge with a float curve: pass network_curves(program, model)"
        )
    return best[1], best[2]


def _edge_panel(layer: LayerCurves, plot: EdgePlot) -> list[str]:
    left, top, width, height = _PLOT
    trace = plot.traces[0]
    frame = _frame(trace)
    parts = [
        _text(left, 38, "An edge function becomes a table", size=15, weight=600),
        f'<rect class="panel" x="{left}" y="{top}" width="{width}" height="{height}" rx="8"/>',
    ]
    if frame.y_range[0] < 0 < frame.y_range[1]:
        zero = float(frame.y(0.0))
        parts.append(f'<path class="rule" d="M{left + 12},{zero:.1f}H{left + width - 12}"/>')
    if trace.fine_x is not None and trace.fine_y is not None:
        line = line_path(frame.x(trace.fine_x), frame.y(trace.fine_y))
        parts.append(f'<path class="float" d="{line}"/>')
    parts.append(f'<path class="steps" d="{step_path(frame.x(trace.x), frame.y(trace.y))}"/>')
    foot = top + height - 12
    # The last part of a name such as model.encoder.layers.0 is the telling one.
    name = f"{layer.name[-16:]}: {layer_text.short_edge_name(plot)}"
    if len(plot.traces) > 1:
        name += f", {trace.branch}"
    parts += [
        f'<text x="{left + 14}" y="{top + 20}" font-size="12" font-weight="600">',
        '<tspan class="orange">float function</tspan>',
        f'<tspan class="blue" dx="8">{len(trace.x)} integers</tspan></text>',
        _text(left + 14, foot, name, size=12, style="soft"),
        _text(left + width - 14, foot, _error(trace), size=12, style="soft", anchor="end"),
    ]
    return parts


def _frame(trace: Trace) -> Frame:
    left, top, width, height = _PLOT
    ys = trace.y if trace.fine_y is None else np.concatenate([trace.y, trace.fine_y])
    return Frame(
        x_range=(float(trace.x.min()), float(trace.x.max())),
        y_range=(float(ys.min()), float(ys.max())),
        left=left + 14,
        right=left + width - 14,
        top=top + 34,
        bottom=top + height - 36,
    )


def _error(trace: Trace) -> str:
    return "" if trace.error is None else f"error ≤ {text.real(trace.error)}"


def _flow(summary: Summary) -> list[str]:
    shape = layer_text.shape_text(summary, _SHAPE_LENGTH)
    title = textwrap.shorten(summary.title, 36, placeholder=" …")
    kinds = textwrap.shorten(layer_text.kinds_text(summary), 38, placeholder=" …")
    parameters = text.bits(summary.parameter_bits)
    steps = [
        ("Trained KAN", title, f"{shape}, {text.count(summary.active_edges)} active edges"),
        (
            "Integer program",
            kinds,
            f"{summary.input.format.width} bit inputs, {parameters} of parameters",
        ),
        (
            "Verilog",
            f"latency {summary.latency_cycles} cycles",
            text.throughput_text(summary),
        ),
    ]
    middle = _FLOW_X + _FLOW_WIDTH / 2
    parts = []
    for index, (head, *lines) in enumerate(steps):
        y = 62 + index * 86
        if index:
            parts.append(
                f'<path class="arrow" d="M{middle:g},{y - 17}V{y - 3}m-4.5,-5l4.5,5l4.5,-5"/>'
            )
        parts += [
            f'<rect class="panel" x="{_FLOW_X}" y="{y}" width="{_FLOW_WIDTH}" height="64" rx="8"/>',
            _text(middle, y + 20, head, size=14, weight=600, anchor="middle"),
            _text(middle, y + 38, lines[0], size=12, style="soft", anchor="middle"),
            _text(middle, y + 54, lines[1], size=12, style="soft", anchor="middle"),
        ]
    return [_text(_FLOW_X, 38, "The way to hardware", size=15, weight=600), *parts]


def _figures(summary: Summary) -> list[str]:
    parts = [_text(_TABLE_LEFT, 38, "What came out", size=15, weight=600)]
    rows = _rows(summary)
    pitch = min(34.0, 208 / max(len(rows), 1))
    for index, (label, value) in enumerate(rows):
        y = 62 + (index + 1) * pitch
        base = y - pitch / 2 + 4.5
        parts += [
            _text(_TABLE_LEFT, base, label, size=13, style="soft"),
            _text(_TABLE_RIGHT, base, value, size=14, weight=600, anchor="end"),
            f'<path class="rule" d="M{_TABLE_LEFT},{y:.1f}H{_TABLE_RIGHT}"/>',
        ]
    note = "Resources: post-synthesis estimate" if summary.resources else "Resources: not estimated"
    return [*parts, _text(_TABLE_LEFT, 298, note, size=12, style="soft")]


def _rows(summary: Summary) -> list[tuple[str, str]]:
    names = {"float": "float", "quantized": "integers", "hardware": "hardware"}
    rows = [
        (f"{text.sentence(text.metric_name(score))}, {names[score.stage]}", text.figure(score))
        for score in summary.scores
        if not score.metric.startswith("max_error") and score.stage in names
    ]
    failed = text.verification_failed(summary)
    if not summary.scores:
        rows.append(("Accuracy", "not measured"))
    if not summary.checks and not failed:
        rows.append(("Verilog = integers", "not verified"))
    else:
        vectors = text.count(text.verified_vectors(summary))
        label = "Verilog = integers" if failed else f"Verilog = integers, {vectors} vectors"
        rows.append((label, "FAILED" if failed else "bit for bit"))
    if summary.resources:
        first = summary.resources[0]
        rows += [
            (f"LUT, {first.target}", text.count(first.lut)),
            ("FF", text.count(first.ff)),
            (f"DSP / {first.bram_unit}", f"{first.dsp} / {first.bram}"),
        ]
    return rows


def _spoken(summary: Summary) -> str:
    """The picture in words, for those who cannot see it."""
    facts = ", ".join(f"{label} {value}" for label, value in _rows(summary))
    return f"{summary.title}: a KAN edge function becomes an integer table and Verilog. {facts}"


def _text(
    x: float,
    y: float,
    content: str,
    *,
    size: int,
    style: str = "",
    weight: int = 400,
    anchor: str = "start",
) -> str:
    kind = f' class="{style}"' if style else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}"{kind}>{escape(content)}</text>'
    )
