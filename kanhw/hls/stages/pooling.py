"""Pooling: of windows that are gathered first, or of whole images as they come."""

from __future__ import annotations

from typing import Any

import numpy as np

from kanhw.hls.costs.operators import adder, choice, comparison
from kanhw.hls.cpp.source import loop
from kanhw.hls.kinds.join import Join
from kanhw.hls.kinds.site import address_lines
from kanhw.hls.stages.chain import StageSite
from kanhw.hls.stages.sums import about, streams_behind, sums_members
from kanhw.hls.stages.windows import windows_of
from kanhw.schedule.fold import rows_of

__all__ = ["pooling", "pooling_of_images"]


def pooling(site: StageSite) -> None:
    """Sum or largest value of every channel of a window, a window a clock."""
    chain, index = site.chain, site.planned.layer
    layer: Any = chain.program.layers[index]
    window, name = layer.window, site.name(index)
    windows_of(site, name, window)
    channels, area = window.shape[0], layer.area
    struct, given, sums = f"{name}_t", chain.at.struct, f"{name}_sums_t"
    outputs = streams_behind(layer, site.formats)
    chain.struct(struct, chain.codes(channels, outputs))
    site.source.struct(sums, sums_members(site.source, layer, layer.accumulator_formats, channels))
    positions = window.positions
    # Output c * positions + p, window after window.
    rows = np.arange(layer.n_out).reshape(channels, positions).T
    join = Join(site.source, name, layer.branches, [layer.requantizers], rows)
    table = site.source.table(f"{name.upper()}_TABLE", layer.table)
    value = table.at(f"a{layer.stream}[c * {area} + k]")
    _counts(site, layer, channels * (area - 1))
    body = [
        f"const {given} x = in.read();",
        *address_lines(site.source, layer, site.formats, window.taps),
        f"{sums} sums;",
        *loop(
            "c",
            channels,
            loop("k", area, [_pooled(layer.mode, "sums.pool[c]", value, "k == 0")], "UNROLL"),
            "UNROLL",
        ),
        f"{struct} y;",
        *join.lines(),
        *chain.passed_head,
        "out.write(y);",
    ]
    lines = [
        *site.source.stored(table, (), readers=window.taps),
        *loop("row", positions, body, "PIPELINE II=1"),
    ]
    chain.process(name, struct, lines, positions, about(layer))
    chain.moves_on(struct, outputs)


def pooling_of_images(site: StageSite) -> None:
    """Sum or largest value of every channel of an image, pixel by pixel or part by part of it."""
    chain, index, planned = site.chain, site.planned.layer, site.planned
    layer: Any = chain.program.layers[index]
    name, channels = site.name(index), layer.window.shape[0]
    count, parts = planned.inputs.count, planned.inputs.pixel_beats
    pixels = planned.inputs.pixels
    struct, given, sums = f"{name}_t", chain.at.struct, f"{name}_sums_t"
    outputs = streams_behind(layer, site.formats)
    chain.struct(struct, chain.codes(count, outputs))
    site.source.struct(sums, sums_members(site.source, layer, layer.accumulator_formats, count))
    handed = rows_of(channels, count)
    rows = np.where(handed < 0, channels - 1, handed)
    join = Join(site.source, name, layer.branches, [layer.requantizers], rows)
    table = site.source.table(f"{name.upper()}_TABLE", layer.table)
    value = table.at(f"a{layer.stream}[c]")
    _counts(site, layer, count)
    body = [
        f"const {given} x = in.read();",
        *address_lines(site.source, layer, site.formats, count),
        f"{sums} sums = totals[row];",
        *loop("c", count, [_pooled(layer.mode, "sums.pool[c]", value, "pixel == 0")], "UNROLL"),
        "totals[row] = sums;",
        f"if (pixel == {pixels - 1}) {{",
        f"    {struct} y;",
        *(line if line.startswith("#") else f"    {line}" for line in join.lines()),
        *(f"    {line}" for line in chain.passed_head),
        "    out.write(y);",
        "}",
        f"if (row == {parts - 1}) {{",
        "    row = 0;",
        "    pixel++;",
        "} else {",
        "    row++;",
        "}",
    ]
    site.source.buffer(1, parts, sums)
    lines = [
        *site.source.stored(table, (), readers=count),
        f"{sums} totals[{parts}];",
        *(site.source.partitioned("totals", (1,)) if parts <= 2 else []),
        "int row = 0, pixel = 0;",
        *loop("beat", planned.inputs.beats, body, "PIPELINE II=1"),
    ]
    chain.process(name, struct, lines, planned.inputs.beats, about(layer))
    chain.moves_on(struct, outputs)


def _counts(site: StageSite, layer: Any, values: int) -> None:
    """Say for the model that so many values of a turn are taken into a sum or the largest."""
    (total,) = layer.accumulator_formats
    site.source.uses((adder if layer.mode == "sum" else comparison)(total.width), values)
    if layer.mode != "sum":
        site.source.uses(choice(total.width), values)


def _pooled(mode: str, total: str, value: str, first: str) -> str:
    """The statement that takes a value into a sum or the largest value."""
    if mode == "sum":
        return f"if ({first}) {total} = {value}; else {total} += {value};"
    return f"if ({first} || {value} > {total}) {total} = {value};"
