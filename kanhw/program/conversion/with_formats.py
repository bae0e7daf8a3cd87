"""A Program that takes and gives codes of physical quantities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kanhw.errors import InputError
from kanhw.program.conversion.input_conversion import conversion_between
from kanhw.program.conversion.output_conversion import in_formats
from kanhw.program.conversion.quantity_format import (
    QuantityFormat,
    common_format,
    formats_by_name,
)
from kanhw.program.encoder import InputEncoder
from kanhw.program.kinds.convolution import ConvolutionLayer
from kanhw.program.kinds.layer import ProgramLayer
from kanhw.program.program import Program

__all__ = ["with_formats"]


def with_formats(
    program: Program, *, inputs: str | None = None, outputs: str | None = None
) -> Program:
    """The same network taking codes of an ADC or of fixed point, and giving such codes.

    ``program.input`` then says what comes in, and ``program.conversion`` how it becomes the
    network's codes: exactly those that the network's encoder makes of the same real values.

    Parameters
    ----------
    program
        A network of real features, without heads.
    inputs, outputs
        Formats: one for all, a list with commas, or ``NAME=FORMAT`` for each. ``q8.8`` is fixed
        point of 8 bits before the point, with the sign, and 8 behind; ``uq8.8`` has no sign;
        ``u12:0..4095=-10..50`` are unsigned codes of 12 bits, of which 0 stands for -10 and 4095
        for 50; ``s16:...`` are signed ones. None leaves them as they are.

    Raises
    ------
    InputError
        If a format is none, the network has heads, no units, or such a conversion already, or no
        integers make it.
    """
    if inputs is None and outputs is None:
        return program
    if program.encoders is not None:
        raise InputError(
            "The heads of a Program share their ports but not their scales, so there is no one "
            "conversion for all: make a design of each head, program.head(h)"
        )
    if inputs is not None:
        program = _with_inputs(program, inputs)
    return program if outputs is None else _with_outputs(program, outputs)


def _with_inputs(program: Program, text: str) -> Program:
    if program.conversion is not None:
        raise InputError(
            "The inputs of this Program are converted already: give the formats to the Program "
            "that 'kanhw quantize' wrote"
        )
    names = program.labels.inputs or [str(k) for k in range(program.n_in)]
    formats = formats_by_name(text, program.n_in, program.labels.inputs, "input")
    input = _encoder(formats)
    conversion = conversion_between(input, program.input, names)
    return replace(program, input=input, conversion=conversion)


def _encoder(formats: tuple[QuantityFormat, ...]) -> InputEncoder:
    return InputEncoder(
        common_format(formats),
        len(formats),
        scale=np.array([own.scale for own in formats]),
        zero_point=np.array([own.zero_point for own in formats]),
        offset=np.array([own.offset for own in formats]),
    )


def _with_outputs(program: Program, text: str) -> Program:
    if program.argmax:
        raise InputError(
            "A class index has no unit, so it cannot be had in an output format: leave out "
            "the format or argmax"
        )
    *before, last = program.layers
    names = program.labels.outputs
    return replace(program, layers=(*before, _converted(last, text, names)))


def _converted(layer: ProgramLayer, text: str, names: Sequence[str] | None) -> ProgramLayer:
    if isinstance(layer, ConvolutionLayer):
        # The requantizers of a channel serve all its positions.
        taps: Any = layer.taps
        return replace(layer, taps=_converted(taps, text, None))  # type: ignore[arg-type]
    (join,) = layer.requantizers
    formats = formats_by_name(text, join.n_out, names, "output")
    made: Any = layer
    converted: ProgramLayer = replace(made, requantizers=(in_formats(join, formats, layer.name),))
    return converted
