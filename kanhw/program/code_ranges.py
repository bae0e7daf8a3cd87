"""A Program with other ranges of the codes of its features and between its layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from kanhw.errors import InputError
from kanhw.program.kinds.convolution import ConvolutionLayer
from kanhw.program.kinds.layer import ProgramLayer
from kanhw.program.kinds.resident import ResidentLayer
from kanhw.program.program import Program
from kanhw.program.requantizer import Requantizer

__all__ = ["Ends", "with_code_ranges"]

# Smallest and largest codes, [n] or one number each; None is the end of the format.
Ends = tuple[Any, Any]

_Joined = TypeVar("_Joined", bound=ProgramLayer)


def with_code_ranges(
    program: Program,
    *,
    inputs: Ends | None = None,
    layers: Mapping[int, Sequence[Ends | None]] | None = None,
) -> Program:
    """The same tables and weights with codes clamped to other ranges; every width anew.

    Parameters
    ----------
    program
        The network.
    inputs
        Ends (lo, hi) of the codes of every feature, ``[n_in]`` or one number each; None leaves
        them as they are.
    layers
        By the number of a layer, from 0, ends for each of its requantizers in order: ``[n_out]``
        (of a convolution ``[channels]``) or one number each; None leaves a requantizer as it is.

    Raises
    ------
    InputError
        If there is no such layer, the requantizers are not as many, or ends are no codes.
    """
    layers = layers or {}
    for number in layers:
        if number not in range(len(program.layers)):
            raise InputError(
                f"There is no layer {number}: numbers are 0 to {len(program.layers) - 1}"
            )
    made = tuple(_ranged_layer(layer, layers.get(k)) for k, layer in enumerate(program.layers))
    if inputs is None:
        return replace(program, layers=made)
    lo, hi = inputs
    encoders = None
    if program.encoders is not None:
        encoders = tuple(replace(encoder, lo=lo, hi=hi) for encoder in program.encoders)
    if program.conversion is not None:
        raise InputError(
            "The inputs of this Program are converted to their ranges: give ranges before formats"
        )
    encoder = replace(program.input, lo=lo, hi=hi)
    return replace(program, layers=made, input=encoder, encoders=encoders)


def _ranged_layer(layer: ProgramLayer, ends: Sequence[Ends | None] | None) -> ProgramLayer:
    given = ends if ends is not None else [None] * len(layer.requantizers)
    if len(given) != len(layer.requantizers):
        raise InputError(
            f"Layer {layer.name!r} has {len(layer.requantizers)} requantizers, not {len(given)}"
        )
    try:
        if isinstance(layer, ConvolutionLayer):
            return replace(layer, taps=_joined(layer.taps, given), accumulator_formats=None)
        if isinstance(layer, ResidentLayer):
            heads = tuple(_joined(head, given) for head in layer.heads)
            return ResidentLayer(heads, layer.writable)
        return _joined(layer, given)
    except InputError as error:
        raise InputError(f"Layer {layer.name!r}: {error}") from error


def _joined(layer: _Joined, ends: Sequence[Ends | None]) -> _Joined:
    """A layer with its requantizers' ranges, its widths to be derived anew."""
    joins = tuple(
        _ranged(join, own) for join, own in zip(layer.requantizers, ends, strict=True)
    )
    fields: dict[str, Any] = {"requantizers": joins, "accumulator_formats": None}
    return replace(layer, **fields)


def _ranged(join: Requantizer, ends: Ends | None) -> Requantizer:
    lo, hi = (join.lo, join.hi) if ends is None else ends
    return replace(join, lo=lo, hi=hi, sum_format=None)
