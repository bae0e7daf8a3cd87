"""Windows of an image that comes pixel by pixel, from a shift register; and convolution of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from kanhw.formats import IntArray
from kanhw.hls.costs.operators import adder, comparison
from kanhw.hls.cpp.source import loop
from kanhw.hls.stages.chain import StageSite
from kanhw.hls.stages.sums import streams_behind
from kanhw.hls.stages.vectors import layer_function
from kanhw.schedule.fold import Fold
from kanhw.schedule.raster import Raster
from kanhw.windows import Window

__all__ = ["convolution", "windows_of"]


def convolution(site: StageSite) -> None:
    """A layer with hardware for every tap, a window a clock."""
    chain, index = site.chain, site.planned.layer
    layer: Any = chain.program.layers[index]
    window, taps = layer.window, layer.taps
    padded = windows_of(site, site.name(index), window)
    given, struct = chain.at.struct, f"{site.name(index)}_t"
    fold = Fold(taps.n_in, taps.n_out, taps.n_in, taps.n_out, taps.n_out, padded=padded)
    function = layer_function(site, index, taps, fold, given, struct)
    outputs = streams_behind(taps, site.formats)
    body = loop(
        "window",
        window.positions,
        [f"const {given} x = in.read();", f"{struct} y;", f"{function}(x, y);", "out.write(y);"],
        "PIPELINE II=1",
    )
    chain.process(f"{function}_windows_to_codes", struct, body, window.positions)
    chain.moves_on(struct, outputs)


def windows_of(site: StageSite, name: str, window: Window) -> bool:
    """Add the process that makes whole windows of pixels; True where some taps are padding.

    A slot moves all pixels up by one place and mostly reads one. Which slots read, complete a
    window and have which taps outside, a :class:`Raster` says by row and column.
    """
    chain, source, raster = site.chain, site.source, Raster(window)
    rows, columns = raster.axes
    height, width = window.size
    length = (height - 1) * raster.line + (width - 1) * columns.dilation + 1
    slots = max(raster.taken, raster.last) + 1
    given, struct = chain.at.struct, f"{name}_window_t"
    padded = bool(raster.padded.any())
    members = chain.codes(window.taps, site.formats)
    if padded:
        members["pad"] = (source.types.bits(1, signed=False), window.taps)
    chain.struct(struct, members)
    # By slot from the first window's: whether there is a window, and which taps are outside.
    tables = {"ROW": rows, "COLUMN": columns}
    marks = [
        source.table(f"{name.upper()}_{axis_name}_HAS_WINDOWS", _filled(axis.windows))
        for axis_name, axis in tables.items()
    ]
    holds = [
        source.table(f"{name.upper()}_{axis_name}_HOLDS_PIXELS", _filled(axis.occupied))
        for axis_name, axis in tables.items()
    ]
    stored = [
        line
        for table in (*marks, *(() if raster.dense else holds))
        for line in source.stored(table, ())
    ]
    outside = []
    if padded:
        outside = [
            source.table(f"{name.upper()}_{axis_name}_OUTSIDE", axis.padded * 1)
            for axis_name, axis in tables.items()
        ]
        stored += [line for table in outside for line in source.stored(table, (2,))]
    reading = "pixels[0] = in.read();"
    if raster.dense:
        read = [reading] if slots == raster.slots else [f"if (slot < {raster.slots}) {reading}"]
    else:
        there = f"{holds[0].name}[row] && {holds[1].name}[column]"
        read = [f"if (row < {rows.slots} && {there}) {reading}"]
    emit = _window(site, window, raster, padded, [table.name for table in outside])
    body = [
        f"for (int k = {length - 1}; k > 0; k--) {{",
        "#pragma HLS UNROLL",
        "    pixels[k] = pixels[k - 1];",
        "}",
        *read,
        (
            f"if (slot >= {raster.first} && {marks[0].name}[window_row] && "
            f"{marks[1].name}[window_column]) {{"
        ),
        *(f"    {line}" if not line.startswith("#") else line for line in emit),
        "}",
        *_counted("column", "row", columns.slots),
        f"if (slot >= {raster.first}) {{",
        *(f"    {line}" for line in _counted("window_column", "window_row", columns.slots)),
        "}",
    ]
    lines = [
        *stored,
        f"{given} pixels[{length}];",
        *source.partitioned("pixels", (1,)),
        "int row = 0, column = 0, window_row = 0, window_column = 0;",
        *loop("slot", slots, body, "PIPELINE II=1"),
    ]
    source.keeps(length, source.struct_bits[given], writers=0)
    for axis in (rows, columns):
        for operator in (adder, comparison):
            source.uses(operator(axis.slots.bit_length()), 2)
    comment = f"Windows of {height} x {width} over {window.shape[1]} x {window.shape[2]} pixels."
    chain.process(f"{name}_windows", struct, lines, slots, comment)
    return padded


def _filled(flags: Any) -> IntArray:
    """Flags as integers, one more row behind the last, at which a counter may stand at the end."""
    filled: IntArray = np.append(np.asarray(flags) * 1, 0)
    return filled


def _counted(inner: str, outer: str, count: int) -> list[str]:
    return [
        f"if ({inner} == {count - 1}) {{",
        f"    {inner} = 0;",
        f"    {outer}++;",
        "} else {",
        f"    {inner}++;",
        "}",
    ]


def _window(
    site: StageSite, window: Window, raster: Raster, padded: bool, outside: list[str]
) -> list[str]:
    """Statements that hand a window on, in the order channel, row, column."""
    channels, (height, width) = window.shape[0], window.size
    place = f"(c * {height} + u) * {width} + v"
    at = f"({height - 1} - u) * {raster.line} + ({width - 1} - v) * {raster.axes[1].dilation}"
    lines = [f"y.s{k}[{place}] = pixels[{at}].s{k}[c];" for k in range(len(site.formats))]
    if padded:
        lines.append(
            f"y.pad[{place}] = {outside[0]}[window_row][u] | {outside[1]}[window_column][v];"
        )
    loops = loop(
        "c", channels, loop("u", height, loop("v", width, lines, "UNROLL"), "UNROLL"), "UNROLL"
    )
    name = site.name(site.planned.layer)
    head = [line.replace("x.head", "pixels[0].head") for line in site.chain.passed_head]
    return [f"{name}_window_t y;", *loops, *head, "out.write(y);"]
