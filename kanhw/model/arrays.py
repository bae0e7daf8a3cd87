"""Arrays that users pass, as float64 of the shape that is needed, or an error that names them."""

from __future__ import annotations

from typing import Any

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.values import is_integer

__all__ = ["checked_batch", "frozen_array", "input_values", "positive_count"]


def checked_batch(x: Any, width: int, owner: str) -> FloatArray:
    """Give ``x`` as float64 [N, width], or an error that begins with ``owner``.

    Raises
    ------
    InputError
        If ``x`` has another shape, or holds NaN or an infinity.
    TypeError
        If ``x`` is not made of real numbers.
    """
    array = _as_float64(x, f"{owner} takes real numbers")
    if array.ndim != 2:
        hint = "; put one sample in a batch with x[np.newaxis, :]" if array.ndim == 1 else ""
        raise InputError(f"{owner} expects shape [N, {width}] but got {list(array.shape)}{hint}")
    if array.shape[1] != width:
        raise InputError(f"{owner} expects {width} inputs per sample but got {array.shape[1]}")
    if not np.isfinite(array).all():
        row, column = (int(place) for place in np.argwhere(~np.isfinite(array))[0])
        raise InputError(
            f"{owner} needs finite inputs but got {array[row, column]} in sample {row}, input "
            f"{column}: drop or fill such samples first"
        )
    return array


def input_values(i: int, x: Any, n_in: int) -> FloatArray:
    """Give values ``x`` [M] of input ``i`` of a basis as float64, or an error.

    Raises
    ------
    InputError
        If there is no such input, or ``x`` has another shape or holds NaN or an infinity.
    """
    if not 0 <= i < n_in:
        raise InputError(f"Input {i} does not exist: the basis has inputs 0 to {n_in - 1}")
    return checked_batch(np.asarray(x)[..., np.newaxis], 1, f"Input {i} of the basis")[:, 0]


def positive_count(n_in: int) -> None:
    """Refuse a number of inputs that is none.

    Raises
    ------
    InputError
        If it is less than 1.
    TypeError
        If it is not an integer.
    """
    if not is_integer(n_in):
        raise TypeError(f"The number of inputs must be an integer, not {n_in!r}")
    if n_in < 1:
        raise InputError(f"A basis needs at least 1 input, not {n_in}")


def frozen_array(
    value: Any, name: str, dimensions: tuple[str, ...], *, may_be_empty: bool = False
) -> FloatArray:
    """Copy ``value`` to a read-only float64 array with one axis for each name of ``dimensions``.

    Raises
    ------
    InputError
        If the number of axes is another one, an axis is empty, or a number is NaN or infinite.
    TypeError
        If ``value`` is not made of real numbers.
    """
    array = np.array(_as_float64(value, f"{name} must hold real numbers"), np.float64)
    if array.ndim != len(dimensions) or (0 in array.shape and not may_be_empty):
        raise InputError(
            f"{name} must have the shape [{', '.join(dimensions)}], none of them 0, not "
            f"{list(array.shape)}"
        )
    if not np.isfinite(array).all():
        place = [int(index) for index in np.argwhere(~np.isfinite(array))[0]]
        raise InputError(f"{name} holds {array[tuple(place)]} at {place}: it must be finite")
    array.setflags(write=False)
    return array


def _as_float64(value: Any, complaint: str) -> FloatArray:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InputError(f"{complaint} in a rectangular array: {error}") from error
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{complaint}, not {array.dtype}")
    return np.asarray(array, np.float64)
