"""Programs of several tasks as one, whose codebooks stay where they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, cast

import numpy as np

from kanhw.errors import InputError
from kanhw.program.kinds.codebook import CodebookLayer
from kanhw.program.kinds.layer import ProgramLayer
from kanhw.program.kinds.resident import HeadFormats, ResidentLayer
from kanhw.program.kinds.resident_structure import with_streams_apart
from kanhw.program.program import Program

__all__ = ["join_heads"]


def join_heads(
    programs: Sequence[Program], *, writable: bool | dict[str, HeadFormats] = False
) -> Program:
    """One Program of several, its heads: ``joined(codes, head=h)`` is ``programs[h](codes)``.

    Parameters
    ----------
    programs
        Networks of the same sizes whose codebook layers share their shapes, as those that
        :func:`kanhw.quant.task_heads.quantize_heads` makes do. Other layers must be equal.
    writable
        Whether heads can be written at run time. Then every width follows from declared formats:
        by the name of the layer, or for True the narrowest that hold what the heads hold.

    Raises
    ------
    InputError
        If there are no programs, they differ in what heads share, or none has a codebook.
    """
    if not programs:
        raise InputError("Heads need at least one Program")
    programs = _with_equal_streams(programs)
    first = programs[0]
    for number, program in enumerate(programs):
        _check_network(first, program, number)
    layers: list[ProgramLayer] = []
    for each in zip(*(program.layers for program in programs), strict=True):
        if all(isinstance(layer, CodebookLayer) for layer in each):
            made = ResidentLayer(tuple(cast(CodebookLayer, layer) for layer in each))
            layers.append(_declared(made, writable))
            continue
        for number, layer in enumerate(each):
            if not _same(layer, each[0]):
                raise InputError(
                    f"Layer {layer.name!r} of head {number} differs from that of head 0, and only "
                    "codebook layers may: quantize with realisation='codebook' and frozen norms"
                )
        layers.append(_without_widths(each[0]))
    if not any(isinstance(layer, ResidentLayer) for layer in layers):
        raise InputError("Heads share codebooks, but there is no codebook layer in these Programs")
    return replace(
        first, layers=tuple(layers), encoders=tuple(program.input for program in programs)
    )


def _with_equal_streams(programs: Sequence[Program]) -> Sequence[Program]:
    streams = [
        [(len(layer.requantizers), layer.streams) for layer in program.layers]
        for program in programs
    ]
    if all(own == streams[0] for own in streams):
        return programs
    return [replace(program, layers=with_streams_apart(program.layers)) for program in programs]


def _declared(layer: ResidentLayer, writable: bool | dict[str, HeadFormats]) -> ResidentLayer:
    if writable is False:
        return layer
    if writable is True:
        formats = HeadFormats.covering(layer.heads)
    elif layer.name in writable:
        formats = writable[layer.name]
    else:
        raise InputError(
            f"There are no formats for layer {layer.name!r}: give those of all codebook layers, or "
            "writable=True"
        )
    return ResidentLayer(layer.heads, formats)


def _check_network(first: Program, program: Program, number: int) -> None:
    if program.heads > 1 or program.writable:
        raise InputError(f"Program {number} has heads of its own: join Programs without")
    if program.conversion is not None:
        raise InputError(
            f"The inputs of Program {number} are converted, and heads take the codes of their "
            "network: join Programs without input formats"
        )
    for what, ours, theirs in (
        ("inputs", first.n_in, program.n_in),
        ("input format", str(first.input.format), str(program.input.format)),
        ("argmax", first.argmax, program.argmax),
        *(("layers", *([layer.kind for layer in p.layers] for p in (first, program))),),
    ):
        if ours != theirs:
            raise InputError(
                f"Heads need the same {what}, but head {number} has {theirs} and head 0 has {ours}"
            )


def _without_widths(layer: ProgramLayer) -> ProgramLayer:
    """The layer with its widths to be derived anew: another head may reach further."""
    joins = tuple(replace(join, sum_format=None) for join in layer.requantizers)
    if "taps" in layer.__dataclass_fields__:
        made = replace(cast(Any, layer), accumulator_formats=None)
        return cast(ProgramLayer, made.with_requantizers(joins))
    made = replace(cast(Any, layer), accumulator_formats=None, requantizers=joins)
    return cast(ProgramLayer, made)


def _same(layer: ProgramLayer, other: ProgramLayer) -> bool:
    """Whether two layers compute the same."""
    if layer.kind != other.kind or layer.attributes() != other.attributes():
        return False
    ours, theirs = layer.tensors(), other.tensors()
    if ours.keys() != theirs.keys() or len(layer.requantizers) != len(other.requantizers):
        return False
    pairs: list[tuple[Any, Any]] = [(ours[name], theirs[name]) for name in ours]
    for one, two in zip(layer.requantizers, other.requantizers, strict=True):
        names = [field.name for field in fields(one) if field.name != "sum_format"]
        pairs += [(getattr(one, name), getattr(two, name)) for name in names]
    return all(np.array_equal(one, two) for one, two in pairs)
