"""The decoder on chip: a network's sums as codes of a physical quantity, nearest in its grid.

A conversion of the sums is a multiplication more, which the last requantizer's own take in: the
multipliers and the bias of a joined sum are multiplied by the conversion's multiplier, and its
shift follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from kanhw.errors import InputError
from kanhw.program.conversion.quantity_format import QuantityFormat, common_format
from kanhw.program.requantizer import MAX_SHIFT, Requantizer

__all__ = ["MOST_ERROR", "in_formats"]

# Of a step of the output's grid, beside half a one of rounding.
MOST_ERROR = Fraction(1, 256)
_LIMIT = 2.0**61


def in_formats(join: Requantizer, formats: Sequence[QuantityFormat], name: str) -> Requantizer:
    """A last requantizer whose codes are those of physical formats.

    Its outputs are ``clamp((t * multiplier + bias + half) >> shift, lo, hi)`` of the joined sums t,
    whose multiplier and bias are the line's rounded to ``shift`` bits behind the point. So they are
    the nearest codes to the network's outputs, half up, but for 1/256 of a step.

    Parameters
    ----------
    join
        One that hands out its sums.
    formats
        Of every output.
    name
        Of its layer, for messages.

    Raises
    ------
    InputError
        If it hands out codes or has no units, or numbers grow too large.
    """
    if join.format is not None or join.sum_format is None:
        raise InputError(
            f"Layer {name!r}, the last, hands out codes that are rounded already, so they cannot "
            "be had in another format: a network of kanhw.quantize hands out its sums"
        )
    if join.scale is None:
        raise InputError(
            "This network's outputs are integers without units, so they cannot be had in a "
            "physical format: quantize a float model"
        )
    lines = [_line(join, j, float(join.scale[j]), own) for j, own in enumerate(formats)]
    code = common_format(formats)
    reach = max(abs(join.sum_format.lo), join.sum_format.hi)
    reaches = [_reach(line, own, reach) for line, own in zip(lines, formats, strict=True)]
    shift = _shift(lines, reaches)
    if shift is None:
        raise InputError(
            f"The outputs of layer {name!r} are too coarse or too fine for their formats: no shift "
            f"up to {MAX_SHIFT} comes within 1/256 of a step. Take formats with a step nearer to "
            f"the network's, {float(join.scale.min()):.3g} to {float(join.scale.max()):.3g}"
        )
    factors = [round(slope * 2**shift) for slope, _ in lines]
    bias = [round(constant * 2**shift) for _, constant in lines]
    largest = max(factors) * max(float(np.abs(join.multipliers).max()), 1.0) * reach
    if largest + max(map(abs, bias)) >= _LIMIT:
        raise InputError(
            f"The outputs of layer {name!r} need more than 62 bits in their formats: take fewer "
            "bits behind the point"
        )
    factor = np.array(factors, np.int64)
    return replace(
        join,
        multipliers=join.multipliers * factor,
        bias=join.bias * factor + np.array(bias, np.int64),
        shift=shift,
        format=code,
        scale=np.array([own.scale for own in formats]),
        zero_point=np.array([own.zero_point for own in formats]),
        offset=np.array([own.offset for own in formats]),
        lo=np.array([own.code.lo for own in formats]),
        hi=np.array([own.code.hi for own in formats]),
        sum_format=None,
    )


def _line(
    join: Requantizer, j: int, scale: float, own: QuantityFormat
) -> tuple[Fraction, Fraction]:
    """Codes of the format for a step of a sum, and at the sum 0, exactly."""
    step = Fraction(own.scale)
    zero_point = 0 if join.zero_point is None else int(join.zero_point[j])
    offset = 0.0 if join.offset is None else float(join.offset[j])
    start = Fraction(offset) - Fraction(scale) * zero_point - Fraction(own.offset)
    return Fraction(scale) / step, start / step + own.zero_point


def _reach(line: tuple[Fraction, Fraction], own: QuantityFormat, reach: int) -> Fraction:
    """The largest sum that is not clamped."""
    slope, constant = line
    farthest = (max(abs(own.code.lo), own.code.hi) + 1 + abs(constant)) / slope
    return min(Fraction(reach), farthest)


def _shift(lines: list[tuple[Fraction, Fraction]], reach: list[Fraction]) -> int | None:
    """The smallest shift with which every line's integers are near enough."""
    for shift in range(MAX_SHIFT + 1):
        scaled = [(slope * 2**shift, constant * 2**shift) for slope, constant in lines]
        errors = [
            abs(round(slope) - slope) * most + abs(round(constant) - constant)
            for (slope, constant), most in zip(scaled, reach, strict=True)
        ]
        if max(errors) <= MOST_ERROR * 2**shift and all(round(slope) for slope, _ in scaled):
            return shift
    return None
