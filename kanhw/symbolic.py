"""PyKAN's symbolic edges: named functions with an affine map on either side."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kanhw.basis import FloatArray
from kanhw.errors import InputError

__all__ = ["SYMBOLIC_FUNCTIONS", "SymbolicEdge"]


@dataclass(frozen=True)
class SymbolicEdge:
    """The edge ``c * f(a x + b) + d`` from input i to output j.

    Parameters
    ----------
    j, i
        Output and input.
    function
        Name of f, one of ``SYMBOLIC_FUNCTIONS``.
    a, b, c, d
        The affine maps; a mask is folded into c and d.
    """

    j: int
    i: int
    function: str
    a: float
    b: float
    c: float
    d: float

    def __post_init__(self) -> None:
        if self.function not in SYMBOLIC_FUNCTIONS:
            raise InputError(
                f"Edge {self.i} -> {self.j}: unknown symbolic function {self.function!r}; known "
                f"are {', '.join(SYMBOLIC_FUNCTIONS)}"
            )
        if not all(map(math.isfinite, (self.a, self.b, self.c, self.d))):
            raise InputError(f"Edge {self.i} -> {self.j}: its affine values must be finite")

    def __call__(self, x: FloatArray) -> FloatArray:
        """The edge at every x (any shape); NaN or infinite at a pole and outside a domain."""
        with np.errstate(all="ignore"):
            inner = SYMBOLIC_FUNCTIONS[self.function](self.a * x + self.b)
            return np.asarray(self.c * inner + self.d, np.float64)


SYMBOLIC_FUNCTIONS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "0": np.zeros_like,
    "x": np.array,
    "x^2": lambda x: x**2,
    "x^3": lambda x: x**3,
    "x^4": lambda x: x**4,
    "x^5": lambda x: x**5,
    "1/x": lambda x: 1 / x,
    "1/x^2": lambda x: 1 / x**2,
    "1/x^3": lambda x: 1 / x**3,
    "1/x^4": lambda x: 1 / x**4,
    "1/x^5": lambda x: 1 / x**5,
    "sqrt": np.sqrt,
    "x^0.5": np.sqrt,
    "x^1.5": lambda x: np.sqrt(x) ** 3,
    "1/sqrt(x)": lambda x: 1 / np.sqrt(x),
    "1/x^0.5": lambda x: 1 / np.sqrt(x),
    "exp": np.exp,
    "log": np.log,
    "abs": np.abs,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "tanh": np.tanh,
    "sgn": np.sign,
    "arcsin": np.arcsin,
    "arccos": np.arccos,
    "arctan": np.arctan,
    "arctanh": np.arctanh,
    "gaussian": lambda x: np.exp(-(x**2)),
}
