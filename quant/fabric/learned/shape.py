"""Shapes of networks that are trained from scratch: sizes, or an image and what is done with it.

``16-3-7`` are 16 inputs, 3 hidden neurons and 7 outputs. ``1x8x8-4@3x3-max2x2-10`` is an image of
one channel, 4 channels of windows of 3 x 3, the largest of every 2 x 2, and 10 outputs;
``4@3x3s2p1`` has a stride and padding, ``avg2x2`` are averages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from kanhw.errors import InputError
from kanhw.model.convolution import PoolLayer
from kanhw.values import brief, is_integer
from kanhw.windows import Window

__all__ = ["Shape", "ShapeLayer", "is_shape", "shape_of"]

_MOST_LAYERS = 16
_SHAPE = re.compile(r"\d+(x\d+x\d+)?(-[0-9a-z@]+)+")
_IMAGE = re.compile(r"(\d+)x(\d+)x(\d+)")
_PAIR = r"(\d+)x(\d+)"
_CONVOLUTION = re.compile(rf"(\d+)@{_PAIR}(?:s(\d+))?(?:p(\d+))?")
_POOLING = re.compile(rf"(max|avg){_PAIR}(?:s(\d+))?")
_KINDS: dict[str, Literal["max", "average"]] = {"max": "max", "avg": "average"}


@dataclass(frozen=True)
class ShapeLayer:
    """Sums of a layer.

    Parameters
    ----------
    n_out
        Of a window.
    window
        The windows of the image before; None for a layer that reads all values.
    pool
        Behind the codes of its sums, if any.
    """

    n_out: int
    window: Window | None = None
    pool: PoolLayer | None = None


@dataclass(frozen=True)
class Shape:
    """The shape of a sample, ``(n,)`` or ``(C, H, W)``, layers, and how they are written."""

    inputs: tuple[int, ...]
    layers: tuple[ShapeLayer, ...]
    text: str

    @property
    def n_out(self) -> int:
        """Outputs."""
        return self.layers[-1].n_out


def is_shape(text: str) -> bool:
    """Whether a text reads like a shape; it may still be a wrong one."""
    return _SHAPE.fullmatch(text) is not None


def shape_of(given: str | Sequence[int]) -> Shape:
    """A shape that is written as a text, or as sizes.

    Raises
    ------
    InputError
        If it is none, its windows do not fit, or it does not end with outputs.
    """
    if not isinstance(given, str):
        if not all(is_integer(size) for size in given):
            raise _no_sizes(given)
        given = "-".join(map(str, given))
    entries = given.split("-")
    if not 2 <= len(entries) <= _MOST_LAYERS + 1:
        raise _no_sizes(given)
    image = _IMAGE.fullmatch(entries[0])
    inputs = tuple(map(int, image.groups())) if image else (_size(entries[0], given),)
    layers: list[ShapeLayer] = []
    at = inputs
    for place, entry in enumerate(entries[1:]):
        at = _add(layers, at, entry, f"pool.{place}", given)
    if layers[-1].window is not None:
        raise InputError(f"The shape {given!r} must end with a number of outputs, such as -10")
    return Shape(inputs, tuple(layers), given)


def _add(
    layers: list[ShapeLayer], at: tuple[int, ...], entry: str, name: str, given: str
) -> tuple[int, ...]:
    """One more layer, or pooling behind the last; what there is then."""
    convolution, pooling = _CONVOLUTION.fullmatch(entry), _POOLING.fullmatch(entry)
    if convolution:
        count, rows, columns, stride, padding = convolution.groups()
        window = _window(at, given, entry, (rows, columns), (stride or 1,) * 2, (padding or 0,) * 2)
        layers.append(ShapeLayer(_size(count, given), window))
        return (layers[-1].n_out, *window.out_size)
    if not pooling:
        layers.append(ShapeLayer(_size(entry, given)))
        return (layers[-1].n_out,)
    if not layers or layers[-1].window is None or layers[-1].pool is not None:
        raise InputError(
            f"{entry!r} of the shape {given!r} must follow a convolution such as 4@3x3, whose "
            "codes it pools: put one in front, or pool the data"
        )
    kind, rows, columns, stride = pooling.groups()
    strides = (stride, stride) if stride else (rows, columns)
    window = _window(at, given, entry, (rows, columns), strides, (0, 0))
    layers[-1] = replace(layers[-1], pool=PoolLayer(_KINDS[kind], window, name))
    return (at[0], *window.out_size)


def _window(
    at: tuple[int, ...], given: str, entry: str, *numbers: tuple[str | int, str | int]
) -> Window:
    """Size, stride and padding over what is there."""
    if len(at) != 3:
        raise InputError(
            f"{entry!r} of the shape {given!r} takes an image, but {at[0]} values are there: begin "
            "with one such as 1x8x8, and let convolutions and pooling follow it"
        )
    size, stride, padding = (tuple(map(int, pair)) for pair in numbers)
    try:
        return Window((at[0], at[1], at[2]), size, stride, padding)  # type: ignore[arg-type]
    except InputError as error:
        raise InputError(f"{entry!r} of the shape {given!r}: {error}") from error


def _size(text: str, given: str) -> int:
    """A number of values, neurons or channels."""
    if not text.isdigit() or int(text) < 1:
        raise _no_sizes(given)
    return int(text)


def _no_sizes(given: str | Sequence[int]) -> InputError:
    return InputError(
        f"Sizes must be 2 to {_MOST_LAYERS + 1} integers of at least 1, such as 16-3-7, or an "
        "image with convolutions and pooling in front of them, such as 1x8x8-4@3x3-max2x2-10, not "
        f"{brief(given)}"
    )
