"""Stages that take a vector at every clock: pipelines, ranges and conversions of the input."""

from __future__ import annotations

import numpy as np

from kanhw.formats import CodeFormat, IntArray
from kanhw.hls.costs.operators import adder, choice, comparison, product
from kanhw.hls.cpp.constants import literal
from kanhw.hls.cpp.source import Source, loop
from kanhw.hls.cpp.types import bits_of
from kanhw.hls.stages.chain import StageSite
from kanhw.hls.stages.sums import about, join_of, streams_behind, sums_function, sums_members
from kanhw.program import ProgramLayer
from kanhw.schedule.fold import Fold

__all__ = ["input_conversion", "input_ranges", "layer_function", "pipeline"]


def pipeline(site: StageSite) -> None:
    """Neighbouring layers with hardware for every edge, and perhaps the index of the largest."""
    chain = site.chain
    calls, given = [], chain.at.struct
    for index in site.planned.layers:
        layer = chain.program.layers[index]
        struct = f"{site.name(index)}_t"
        fold = Fold(layer.n_in, layer.n_out, layer.n_in, layer.n_out, layer.n_out)
        calls.append((layer_function(site, index, layer, fold, given, struct), struct))
        chain.moves_on(struct, streams_behind(layer, site.formats))
        given = struct
    if site.planned.argmax:
        calls.append((_argmax(site, given), "index_t"))
    _stage(site, calls)


def input_ranges(site: StageSite) -> None:
    """Codes outside of their feature's range become the nearest end."""
    encoder = site.chain.program.input
    wide = site.source.types.holding(encoder.format.lo, encoder.format.hi)
    ends = [
        _by_place(site, name, end)
        for name, end in zip(("LO", "HI"), encoder.code_ends, strict=True)
    ]
    lo, hi = (text for text, _ in ends)
    _counts_clamp(site.source, bits_of(wide), site.planned.inputs.count)
    lines = [f"y.s0[i] = clamped<{wide}>(x.s0[i], {lo}, {hi});"]
    _input_stage(
        site,
        "input_ranges",
        lines,
        [s for _, more in ends for s in more],
        encoder.format,
        "Features have ranges of their own.",
    )


def input_conversion(site: StageSite) -> None:
    """Codes of an ADC or of fixed point become the network's."""
    program, types = site.chain.program, site.source.types
    conversion = program.conversion
    if conversion is None:
        raise TypeError("a Program without a conversion has no such stage")
    sums = conversion.sums(program.input)
    form = conversion.codes.format
    wide = types.holding(int(sums.lo.min()), int(sums.hi.max()), form.lo, form.hi)
    parts = [
        _by_place(site, name, values)
        for name, values in (
            *(("MULTIPLIERS", conversion.multipliers), ("BIAS", conversion.bias)),
            *zip(("LO", "HI"), conversion.codes.code_ends, strict=True),
        )
    ]
    factor, bias, lo, hi = (text for text, _ in parts)
    count = site.planned.inputs.count
    widest = int(np.abs(conversion.multipliers).max()).bit_length() + 1
    site.source.uses(product(program.input.format.width, widest), count)
    site.source.uses(adder(bits_of(wide)), count)
    _counts_clamp(site.source, bits_of(wide), count)
    lines = [
        f"{wide} t = ({bias});",
        f"t += ({factor}) * x.s0[i];",
        f"y.s0[i] = clamped<{wide}>(t >> {conversion.shift}, {lo}, {hi});",
    ]
    _input_stage(
        site,
        "input_conversion",
        lines,
        [s for _, more in parts for s in more],
        form,
        "From the codes that come in to the network's.",
    )


def layer_function(
    site: StageSite, index: int, layer: ProgramLayer, fold: Fold, x: str, y: str
) -> str:
    """Write a layer as a function from a struct to another, all its outputs at once.

    The layer may be that of one window. Streams that it passes are copied.
    """
    chain, name = site.chain, site.name(index)
    edges = site.edges(index, layer, fold)
    sums = f"{name}_sums_t"
    formats = layer.accumulator_formats
    if formats is None:
        formats = chain.program.layers[index].accumulator_formats or ()
    chain.struct(y, chain.codes(fold.n_out, streams_behind(layer, site.formats)))
    site.source.struct(sums, sums_members(site.source, layer, formats, fold.n_out))
    made = sums_function(chain, edges, layer.kind, x, sums)
    join = join_of(edges, layer, fold.outputs.tolist())
    body = [
        "#pragma HLS INLINE",
        f"{sums} sums;",
        f"{made}(x, sums);",
        *join.lines(),
        *chain.passed_head,
    ]
    site.source.function(f"{name}(const {x} &x, {y} &y)", body, about(chain.program.layers[index]))
    return name


def _argmax(site: StageSite, given: str) -> str:
    """Write the index of the largest output, the lowest among equals."""
    chain, types = site.chain, site.source.types
    program = chain.program
    count, index = program.layers[-1].n_out, program.output_format
    value = types.of(site.formats[0])
    bits = site.formats[0].width
    for operator in (comparison(bits), choice(bits), choice(index.width)):
        site.source.uses(operator, count - 1)
    chain.struct("index_t", {"s0": (types.of(index), 1)})
    body = [
        "#pragma HLS INLINE",
        f"{value} best = x.s0[0];",
        f"{types.of(index)} index = 0;",
        f"for (int j = 1; j < {count}; j++) {{",
        "#pragma HLS UNROLL",
        "    if (x.s0[j] > best) {",
        "        best = x.s0[j];",
        "        index = j;",
        "    }",
        "}",
        "y.s0[0] = index;",
        *chain.passed_head,
    ]
    site.source.function(
        f"largest(const {given} &x, index_t &y)", body, "The index of the largest output."
    )
    chain.moves_on("index_t", (index,))
    return "largest"


def _counts_clamp(source: Source, bits: int, count: int) -> None:
    """Say for the model that so many values are brought between two ends."""
    source.uses(comparison(bits), 2 * count)
    source.uses(choice(bits), 2 * count)


def _stage(site: StageSite, calls: list[tuple[str, str]]) -> None:
    """One process that calls functions of a vector, one after the other, beat by beat."""
    chain, formats = site.chain, site.formats
    given, final = _given(site), calls[-1][1]
    beats = site.planned.inputs.beats
    lines, value = [f"const {given} x = in.read();"], "x"
    for k, (function, struct) in enumerate(calls):
        lines += [f"{struct} y{k};", f"{function}({value}, y{k});"]
        value = f"y{k}"
    lines.append(f"out.write({value});")
    body = (
        ["#pragma HLS PIPELINE II=1", *lines]
        if beats == 1
        else loop("beat", beats, lines, "PIPELINE II=1")
    )
    chain.moves_on(given, ())
    own = calls if beats == 1 else None
    chain.process(f"stage{site.number}", final, body, beats, calls=own)
    chain.moves_on(final, formats)


def _given(site: StageSite) -> str:
    """The struct at the end of the last process."""
    processes = site.chain.processes
    return processes[-1].gives if processes else "input_t"


def _by_place(site: StageSite, name: str, values: IntArray) -> tuple[str, list[str]]:
    """A constant of every feature, as it comes: by lane, and by beat if beats differ."""
    source = site.source
    if (values == values[0]).all():
        type_ = source.types.holding(int(values[0]), 0)
        return f"({type_}){literal(int(values[0]))}", []
    places = site.planned.inputs.places(len(values))
    table = np.append(values, values[:1])[places].T
    if (table == table[:, :1]).all():
        table = table[:, :1]
    by_beat = table.shape[1] > 1
    made = source.table(f"INPUT_{name}", table if by_beat else table[:, 0])
    return made.at("i", "beat" if by_beat else ""), source.stored(made, (1,))


def _input_stage(
    site: StageSite, name: str, lines: list[str], stored: list[str], form: CodeFormat, comment: str
) -> None:
    chain, count, beats = site.chain, site.planned.inputs.count, site.planned.inputs.beats
    struct, given = f"{name}_t", _given(site)
    chain.struct(struct, chain.codes(count, (form,)))
    inner = [*loop("i", count, lines, "UNROLL"), *chain.passed_head]
    if beats == 1:
        head = f"{name}(const {given} &x, {struct} &y)"
        site.source.function(head, ["#pragma HLS INLINE", *stored, *inner], comment)
        chain.moves_on(struct, (form,))
        _stage(site, [(name, struct)])
        return
    turns = [f"const {given} x = in.read();", f"{struct} y;", *inner, "out.write(y);"]
    body = [*stored, *loop("beat", beats, turns, "PIPELINE II=1")]
    chain.process(f"stage{site.number}", struct, body, beats, comment)
    chain.moves_on(struct, (form,))
