"""Heads of one codebook in a common form, which changes no number of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import cast

import numpy as np

from kanhw.errors import InputError
from kanhw.program.kinds.codebook import CodebookLayer
from kanhw.program.kinds.layer import ProgramLayer

__all__ = ["alike", "in_form_of", "with_streams_apart"]


def alike(heads: tuple[CodebookLayer, ...]) -> tuple[CodebookLayer, ...]:
    """Heads with the same tables for the same inputs, offsets in all or none, one shift."""
    first = heads[0]
    for number, head in enumerate(heads):
        _check_shared(first, head, number)
    if any(head.biases is not None for head in heads):
        heads = tuple(_with_offsets(head) for head in heads)
    for index, tables in (("base_index", "base"), ("offsets_index", "offsets")):
        if getattr(heads[0], index) is None:
            continue
        chosen = np.stack([getattr(head, index) for head in heads])
        kinds, common = np.unique(chosen, axis=1, return_inverse=True)
        heads = tuple(
            replace(head, **{index: common.reshape(-1), tables: getattr(head, tables)[kinds[h]]})
            for h, head in enumerate(heads)
        )
    shifts = [
        max(join.shift for join in joins)
        for joins in zip(*(head.requantizers for head in heads), strict=True)
    ]
    return tuple(_shifted(head, shifts) for head in heads)


def with_streams_apart(layers: Sequence[ProgramLayer]) -> tuple[ProgramLayer, ...]:
    """The same layers, in which codebooks behind codebooks have a stream for each branch.

    Where the codes of two branches are the same, quantization makes one stream of them.
    """
    apart = list(layers)
    for k, (layer, after) in enumerate(pairwise(layers)):
        if isinstance(layer, CodebookLayer) and isinstance(after, CodebookLayer):
            joins = tuple(layer.requantizers[stream] for stream in after.streams)
            apart[k] = replace(cast(CodebookLayer, apart[k]), requantizers=joins)
            apart[k + 1] = replace(after, spline_stream=0, base_stream=1)
    return tuple(apart)


def _check_shared(first: CodebookLayer, head: CodebookLayer, number: int) -> None:
    formats = [[join.format for join in one.requantizers] for one in (first, head)]
    for what, ours, theirs in (
        ("sizes", (first.n_out, first.n_in), (head.n_out, head.n_in)),
        ("table depths", first.depths, head.depths),
        ("streams", first.streams, head.streams),
        ("code formats", *([str(form) for form in own] for own in formats)),
        ("code ranges", _ranges(first), _ranges(head)),
    ):
        if ours != theirs:
            raise InputError(
                f"Layer {first.name!r}: heads of one codebook need the same {what}, but head "
                f"{number} has {theirs} and head 0 has {ours}"
            )
    if not np.array_equal(first.shapes, head.shapes):
        raise InputError(
            f"Layer {first.name!r}: head {number} has other shapes than head 0: make heads with "
            "quantize_heads, so that they share a codebook"
        )


def _ranges(head: CodebookLayer) -> list[list[list[int]] | None]:
    """Ends of the codes of every requantizer; None where it has no codes."""
    return [
        None if join.format is None else [end.tolist() for end in join.code_ends]
        for join in head.requantizers
    ]


def _with_offsets(head: CodebookLayer) -> CodebookLayer:
    if head.biases is not None:
        return head
    return replace(
        head,
        biases=np.zeros_like(head.gains),
        offsets=np.zeros((1, head.depths[0]), np.int64),
        offsets_index=np.zeros(head.n_in, np.int64),
    )


def _shifted(head: CodebookLayer, shifts: Sequence[int]) -> CodebookLayer:
    """The head with larger shifts: twice everything in front of one bit more changes no code."""
    joins = []
    for join, shift in zip(head.requantizers, shifts, strict=True):
        more = shift - join.shift
        if more < 0:
            raise InputError(
                f"Layer {head.name!r}: a head with a shift of {join.shift} does not fit where "
                f"others have {shift}: quantize it with fewer multiplier_bits"
            )
        scaled = {f: getattr(join, f) << more for f in ("multipliers", "bias")}
        joins.append(replace(join, **scaled, shift=shift, sum_format=None))
    return replace(head, requantizers=tuple(joins), accumulator_formats=None)


def in_form_of(head: CodebookLayer, like: CodebookLayer) -> CodebookLayer:
    """A new head in the form that the others have: its tables by their inputs, their shifts."""
    _check_shared(like, head, 0)
    if like.biases is not None:
        head = _with_offsets(head)
    elif head.biases is not None and head.biases.any():
        raise InputError(f"Layer {like.name!r}: no head has biases, so none can be written")
    else:
        head = replace(head, biases=None, offsets=None, offsets_index=None)
    for index, tables in (("base_index", "base"), ("offsets_index", "offsets")):
        wanted = getattr(like, index)
        if wanted is None:
            continue
        by_input = getattr(head, tables)[getattr(head, index)]
        first = np.array([int(np.argmax(wanted == k)) for k in range(int(wanted.max()) + 1)])
        made = by_input[first]
        if not np.array_equal(made[wanted], by_input):
            raise InputError(
                f"Layer {like.name!r}: a new head needs the same table of its {tables} for the "
                "same inputs as the others"
            )
        head = replace(head, **{index: wanted, tables: made})
    return _shifted(head, [join.shift for join in like.requantizers])
