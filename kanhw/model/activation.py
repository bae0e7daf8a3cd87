"""The base activations b(x) of a KAN edge, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kanhw import numerics
from kanhw.errors import InputError
from kanhw.formats import FloatArray

__all__ = ["ACTIVATIONS", "Activation"]


@dataclass(frozen=True)
class Activation:
    """An elementwise function, named as PyTorch names its module.

    Parameters
    ----------
    name
        One of silu, identity, zero, gelu (the exact one, with erf), relu, tanh, prelu.
    slope
        What prelu multiplies negative numbers by; 0 for every other name.

    Raises
    ------
    InputError
        If the name is none of these, the slope is not finite, or it is given to another function.
    """

    name: str
    slope: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"An activation is chosen by its name, not by {self.name!r}")
        if self.name not in _FUNCTIONS:
            raise InputError(
                f"Unknown base activation {self.name!r}: choose one of {', '.join(ACTIVATIONS)}"
            )
        if not math.isfinite(self.slope):
            raise InputError(f"The slope of an activation must be finite, not {self.slope}")
        if self.slope and self.name != "prelu":
            raise InputError(f"Only prelu has a slope, but {self.name} was given {self.slope}")

    def __call__(self, x: FloatArray) -> FloatArray:
        """Apply the function to every element of ``x`` (any shape); float64."""
        return _FUNCTIONS[self.name](np.asarray(x, np.float64), self.slope)


def _silu(x: FloatArray, _: float) -> FloatArray:
    # Only exp of a negative number is taken, so that nothing overflows.
    small = numerics.exp(-np.abs(x))
    result: FloatArray = x * np.where(x >= 0, 1.0, small) / (1.0 + small)
    return result


def _identity(x: FloatArray, _: float) -> FloatArray:
    return x.copy()


def _zero(x: FloatArray, _: float) -> FloatArray:
    return np.zeros_like(x)


def _gelu(x: FloatArray, _: float) -> FloatArray:
    result: FloatArray = 0.5 * x * (1.0 + numerics.erf(x / math.sqrt(2.0)))
    return result


def _relu(x: FloatArray, _: float) -> FloatArray:
    return np.maximum(x, 0.0)


def _tanh(x: FloatArray, _: float) -> FloatArray:
    return numerics.tanh(x)


def _prelu(x: FloatArray, slope: float) -> FloatArray:
    return np.where(x >= 0, x, slope * x)


_FUNCTIONS: dict[str, Callable[[FloatArray, float], FloatArray]] = {
    "silu": _silu,
    "identity": _identity,
    "zero": _zero,
    "gelu": _gelu,
    "relu": _relu,
    "tanh": _tanh,
    "prelu": _prelu,
}
ACTIVATIONS = tuple(_FUNCTIONS)
