"""Layers whose edges take turns: a process that adds up, and one that makes codes of the sums."""

from __future__ import annotations

import numpy as np

from kanhw.formats import CodeFormat
from kanhw.hls.costs.operators import adder, choice, comparison
from kanhw.hls.cpp.source import loop
from kanhw.hls.kinds.join import Join
from kanhw.hls.kinds.site import EdgeSite
from kanhw.hls.stages.chain import StageSite
from kanhw.hls.stages.sums import about, join_of, streams_behind, sums_function, sums_members
from kanhw.program import ProgramLayer
from kanhw.schedule.fold import Fold, rows_of

__all__ = ["folded", "folded_parts"]


def folded(site: StageSite) -> None:
    """A layer of vectors, ``groups`` x ``beats`` steps."""
    index = site.planned.layer
    layer = site.chain.program.layers[index]
    folded_parts(site, layer, layer, site.planned.folds, 1, kept=True)


def folded_parts(
    site: StageSite,
    layer: ProgramLayer,
    edges: ProgramLayer,
    fold: Fold,
    windows: int,
    *,
    kept: bool,
) -> None:
    """The two processes of a layer, or of every window of one.

    Parameters
    ----------
    site
        The stage.
    layer, edges
        The layer of the Program, and that of one window.
    fold
        What meets when.
    windows
        How many windows a vector or image has.
    kept
        Whether the inputs come once and are kept for the groups behind the first; else they come
        again for each of them.
    """
    chain, index = site.chain, site.planned.layer
    place = site.edges(index, edges, fold)
    name, sums = place.name, f"{place.name}_sums_t"
    outputs = streams_behind(edges, site.formats)
    chain.struct(
        sums,
        sums_members(site.source, edges, layer.accumulator_formats or (), fold.parallel_outputs),
    )
    made = sums_function(
        chain, place, layer.kind if edges is layer else edges.kind, chain.at.struct, sums
    )
    body = _adding(site, place, made, sums, windows, kept=kept)
    chain.process(f"{name}_add", sums, body, fold.steps * windows, about(layer))
    _codes(site, place, edges, sums, outputs, windows)


def _adding(
    site: StageSite, place: EdgeSite, made: str, sums: str, windows: int, *, kept: bool
) -> list[str]:
    """One merged loop over groups and beats: sums are cleared at the first, written at the last."""
    chain, fold = site.chain, place.fold
    given, source = chain.at.struct, site.source
    heads = len(place.layers) > 1
    row = f"step + (int)x.head * {fold.steps}" if heads else "step"
    arguments = [
        text
        for index, text in ((place.row, row), (place.beat, "beat"), (place.head, "(int)x.head"))
        if index
    ]
    branches = place.layer.branches
    total = [
        f"total.{b}[j] = beat == 0 ? own.{b}[j] : ({source.types.of(form)})"
        f"(total.{b}[j] + own.{b}[j]);"
        for b, form in zip(branches, _formats(site, place), strict=True)
    ]
    reading = [f"const {given} x = in.read();"]
    before: list[str] = []
    if kept and fold.groups > 1:
        source.buffer(1, fold.beats, given)
        before = [f"{given} kept[{fold.beats}];"]
        reading = [
            f"{given} x;",
            "if (group == 0) {",
            "    x = in.read();",
            "    kept[beat] = x;",
            "} else {",
            "    x = kept[beat];",
            "}",
        ]
    # Sums of a step are added to those before, unless it is the first.
    for bits in place.sum_bits:
        source.uses(adder(bits), fold.parallel_outputs)
        source.uses(choice(bits), fold.parallel_outputs)
        source.keeps(fold.parallel_outputs, bits)
    source.uses(comparison(fold.beats.bit_length()), 2)
    source.uses(adder(fold.beats.bit_length()), 2)
    counting = ["if (beat == " + str(fold.beats - 1) + ") {"]
    if chain.program.heads > 1:
        counting.append("    total.head = x.head;")
    counting += ["    out.write(total);", "    beat = 0;"]
    if before:
        counting.append(f"    group = group == {fold.groups - 1} ? 0 : group + 1;")
    counting += ["} else {", "    beat++;", "}"]
    body = [
        *reading,
        f"{sums} own;",
        f"{made}({', '.join(['x', *arguments, 'own'])});",
        *loop("j", fold.parallel_outputs, total, "UNROLL"),
        *counting,
    ]
    counters = "int beat = 0, group = 0;" if before else "int beat = 0;"
    stepping = ""
    if windows > 1:
        body = [*body, f"step = step == {fold.steps - 1} ? 0 : step + 1;"]
        stepping = "int step = 0;"
    variable = "turn" if windows > 1 else "step"
    lines = [*before, f"{sums} total;"]
    for branch in branches:
        lines += source.partitioned(f"total.{branch}", (1,))
    lines += [counters, *([stepping] if stepping else [])]
    return [*lines, *_flushed(variable, fold.steps * windows, body, source.prefix)]


def _flushed(variable: str, count: int, body: list[str], prefix: str) -> list[str]:
    """A loop of a step a clock that goes on into the next vector without a pause."""
    lines = loop(variable, count, body)
    return [lines[0], f"    {prefix}_PIPELINE_REWIND", *lines[1:]]


def _formats(site: StageSite, place: EdgeSite) -> tuple[CodeFormat, ...]:
    return site.chain.program.layers[site.planned.layer].accumulator_formats or ()


def _codes(
    site: StageSite,
    place: EdgeSite,
    edges: ProgramLayer,
    sums: str,
    outputs: tuple[CodeFormat, ...],
    windows: int,
) -> None:
    """The process that requantizes some sums of a group a clock."""
    chain, fold = site.chain, place.fold
    name, lanes = place.name, fold.lanes
    struct = f"{name}_t"
    chain.struct(struct, chain.codes(lanes, outputs))
    handed = rows_of(fold.n_out, lanes)
    join: Join = join_of(place, edges, np.where(handed < 0, fold.n_out - 1, handed).tolist())
    heads = len(place.layers) > 1
    # The sums of a group move up by what was handed on, so that the same places are read always.
    moves = [
        line
        for branch in edges.branches
        for line in loop(
            "j",
            fold.parallel_outputs - lanes,
            [f"sums.{branch}[j] = sums.{branch}[j + {lanes}];"],
            "UNROLL",
        )
        if fold.parallel_outputs > lanes
    ]
    for bits in place.sum_bits:
        site.source.keeps(fold.parallel_outputs, bits)
    row = "const int row = beat" + (f" + (int)sums.head * {fold.out_beats}" if heads else "") + ";"
    body = [
        *(["if (of_group == 0) sums = in.read();"] if fold.rows > 1 else ["sums = in.read();"]),
        row,
        f"{struct} y;",
        *join.lines(_idle(place)),
        *(["y.head = sums.head;"] if chain.program.heads > 1 else []),
        "out.write(y);",
        *moves,
    ]
    if fold.rows > 1:
        last = f"of_group == {fold.rows - 1} || beat == {fold.out_beats - 1}"
        body.append(f"of_group = {last} ? 0 : of_group + 1;")
    if windows > 1:
        body.append(f"beat = beat == {fold.out_beats - 1} ? 0 : beat + 1;")
    counters = [
        *(["int of_group = 0;"] if fold.rows > 1 else []),
        *(["int beat = 0;"] if windows > 1 else []),
    ]
    variable = "turn" if windows > 1 else "beat"
    lines = [f"{sums} sums;"]
    for branch in edges.branches:
        lines += site.source.partitioned(f"sums.{branch}", (1,))
    lines += counters
    clocks = fold.out_beats * windows
    lines += _flushed(variable, clocks, body, site.source.prefix)
    chain.process(f"{name}_codes", struct, lines, clocks, f"Codes of {name}, {lanes} a clock.")
    chain.moves_on(struct, outputs)


def _idle(place: EdgeSite) -> tuple[str, ...]:
    """Branches whose weights are all 0."""
    base = [getattr(own, "base_weights", None) for own in place.layers]
    return ("base",) if all(b is not None and not b.any() for b in base) else ()
