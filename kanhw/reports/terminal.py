"""A summary for the terminal: one table, or plain text for pipes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kanhw.estimation.resources import ResourceEstimate
from kanhw.reports import layer_text, text
from kanhw.reports.layer_facts import LayerFacts
from kanhw.reports.summary import Summary

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["summary_table", "summary_text"]

WIDTH = 100
_LABEL_WIDTH = 14
# Inputs or outputs that are listed one by one.
MOST_QUANTITIES = 8


def summary_table(summary: Summary) -> Table:
    """A summary as a rich table of facts, in sections."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(summary.title, style="bold"),
        title_justify="left",
        show_header=False,
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold", max_width=WIDTH)
    for section in _sections(summary):
        table.add_section()
        for label, value in section:
            # Text, so that square brackets in a name are no markup.
            table.add_row(label, Text(value, style="bold red" if "FAILED" in value else ""))
    return table


def summary_text(summary: Summary) -> str:
    """A summary as plain text of at most 100 columns, ending with a line break."""
    lines = textwrap.wrap(summary.title, WIDTH)
    for section in _sections(summary):
        lines.append("")
        for label, value in section:
            lines += textwrap.wrap(
                value,
                WIDTH,
                initial_indent=f"{label:<{_LABEL_WIDTH}}",
                subsequent_indent=" " * _LABEL_WIDTH,
            )
    return "\n".join(lines) + "\n"


def _sections(summary: Summary) -> Iterator[list[tuple[str, str]]]:
    yield _network(summary)
    yield _scores(summary)
    yield [
        ("Verified" if not index else "", text.check_sentence(check))
        for index, check in enumerate(summary.checks)
    ] or [("Verified", text.NOTHING_VERIFIED)]
    yield [
        ("Resources" if not index else "", _resources(estimate))
        for index, estimate in enumerate(summary.resources)
    ] or [("Resources", text.NOTHING_ESTIMATED)]


def _network(summary: Summary) -> list[tuple[str, str]]:
    shape, parameters = layer_text.shape_text(summary), text.bits(summary.parameter_bits)
    rows = [
        (
            "Network",
            f"{shape}, {text.count(summary.active_edges)} active edges, {parameters} of parameters",
        )
    ]
    for index, layer in enumerate(summary.layers):
        rows.append(("" if index else "Layers", _layer(layer)))
    for title, quantities in (("Inputs", summary.inputs), ("Outputs", summary.outputs)):
        for index, own in enumerate(quantities[:MOST_QUANTITIES]):
            rows.append(("" if index else title, text.quantity_text(own)))
        left = len(quantities) - MOST_QUANTITIES
        if left > 0:
            rows.append(("", f"and {left} more, which the manifest lists"))
    rows.append(("Schedule", text.schedule_text(summary)))
    rows.append(
        ("Timing", f"latency {summary.latency_cycles} cycles, {text.throughput_text(summary)}")
    )
    return rows


def _layer(layer: LayerFacts) -> str:
    details = layer_text.layer_details(layer)
    parts = [
        f"{layer.name}: {layer_text.kind_text(layer)}{f' ({details})' if details else ''}",
        layer_text.sizes_text(layer),
        f"codes {text.format_list(layer.inputs)}",
        f"sums {text.format_list(layer.sums)}",
        f"out {layer_text.output_list(layer)}",
    ]
    if layer.edges:
        edges = "1 edge" if layer.active_edges == 1 else f"{text.count(layer.active_edges)} edges"
        parts.insert(2, edges if layer.window is None else f"{edges} per window")
    return ", ".join(parts)


def _scores(summary: Summary) -> list[tuple[str, str]]:
    rows = []
    for score in summary.scores:
        differences = (
            ""
            if not score.differences
            else f"; FAILED: {text.count(score.differences)} answers are not the Program's"
        )
        rows.append(
            f"{text.stage_name(score)}: {text.metric_name(score)} {text.figure(score)} on "
            f"{text.count(score.samples)} samples{differences}"
        )
    missing = text.missing_stages(summary)
    rows += [missing] if missing else []
    return [
        ("Accuracy" if not index else "", row)
        for index, row in enumerate(rows or [text.NOTHING_SCORED])
    ]


def _resources(estimate: ResourceEstimate) -> str:
    counts = [
        f"{text.count(number)} {name}"
        for name, number in (
            ("LUT", estimate.lut),
            ("FF", estimate.ff),
            ("carry", estimate.carry),
            ("mux", estimate.mux),
            ("DSP", estimate.dsp),
            (estimate.bram_unit, estimate.bram),
        )
    ]
    return (
        f"{estimate.target}: {', '.join(counts)} (post-synthesis estimate, recipe "
        f"{estimate.recipe})"
    )
