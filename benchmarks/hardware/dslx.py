"""A Program as DSLX, the language of XLS: its integers and sums, and no hardware of ours.

Tables are constant arrays, read by the bits of a code: for a signed format the entries of the
codes from 0 on come first, so that no address is computed. All sums of a layer are of one signed
format that holds them; which bits can be left out is for XLS to find.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import CodeFormat, IntArray, format_for
from kanhw.program import EdgeTableLayer, Program, ProgramLayer, Requantizer
from kanhw.program.widths import output_formats

__all__ = ["INPUT", "KINDS", "MODULE", "dslx_text"]

# The function of the whole network and its parameter. They become module and port of the Verilog.
MODULE, INPUT = "kan", "i__payload"

_CLAMP = """\
fn clamp<N: u32>(t: sN[N], lo: sN[N], hi: sN[N]) -> sN[N] {
    if t < lo { lo } else if t > hi { hi } else { t }
}
"""


@dataclass(frozen=True)
class _Site:
    """A layer whose DSLX is written.

    Parameters
    ----------
    name
        What its names begin with.
    formats
        Of the codes of every stream that comes in.
    sums
        The type of its sums.
    """

    name: str
    formats: tuple[CodeFormat, ...]
    sums: str


# Constants of a layer, and for every output the sum of every branch as an expression.
Sums = tuple[list[str], list[list[str]]]


def dslx_text(program: Program) -> str:
    """A function ``kan`` that takes and gives codes as one word, code 0 in the lowest bits.

    Parameters
    ----------
    program
        Of layers of :data:`KINDS` only.

    Raises
    ------
    InputError
        If the Program holds anything else.
    """
    _check(program)
    formats: tuple[CodeFormat, ...] = (program.input.format,)
    streams = [[f"x{i}" for i in range(program.n_in)]]
    source = ascii(program.source or "a Program")
    blocks = [f"// {source}: {program.n_in} codes, {formats[0]}, to {program.n_out}.\n", _CLAMP]
    body = _read_codes(streams[0], program.input.format)
    for number, layer in enumerate(program.layers):
        name = f"layer{number}"
        site = _Site(name, formats, f"s{_sum_format(layer).width}")
        parameters, arguments = [], []
        for k, codes in enumerate(streams):
            body.append(f"let {name}_i{k} = u{formats[k].width}[{len(codes)}]:{_array(codes)};")
            parameters.append(f"i{k}: u{formats[k].width}[{len(codes)}]")
            arguments.append(f"{name}_i{k}")
        written, streams = _layer(site, layer, ", ".join(parameters))
        blocks.append(written)
        for stream in streams:
            body += [f"let {output} = {output}({', '.join(arguments)});" for output in stream]
        formats = output_formats(layer, formats)
    body.append(" ++ ".join(reversed(streams[0])))
    widths = program.n_in * program.input.format.width, len(streams[0]) * formats[0].width
    head = f"pub fn {MODULE}({INPUT}: uN[{widths[0]}]) -> uN[{widths[1]}]"
    return "\n".join([*blocks, _function(head, body)])


def _check(program: Program) -> None:
    """Refuse what no DSLX is written for."""
    for absent, what in (
        (program.argmax, "argmax: use program.with_argmax(False)"),
        (program.heads > 1, "heads: use program.head(number)"),
        (program.conversion is not None, "a conversion of its inputs: leave input_format out"),
        (program.input.ranged, "features of fewer codes than their format: leave lo and hi out"),
    ):
        if absent:
            raise InputError(f"No DSLX is written for a Program with {what}")
    for layer in program.layers:
        if layer.kind not in KINDS:
            raise InputError(
                f"No DSLX is written for layer {layer.name!r} of kind {layer.kind!r}: the kinds "
                f"are {', '.join(map(repr, KINDS))}"
            )


def _sum_format(layer: ProgramLayer) -> CodeFormat:
    """A signed format of accumulators and joined sums, rounded or not, and of codes."""
    held = [*(layer.accumulator_formats or ()), *(r.output_format for r in layer.requantizers)]
    held += [r.sum_format for r in layer.requantizers if r.sum_format is not None]
    half = max(_half(requantizer) for requantizer in layer.requantizers)
    return format_for(min(f.lo for f in held), max(f.hi for f in held) + half, signed=True)


def _half(requantizer: Requantizer) -> int:
    """What rounding adds before the shift."""
    return 1 << requantizer.shift >> 1


def _layer(site: _Site, layer: ProgramLayer, parameters: str) -> tuple[str, list[list[str]]]:
    """A function for every output of every stream; their names."""
    constants, sums = KINDS[layer.kind](site, layer)
    comment = f"// Layer {layer.name!a}: {layer.kind}, {layer.n_in} to {layer.n_out}.\n"
    blocks = [comment, "".join(f"{line}\n" for line in constants)]
    names = []
    for k, requantizer in enumerate(layer.requantizers):
        names.append([f"{site.name}_o{k}_{j}" for j in range(layer.n_out)])
        for j, name in enumerate(names[k]):
            head = f"fn {name}({parameters}) -> u{requantizer.output_format.width}"
            blocks.append(_function(head, _requantized(site, requantizer, j, sums[j])))
    return "\n".join(blocks), names


def _requantized(site: _Site, requantizer: Requantizer, j: int, sums: Sequence[str]) -> list[str]:
    """Statements that join the sums of an output, round them, and give the bits of the code."""
    factors = requantizer.multipliers[:, j].tolist()
    terms = [
        total if factor == 1 else f"{site.sums}:{factor} * ({total})"
        for factor, total in zip(factors, sums, strict=True)
    ]
    constant = int(requantizer.bias[j]) + _half(requantizer)
    if constant:
        terms.append(f"{site.sums}:{constant}")
    body = [f"let t = {' + '.join(terms)};"]
    if requantizer.shift:
        body.append(f"let t = t >> {requantizer.shift};")
    if requantizer.format is not None:
        ends = ", ".join(f"{site.sums}:{end[j]}" for end in requantizer.code_ends)
        body.append(f"let t = clamp(t, {ends});")
    return [*body, f"t as u{requantizer.output_format.width}"]


def _edge_table(site: _Site, layer: ProgramLayer) -> Sums:
    """A table for every edge: ``acc[j] = sum_i tables[j, i][a_i]``."""
    if not isinstance(layer, EdgeTableLayer):
        raise TypeError(f"Layer {layer.name!r} of kind {layer.kind!r} is no EdgeTableLayer")
    constants, sums = [], []
    for j in range(layer.n_out):
        terms = []
        for i in np.flatnonzero(layer.active[j]).tolist():
            table = f"{site.name.upper()}_{j}_{i}"
            entries = _by_bits(layer.tables[j, i], site.formats[layer.stream])
            form = format_for(int(entries.min()), int(entries.max()))
            kind = f"{'s' if form.signed else 'u'}{form.width}[{len(entries)}]"
            constants.append(f"const {table}: {kind} = {kind}:{_array(entries.tolist())};")
            terms.append(f"({table}[i{layer.stream}[{i}]] as {site.sums})")
        sums.append([" + ".join(terms) or f"{site.sums}:0"])
    return constants, sums


def _by_bits(table: IntArray, form: CodeFormat) -> IntArray:
    """Entries in the order of the bits of the codes, of a table in the order of the codes."""
    return np.roll(table, form.lo)


def _read_codes(names: Sequence[str], form: CodeFormat) -> list[str]:
    """Statements that take the word apart."""
    ends = [(i * form.width, (i + 1) * form.width) for i in range(len(names))]
    return [
        f"let {name} = {INPUT}[{low}:{high}];"
        for name, (low, high) in zip(names, ends, strict=True)
    ]


def _array(values: Sequence[object]) -> str:
    return f"[{', '.join(map(str, values))}]"


def _function(head: str, body: Sequence[str]) -> str:
    return "".join([f"{head} {{\n", *(f"    {line}\n" for line in body), "}\n"])


# What writes the sums of a layer, by its kind.
KINDS: dict[str, Callable[[_Site, ProgramLayer], Sums]] = {"edge_table": _edge_table}
