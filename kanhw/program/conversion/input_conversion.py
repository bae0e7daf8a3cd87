"""The encoder on chip: integers from the codes of a sensor to those of a network's features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray, IntArray
from kanhw.program.arrays import checked_integer, frozen_integers
from kanhw.program.conversion.affine_search import (
    MAX_SHIFT,
    AffineCodes,
    find_affine,
    stairs_of,
)
from kanhw.program.encoder import InputEncoder
from kanhw.program.functions.tables import constants_like
from kanhw.program.intervals import Interval

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["InputConversion", "conversion_between"]

_Codes = TypeVar("_Codes", IntArray, "Tensor")

# Parts of a step by which a line is moved to find one that integers can follow.
_MOVES = tuple(sign * 2.0**-part for part in range(10, 3, -1) for sign in (1, -1))


@dataclass(frozen=True, eq=False)
class InputConversion:
    """What makes a network's codes of the codes that come in.

    ``q[i] = clamp((c[i] * multipliers[i] + bias[i]) >> shift, lo[i], hi[i])``

    Parameters
    ----------
    codes
        The codes q that the first layer reads: their format, ranges, scales and zero points.
    multipliers, bias
        ``[n_in]`` integers.
    shift
        0 to 48; it drops bits, so that rounding is part of the bias.
    """

    codes: InputEncoder
    multipliers: IntArray
    bias: IntArray
    shift: int = 0

    def __post_init__(self) -> None:
        for name in ("multipliers", "bias"):
            array = frozen_integers(getattr(self, name), f"{name} of a conversion", 1)
            if len(array) != self.codes.n_in:
                raise InputError(
                    f"{name} of a conversion must be {self.codes.n_in}, one for every feature, "
                    f"not {len(array)}"
                )
            object.__setattr__(self, name, array)
        checked_integer("The shift of a conversion", self.shift, 0, MAX_SHIFT)

    def __call__(self, codes: _Codes) -> _Codes:
        """The network's codes ``[N, n_in]`` of those that come in (numpy or torch int64)."""
        factors, bias = (constants_like(v, codes) for v in (self.multipliers, self.bias))
        lo, hi = (constants_like(end, codes) for end in self.codes.code_ends)
        made: _Codes = ((codes * factors + bias) >> self.shift).clip(lo, hi)
        return made

    def sums(self, input: InputEncoder) -> Interval:
        """Bounds of ``c * multipliers + bias`` over all codes that may come in.

        Raises
        ------
        InputError
            If one needs more than 62 bits.
        """
        return Interval(*input.code_ends).scaled(self.multipliers) + self.bias

    def check(self, input: InputEncoder, shape: tuple[int, int, int] | None) -> None:
        """Refuse what cannot be: other sizes, too wide sums, or pixels that are not alike.

        Parameters
        ----------
        input
            What comes in.
        shape
            Of the image that the first layer takes; None for a vector.

        Raises
        ------
        InputError
            If it does not fit.
        """
        if input.n_in != self.codes.n_in:
            raise InputError(
                f"A conversion of {self.codes.n_in} features cannot be given {input.n_in}"
            )
        if input.ranged:
            raise InputError(
                "What is converted has no ranges of its own: leave lo and hi of the input out"
            )
        self.sums(input)
        if shape is None:
            return
        for name, values in (
            *(("multipliers", self.multipliers), ("bias", self.bias)),
            *zip(("lo", "hi"), self.codes.code_ends, strict=True),
        ):
            pixels = values.reshape(shape[0], -1)
            if (pixels != pixels[:, :1]).any():
                channel = int(np.argmax((pixels != pixels[:, :1]).any(axis=1)))
                raise InputError(
                    f"The pixels of an image go through the same hardware: {name} of channel "
                    f"{channel} of the conversion must be the same at all positions"
                )


def conversion_between(
    input: InputEncoder, codes: InputEncoder, names: Sequence[str]
) -> InputConversion:
    """The conversion that equals ``codes.encode(input.decode(c))`` for every code c.

    Parameters
    ----------
    input
        What comes in: all codes of its format.
    codes
        The network's.
    names
        Of the features, for messages.

    Raises
    ------
    InputError
        If no integers of so few bits do.
    """
    kinds: dict[tuple[object, ...], list[int]] = {}
    for i in range(codes.n_in):
        kinds.setdefault((*_constants(input, i), *_constants(codes, i)), []).append(i)
    first = np.array([own[0] for own in kinds.values()])
    found = _affines(_some(input, first), _some(codes, first))
    for own, made in zip(kinds.values(), found, strict=True):
        if made is None:
            raise InputError(_refusal(input, codes, own[0], names[own[0]]))
    affines = [each for each in found if each is not None]
    shift = max(each.shift for each in affines)
    factors, bias = np.zeros(codes.n_in, np.int64), np.zeros(codes.n_in, np.int64)
    for own, made in zip(kinds.values(), affines, strict=True):
        # Scaled to the common shift it computes the same.
        factors[own] = made.multiplier << (shift - made.shift)
        bias[own] = made.bias << (shift - made.shift)
    return InputConversion(codes, factors, bias, shift)


def _affines(input: InputEncoder, codes: InputEncoder) -> list[AffineCodes | None]:
    lo, hi = codes.code_ends
    stairs = stairs_of(lambda c: codes.encode(input.decode(c)), input.format, lo, hi)
    slopes = _scale(input) / _scale(codes)
    return [
        find_affine(own, input.format, float(slope))
        for own, slope in zip(stairs, slopes, strict=True)
    ]


def _scale(encoder: InputEncoder) -> FloatArray:
    if encoder.scale is None:
        raise InputError(
            "This network takes integer codes without units, so its inputs cannot be converted "
            "from others: quantize a float model"
        )
    return encoder.scale


def _constants(encoder: InputEncoder, i: int) -> tuple[float, ...]:
    """All that decides what a feature's codes stand for."""
    zero_point = 0 if encoder.zero_point is None else int(encoder.zero_point[i])
    offset = 0.0 if encoder.offset is None else float(encoder.offset[i])
    lo, hi = encoder.code_ends
    return float(_scale(encoder)[i]), zero_point, offset, int(lo[i]), int(hi[i])


def _some(encoder: InputEncoder, features: IntArray) -> InputEncoder:
    """Some of the features by themselves."""
    fields = ("scale", "zero_point", "lo", "hi", "offset")
    own = {name: getattr(encoder, name) for name in fields}
    some: dict[str, Any] = {name: v if v is None else v[features] for name, v in own.items()}
    return replace(encoder, n_in=len(features), **some)


def _refusal(input: InputEncoder, codes: InputEncoder, feature: int, name: str) -> str:
    """Why there is no conversion of a feature, and the nearest line that there is one for."""
    one = np.array([feature])
    own, grid = _some(input, one), _some(codes, one)
    step = float(_scale(own)[0])
    said = (
        f"No multiplier, bias and shift up to {MAX_SHIFT} make the codes of input {name!r} exactly "
        f"from {own.format} codes"
    )
    for part in _MOVES:
        start = 0.0 if own.offset is None else float(own.offset[0])
        moved = replace(own, offset=np.array([start + part * step]))
        if _affines(moved, grid)[0] is not None:
            first, last = own.format.lo, own.format.hi
            low, high = (float(moved.decode([[c]])[0, 0]) for c in (first, last))
            letter = "s" if own.format.signed else "u"
            return (
                f"{said}, since some values lie just between two codes, where float64 rounds "
                f"either way: move them by {abs(part):g} of a step, {letter}{own.format.width}:"
                f"{first}..{last}={low!r}..{high!r}"
            )
    return f"{said}: take a format of fewer bits"
