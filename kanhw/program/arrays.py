"""Read-only arrays: what a frozen record may hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import CodeFormat, IntArray
from kanhw.values import is_integer

__all__ = [
    "checked_integer",
    "frozen_integers",
    "frozen_offsets",
    "frozen_range",
    "frozen_reals",
]


def frozen_integers(values: Any, name: str, dimensions: int) -> IntArray:
    """A read-only int64 copy of integers with the given number of dimensions.

    Raises
    ------
    InputError
        If the values are not integers, not of that many dimensions, or empty.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise InputError(f"{name} must hold integers, not {array.dtype}")
    if array.ndim != dimensions or array.size == 0:
        raise InputError(
            f"{name} must be a non-empty array of {dimensions} dimensions, not of shape "
            f"{array.shape}"
        )
    if array.max() > np.iinfo(np.int64).max:
        raise InputError(f"{name} must fit 64 signed bits, not hold {array.max()}")
    # In C order: safetensors writes whatever lies in memory, row by row or not.
    array = np.array(array, np.int64, order="C")
    array.setflags(write=False)
    return array


def frozen_reals(values: Any, name: str, count: int) -> npt.NDArray[np.float64]:
    """A read-only float64 vector of ``count`` finite positive numbers (one number is spread)."""
    given = np.asarray(values, np.float64)
    if given.shape not in ((), (count,)):
        raise InputError(f"{name} must be one number or {count}, not of shape {given.shape}")
    array = np.array(np.broadcast_to(given, (count,)))
    if not (np.isfinite(array).all() and (array > 0).all()):
        raise InputError(f"{name} must be finite and positive, not {array.tolist()}")
    array.setflags(write=False)
    return array


def frozen_offsets(values: Any, name: str, count: int) -> npt.NDArray[np.float64] | None:
    """A read-only float64 vector of ``count`` finite numbers (one is spread); None for zeros.

    Raises
    ------
    InputError
        If they have another shape, or are not finite.
    """
    given = np.asarray(0.0 if values is None else values, np.float64)
    if given.shape not in ((), (count,)):
        raise InputError(f"{name} must be one number or {count}, not of shape {given.shape}")
    array = np.array(np.broadcast_to(given, (count,)))
    if not np.isfinite(array).all():
        raise InputError(f"{name} must be finite, not {array.tolist()}")
    array.setflags(write=False)
    return array if array.any() else None


def frozen_range(
    lo: Any, hi: Any, format: CodeFormat, count: int, value: str
) -> tuple[IntArray | None, IntArray | None]:
    """Ends of the codes of ``count`` values, read-only; None for an end that is the format's.

    Parameters
    ----------
    lo, hi
        ``[count]`` integers or one; None is the end of the format.
    format
        Of the codes.
    count
        Of the values.
    value
        What each of them is, for messages: "feature" or "output".

    Raises
    ------
    InputError
        If an end has another shape, is no integer or no code of the format, or lo > hi.
    """
    ends = []
    for name, given, whole in (("lo", lo, format.lo), ("hi", hi, format.hi)):
        array = np.asarray(whole if given is None else given)
        if array.dtype.kind not in "iu" or array.shape not in ((), (count,)):
            raise InputError(
                f"{name} must be one integer or {count}, one for every {value}, not "
                f"{array.dtype} of shape {array.shape}"
            )
        ends.append(frozen_integers(np.broadcast_to(array, (count,)), name, 1))
    lowest, highest = ends
    wrong = (lowest < format.lo) | (lowest > highest) | (highest > format.hi)
    if wrong.any():
        k = int(np.argmax(wrong))
        raise InputError(
            f"The codes of {value} {k} cannot be {lowest[k]} to {highest[k]}: lo <= hi must be "
            f"{format} codes, {format.lo} to {format.hi}"
        )
    return (
        None if (lowest == format.lo).all() else lowest,
        None if (highest == format.hi).all() else highest,
    )


def checked_integer(name: str, value: object, lowest: int, highest: int) -> None:
    """Refuse what is no integer, or none of lowest to highest.

    Raises
    ------
    InputError
        If it is outside of the range.
    TypeError
        If it is no integer.
    """
    if not is_integer(value):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if not lowest <= value <= highest:
        raise InputError(f"{name} must be {lowest} to {highest}, not {value}")
