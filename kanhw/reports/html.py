"""A summary as one HTML file that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kanhw.estimation.resources import ResourceEstimate
from kanhw.measures import OutputError
from kanhw.places import write_whole
from kanhw.reports import layer_text, text
from kanhw.reports.curves import EdgePlot, LayerCurves
from kanhw.reports.measured import timing
from kanhw.reports.measured.charts import share_bar
from kanhw.reports.measured.measured import MOST_ROWS, Measured
from kanhw.reports.measured.scales import EndScale
from kanhw.reports.summary import Summary
from kanhw.reports.svg import edge_svg
from kanhw.targets.table import TARGETS

__all__ = ["write_html"]

# A layer no larger than this is drawn as its matrix: rows are outputs, columns inputs.
MATRIX_COLUMNS, MATRIX_EDGES = 8, 48
# Of a larger layer, the edges that are open from the start.
FIRST_EDGES = 24


@dataclass(frozen=True)
class _Cell:
    """One plot of the page, with its caption.

    The drawing's only free text is escaped where it is made; the page takes it as it is.
    """

    edge: EdgePlot
    drawing: str

    @property
    def caption(self) -> str:
        """The error of the edge, empty where it is not known."""
        if self.edge.error is None or self.edge.error_steps is None:
            return ""
        less = f"float less {text.real(self.edge.constant)}, " if self.edge.constant else ""
        return f"{less}error {text.real(self.edge.error)} · {text.lsb(self.edge.error_steps)}"


@dataclass(frozen=True)
class _LayerPage:
    """The edge plots of one layer, arranged."""

    curves: LayerCurves
    matrix: list[list[_Cell | None]] | None
    first: list[_Cell]
    rest: list[_Cell]

    @property
    def note(self) -> str:
        """How many edges are shown of how many."""
        active, drawn = self.curves.active, len(self.curves.plots)
        if self.matrix is not None:
            return f"All {active} active edges."
        if not self.rest and drawn == active:
            return f"All {active} active edges, widest range first."
        note = f"The {len(self.first)} edges with the widest range, of {active} active edges."
        if drawn < active:
            note += f" The {active - drawn} edges with the narrowest range are not drawn."
        return note

    @property
    def has_float(self) -> bool:
        """Whether a float curve is drawn."""
        return any(plot.error is not None for plot in self.curves.plots)

    @property
    def has_branches(self) -> bool:
        """Whether the branches of an edge are drawn apart."""
        return any(len(plot.traces) > 1 for plot in self.curves.plots)

    @property
    def worst(self) -> str:
        """The largest error of the plots, with its edge."""
        known = [
            (p.error, p.error_steps or 0.0, p) for p in self.curves.plots if p.error is not None
        ]
        if not known:
            return ""
        error, steps, plot = max(known, key=lambda each: each[0])
        return f"{text.real(error)} ({text.lsb(steps)}), {layer_text.edge_name(plot)}"


def write_html(
    summary: Summary,
    curves: Sequence[LayerCurves],
    path: str | Path,
    *,
    scales: Sequence[EndScale] = (),
    measured: Measured | None = None,
) -> Path:
    """Write the report; the same arguments always give the same bytes.

    Parameters
    ----------
    summary
        What to report.
    curves
        From :func:`kanhw.reports.network_curves`; empty leaves the edge plots out.
    path
        The file to write. It appears whole or not at all.
    scales
        From :func:`kanhw.reports.measured.scales.end_scales`.
    measured
        From :func:`kanhw.reports.measured.measured.measured`.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    InputError
        If the folder does not exist or cannot be written.
    """
    return write_whole(path, _render(summary, curves, scales, measured))


def _render(
    summary: Summary,
    curves: Sequence[LayerCurves],
    scales: Sequence[EndScale],
    measured: Measured | None,
) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("kanhw.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(count=text.count, bits=text.bits)
    return environment.get_template("report.html.j2").render(
        summary=summary,
        layers=[_arranged(layer) for layer in curves],
        score_rows=_score_rows(summary),
        bars={index: _lut_bar(e) for index, e in enumerate(summary.resources)},
        targets=TARGETS,
        measured=measured,
        errors=() if measured is None else _worst(measured),
        layer_rows=_layer_rows(measured),
        ends=_ends(scales),
        scale_count=len(scales),
        most_rows=MOST_ROWS,
        clock=timing.known_clock(summary),
        timing=timing,
        text=text,
        words=layer_text,
        unbroken=_unbroken,
    )


def _worst(measured: Measured) -> list[OutputError]:
    """The outputs with the largest errors, in units of their deviations."""
    order = sorted(measured.quality.errors, key=lambda error: -(error.rms_of_deviation or 0.0))
    return order[:MOST_ROWS]


def _layer_rows(measured: Measured | None) -> list[dict[str, Any]]:
    """Errors behind every layer, with bars where there are several to compare."""
    layers = () if measured is None else measured.layers
    largest = max((layer.share for layer in layers), default=0.0)
    bars = len(layers) > 1
    return [
        {"layer": layer, "bar": share_bar(layer.share, largest) if bars else ""}
        for layer in layers
    ]


def _ends(scales: Sequence[EndScale]) -> list[EndScale]:
    """The first features and the first outputs."""
    groups: dict[str, list[EndScale]] = {}
    for end in scales:
        groups.setdefault(end.name.partition(" ")[0], []).append(end)
    return [end for group in groups.values() for end in group[:MOST_ROWS]]


def _unbroken(formats: str) -> str:
    """A list that breaks between its items only."""
    return ", ".join(item.replace(" ", "\N{NO-BREAK SPACE}") for item in formats.split(", "))


def _score_rows(summary: Summary) -> list[dict[str, Any]]:
    return [
        {
            "stage": text.stage_name(score),
            "metric": text.metric_name(score),
            "figure": text.figure(score),
            "samples": text.count(score.samples),
            "differences": score.differences,
        }
        for score in summary.scores
    ]


def _arranged(curves: LayerCurves) -> _LayerPage:
    cells = [_Cell(plot, edge_svg(plot)) for plot in curves.plots]
    complete = len(cells) == curves.active
    if complete and curves.n_in <= MATRIX_COLUMNS and curves.n_in * curves.n_out <= MATRIX_EDGES:
        by_edge = {(cell.edge.output, cell.edge.input): cell for cell in cells}
        matrix = [[by_edge.get((j, i)) for i in range(curves.n_in)] for j in range(curves.n_out)]
        return _LayerPage(curves, matrix, [], [])
    # A handful more is not worth a click.
    first = len(cells) if len(cells) <= 2 * FIRST_EDGES else FIRST_EDGES
    return _LayerPage(curves, None, cells[:first], cells[first:])


def _lut_bar(estimate: ResourceEstimate) -> list[dict[str, Any]]:
    """The LUTs by size as parts of a bar: name, count, start and width in percent."""
    parts = [(f"LUT{size}", number) for size, number in sorted(estimate.lut_by_size.items())]
    parts += [("memory", estimate.lut_memory), ("carry", estimate.lut_carry)]
    if sum(number > 0 for _, number in parts) < 2:
        return []  # a bar of one part says nothing
    total = sum(number for _, number in parts)
    bar, start = [], 0.0
    for index, (name, number) in enumerate(parts):
        if number:
            width = 100.0 * number / total
            bar.append(
                {
                    "name": name,
                    "count": number,
                    "start": f"{start:.2f}",
                    "width": f"{width:.2f}",
                    "shade": f"shade{index % 8}",
                }
            )
            start += width
    return bar
