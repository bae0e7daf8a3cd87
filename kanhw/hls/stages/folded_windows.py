"""Windows of an image read by turns from a memory of its rows, for folded convolution."""

from __future__ import annotations

from typing import Any

import numpy as np

from kanhw.hls.costs.operators import adder, comparison
from kanhw.hls.cpp.source import loop
from kanhw.hls.stages.chain import StageSite
from kanhw.hls.stages.folded import folded_parts
from kanhw.schedule.window_fold import WindowFold

__all__ = ["clocks_of_windows", "folded_convolution"]


def folded_convolution(site: StageSite) -> None:
    """A layer whose taps take turns: windows beat by beat, sums, and codes of them."""
    chain, index = site.chain, site.planned.layer
    layer: Any = chain.program.layers[index]
    reads, fold = site.planned.reads, site.planned.folds
    _windows(site, reads, fold.groups)
    folded_parts(site, layer, layer.taps, fold, reads.window.positions, kept=False)


def clocks_of_windows(reads: WindowFold, groups: int) -> int:
    """Turns of the loop that reads an image and hands out its windows.

    A turn hands out a beat if the window's pixels are there, and reads a word if there is one to
    come and room for it.
    """
    rows, columns = reads.needs
    steps, have, turns = reads.beats * groups, 0, 0
    for y in range(len(rows)):
        limit = min(reads.words, int(reads.released[y]) + reads.depth)
        for need in (int(rows[y]) + columns).tolist():
            waits = max(0, need - have)
            turns += waits + steps
            have = max(have + waits, min(have + waits + steps, limit))
    return turns + reads.words - have


def _windows(site: StageSite, reads: WindowFold, groups: int) -> None:
    chain, source, name = site.chain, site.source, site.name(site.planned.layer)
    given, struct, window = chain.at.struct, f"{name}_step_t", reads.window
    lanes = reads.taps * reads.channels
    members = chain.codes(lanes, site.formats)
    if reads.padded:
        members["pad"] = (source.types.bits(1, signed=False), lanes)
    chain.struct(struct, members)
    rows = window.out_size[0]
    step, line, image = reads.moves
    upper = name.upper()
    tables = {
        "DISTANCES": reads.distances,
        "NEEDS_OF_ROW": reads.needs[0],
        "NEEDS_OF_COLUMN": reads.needs[1],
        "RELEASED": reads.released,
    }
    if reads.padded:
        tables |= {
            "TAP_ROWS": reads.tap_rows,
            "TAP_COLUMNS": reads.tap_columns,
            "ROW_OUTSIDE": reads.outside[0],
            "COLUMN_OUTSIDE": reads.outside[1],
        }
    made = {key: source.table(f"{upper}_{key}", np.asarray(v)) for key, v in tables.items()}
    by_lane = {"DISTANCES", "TAP_ROWS", "TAP_COLUMNS"}
    by_tap = {"ROW_OUTSIDE", "COLUMN_OUTSIDE"}
    stored = [
        text
        for key, table in made.items()
        for text in source.stored(table, (2,) if key in by_lane | by_tap else ())
    ]
    emit = [
        (f"const {given} word = rows[tap][(at + {upper}_DISTANCES[of_window][tap] + part) & "
        f"{reads.depth - 1}];"),
        *loop("c", reads.channels, [
            f"y.s{k}[tap * {reads.channels} + c] = word.s{k}[c];"
            for k in range(len(site.formats))
        ] + ([
            (f"y.pad[tap * {reads.channels} + c] = "
            f"{upper}_ROW_OUTSIDE[window_row][{upper}_TAP_ROWS[of_window][tap]] | "
            f"{upper}_COLUMN_OUTSIDE[window_column][{upper}_TAP_COLUMNS[of_window][tap]];")
        ] if reads.padded else []), "UNROLL"),
    ]  # fmt: skip
    head = [text.replace("x.head", "head") for text in chain.passed_head]
    ready = (
        f"window_row < {rows} && have >= {upper}_NEEDS_OF_ROW[window_row] + "
        f"{upper}_NEEDS_OF_COLUMN[window_column]"
    )
    room = f"window_row == {rows} || have < {upper}_RELEASED[window_row] + {reads.depth}"
    advance = _advance(reads, groups, (step, line, image))
    body = [
        f"const bool hands_out = {ready};",
        f"const bool reads = have < {reads.words} && ({room});",
        "if (hands_out) {",
        f"    {struct} y;",
        *(
            f"    {text}" if not text.startswith("#") else text
            for text in [*loop("tap", reads.taps, emit, "UNROLL"), *head]
        ),
        "    out.write(y);",
        "}",
        "if (reads) {",
        f"    const {given} x = in.read();",
        *(
            f"    {text}" if not text.startswith("#") else text
            for text in loop(
                "tap", reads.taps, [f"rows[tap][have & {reads.depth - 1}] = x;"], "UNROLL"
            )
        ),
        *(["    head = x.head;"] if chain.program.heads > 1 else []),
        "    have++;",
        "}",
        "if (hands_out) {",
        *(f"    {text}" for text in advance),
        "}",
    ]
    clocks = clocks_of_windows(reads, groups)
    source.buffer(reads.taps, reads.depth, given)
    lines = [
        *stored,
        f"{given} rows[{reads.taps}][{reads.depth}];",
        *source.partitioned("rows", (1,)),
        # A word is never written in the turn in which it is read.
        f"{source.prefix}_INDEPENDENT(rows)",
        f"int have = 0, at = {reads.start}, part = 0, of_window = 0, group = 0;",
        "int window_row = 0, window_column = 0;",
        *loop("turn", clocks, body, "PIPELINE II=1"),
    ]
    address = reads.depth.bit_length()
    source.uses(adder(address), reads.taps + 4)
    source.uses(comparison(reads.words.bit_length()), 4)
    comment = (
        f"Windows of {window.size[0]} x {window.size[1]} pixels, {lanes} codes a turn, "
        f"each {groups} times."
    )
    chain.process(f"{name}_windows", struct, lines, clocks, comment)
    chain.moves_on(struct, site.formats)


def _advance(reads: WindowFold, groups: int, moves: tuple[int, int, int]) -> list[str]:
    """Statements that go on to the next part of a pixel, taps, group, window and row."""
    columns = reads.window.out_size[1]
    step, line, _ = moves
    inner = [
        f"if (window_column == {columns - 1}) {{",
        "    window_column = 0;",
        "    window_row++;",
        f"    at += {line};",
        "} else {",
        "    window_column++;",
        f"    at += {step};",
        "}",
    ]
    for variable, count in (
        ("group", groups),
        ("of_window", reads.turns),
        ("part", reads.pixel_beats),
    ):
        if count == 1:
            continue
        inner = [
            f"if ({variable} == {count - 1}) {{",
            f"    {variable} = 0;",
            *(f"    {text}" for text in inner),
            "} else {",
            f"    {variable}++;",
            "}",
        ]
    return inner
