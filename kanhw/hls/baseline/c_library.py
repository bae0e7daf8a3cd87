"""``expf`` and ``tanhf`` of the C library, element by element: numpy's own round differently."""

from __future__ import annotations

import ctypes
import ctypes.util
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.errors import ToolNotFound

__all__ = ["Float32s", "expf", "tanhf"]

Float32s = npt.NDArray[np.float32]


def expf(x: Float32s) -> Float32s:
    """The exponential of every element, float32."""
    return _each("expf", x)


def tanhf(x: Float32s) -> Float32s:
    """The hyperbolic tangent of every element, float32."""
    return _each("tanhf", x)


def _each(name: str, x: Float32s) -> Float32s:
    function = _function(name)
    flat = np.ascontiguousarray(x, np.float32).ravel().tolist()
    return np.array([function(value) for value in flat], np.float32).reshape(np.shape(x))


@cache
def _function(name: str) -> Any:
    found = ctypes.util.find_library("m")
    if found is None:
        raise ToolNotFound("The C library's mathematics (libm) was not found")
    function = getattr(ctypes.CDLL(found), name)
    function.restype, function.argtypes = ctypes.c_float, [ctypes.c_float]
    return function
