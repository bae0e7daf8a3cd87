"""The base activations b(x) of a KAN edge, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from kanhw import numerics
from kanhw.errors import InputError
from kanhw.formats import FloatArray

__all__ = ["ACTIVATIONS", "Activation"]

_LEAK = 0.01  # torch.nn.LeakyReLU's default
_STRAIGHT = 20.0  # from where on torch.nn.Softplus is the identity
# Those of the paper (Klambauer et al., 2017), which keep mean 0 and variance 1.
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


@dataclass(frozen=True)
class Activation:
    """An elementwise function, named as PyTorch names its module.

    Parameters
    ----------
    name
        One of silu, identity, zero, gelu (the exact one, with erf), relu, tanh, prelu, leaky_relu,
        elu, sigmoid, softplus, mish, selu, hardswish, with PyTorch's default parameters.
    slope
        What prelu and leaky_relu (0.01 where none is given) multiply negative numbers by; 0 for
        every other name.
    scale, shift
        One value for each input: the function of ``scale * x + shift``, of which x ends in an axis
        of inputs. Empty is x itself, and a single value is one for all.

    Raises
    ------
    InputError
        If the name is none of these, the slope is not finite, or it is given to another function;
        or scale and shift are not alike in length.
    """

    name: str
    slope: float = 0.0
    scale: tuple[float, ...] = ()
    shift: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"An activation is chosen by its name, not by {self.name!r}")
        if self.name not in _FUNCTIONS:
            raise InputError(
                f"Unknown base activation {self.name!r}: choose one of {', '.join(ACTIVATIONS)}"
            )
        if not math.isfinite(self.slope):
            raise InputError(f"The slope of an activation must be finite, not {self.slope}")
        if self.name == "leaky_relu" and not self.slope:
            object.__setattr__(self, "slope", _LEAK)
        if self.slope and self.name not in ("prelu", "leaky_relu"):
            raise InputError(
                f"Only prelu and leaky_relu have a slope, but {self.name} was given {self.slope}"
            )
        if len(self.scale) != len(self.shift):
            raise InputError(
                f"An activation has as many scales as shifts, not {len(self.scale)} and "
                f"{len(self.shift)}"
            )

    def __call__(self, x: FloatArray) -> FloatArray:
        """Apply the function to every element of ``x`` (any shape); float64."""
        x = np.asarray(x, np.float64)
        if self.scale:
            if len(self.scale) > 1 and x.shape[-1:] != (len(self.scale),):
                raise InputError(
                    f"The activation {self.name} reads {len(self.scale)} inputs of a scale each, "
                    f"not values of shape {list(x.shape)}"
                )
            x = np.array(self.scale) * x + np.array(self.shift)
        return _FUNCTIONS[self.name](x, self.slope)

    @property
    def is_identity(self) -> bool:
        """Whether it gives back what it reads."""
        return self.name == "identity" and not self.scale

    def of_input(self, i: int) -> Activation:
        """The function of input i alone, of values of any shape."""
        if len(self.scale) < 2:
            return self
        return replace(self, scale=(self.scale[i],), shift=(self.shift[i],))

    def read_through(self, scale: FloatArray, shift: FloatArray) -> Activation:
        """The function of ``scale * x + shift``, ``[n]`` each."""
        if self.name == "zero":
            return self
        outer, offset = (np.array(self.scale), np.array(self.shift)) if self.scale else (1.0, 0.0)
        pairs = np.stack([outer * scale, outer * shift + offset])
        # What all inputs have alike is one function still, whose table they can share.
        pairs = pairs[:, :1] if (pairs == pairs[:, :1]).all() else pairs
        return replace(self, scale=tuple(pairs[0].tolist()), shift=tuple(pairs[1].tolist()))


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


def _elu(x: FloatArray, _: float) -> FloatArray:
    return np.where(x > 0, x, numerics.exp(np.minimum(x, 0.0)) - 1.0)


def _sigmoid(x: FloatArray, _: float) -> FloatArray:
    small = numerics.exp(-np.abs(x))
    result: FloatArray = np.where(x >= 0, 1.0, small) / (1.0 + small)
    return result


def _softplus(x: FloatArray, _: float) -> FloatArray:
    small = numerics.exp(-np.abs(x))
    whole = 1.0 + small
    # What rounding took from 1 + small is made good, so that the far end keeps its digits.
    step = np.where(whole == 1.0, 1.0, whole - 1.0)
    curve = np.where(whole == 1.0, small, numerics.log(whole) * (small / step))
    return np.where(x > _STRAIGHT, x, np.maximum(x, 0.0) + curve)


def _mish(x: FloatArray, _: float) -> FloatArray:
    result: FloatArray = x * numerics.tanh(_softplus(x, 0.0))
    return result


def _selu(x: FloatArray, _: float) -> FloatArray:
    below = _SELU_ALPHA * (numerics.exp(np.minimum(x, 0.0)) - 1.0)
    result: FloatArray = _SELU_SCALE * np.where(x > 0, x, below)
    return result


def _hardswish(x: FloatArray, _: float) -> FloatArray:
    result: FloatArray = x * np.clip(x + 3.0, 0.0, 6.0) / 6.0
    return result


_FUNCTIONS: dict[str, Callable[[FloatArray, float], FloatArray]] = {
    "silu": _silu,
    "identity": _identity,
    "zero": _zero,
    "gelu": _gelu,
    "relu": _relu,
    "tanh": _tanh,
    "prelu": _prelu,
    "leaky_relu": _prelu,
    "elu": _elu,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "mish": _mish,
    "selu": _selu,
    "hardswish": _hardswish,
}
ACTIVATIONS = tuple(_FUNCTIONS)
