"""PyKAN's symbolic edges: named functions with an affine map on either side."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from kanhw import numerics
from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.numerics import integer_power

__all__ = ["SYMBOLIC_FUNCTIONS", "SymbolicEdge", "check_symbolic_edges"]


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

    def __str__(self) -> str:
        inner = f"{self.a:.6g} x + {self.b:.6g}"
        return f"{self.c:.6g} * f({inner}) + {self.d:.6g}, f = {self.function}"

    def failure(self, low: float, high: float) -> str | None:
        """Say where the edge has no finite value for low <= x <= high; None where it has one."""
        ends = (self.a * low + self.b, self.a * high + self.b)
        bad = _bad_argument(self.function, min(ends), max(ends))
        if bad is not None:
            argument, what = bad
            place = (argument - self.b) / self.a if self.a else low
            return f"{what} at x = {place:.6g}"
        for x in (low, high):
            if not np.isfinite(self(np.array([x]))).all():
                return f"no finite value at x = {x:.6g}"
        return None


def check_symbolic_edges(
    edges: Iterable[SymbolicEdge], low: FloatArray, high: FloatArray, name: str
) -> None:
    """Refuse edges that have a pole, or no value, anywhere in the ranges of their inputs.

    Poles between the points of a table are found too: the functions are known.

    Parameters
    ----------
    edges
        Symbolic edges of one layer.
    low, high
        ``[n_in]``: the least and the largest value that each input takes.
    name
        How messages call the layer.

    Raises
    ------
    InputError
        Naming the layer, the edge, the place and the range.
    """
    for edge in edges:
        ends = float(low[edge.i]), float(high[edge.i])
        failure = edge.failure(*ends)
        if failure is not None:
            raise InputError(
                f"{name}: the symbolic edge from input {edge.i} to sum {edge.j} ({edge}) has "
                f"{failure}, inside its input range [{ends[0]:.6g}, {ends[1]:.6g}]: calibrate with "
                f"data that stay clear of it, or make the edge numeric again"
            )


def _bad_argument(function: str, low: float, high: float) -> tuple[float, str] | None:
    """An argument in [low, high] at which a function has no finite value, and why."""
    if function in _POLE_AT_0 and low <= 0 <= high:
        return 0.0, "a pole"
    if function in _ABOVE_0 and low <= 0:
        return (0.0, "a pole") if high >= 0 else (high, "no value")
    if function in _FROM_0 and low < 0:
        return low, "no value"
    if function in ("arcsin", "arccos") and max(-low, high) > 1:
        return (high if high > 1 else low), "no value"
    if function == "arctanh" and max(-low, high) >= 1:
        return (max(1.0, low) if high >= 1 else min(-1.0, high)), "a pole"
    if function == "tan":
        pole = (math.ceil(low / math.pi - 0.5) + 0.5) * math.pi
        if pole <= high:
            return pole, "a pole"
    return None


SYMBOLIC_FUNCTIONS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "0": np.zeros_like,
    "x": np.array,
    "x^2": lambda x: integer_power(x, 2),
    "x^3": lambda x: integer_power(x, 3),
    "x^4": lambda x: integer_power(x, 4),
    "x^5": lambda x: integer_power(x, 5),
    "1/x": lambda x: 1 / x,
    "1/x^2": lambda x: 1 / integer_power(x, 2),
    "1/x^3": lambda x: 1 / integer_power(x, 3),
    "1/x^4": lambda x: 1 / integer_power(x, 4),
    "1/x^5": lambda x: 1 / integer_power(x, 5),
    "sqrt": np.sqrt,
    "x^0.5": np.sqrt,
    "x^1.5": lambda x: integer_power(np.sqrt(x), 3),
    "1/sqrt(x)": lambda x: 1 / np.sqrt(x),
    "1/x^0.5": lambda x: 1 / np.sqrt(x),
    "exp": numerics.exp,
    "log": numerics.log,
    "abs": np.abs,
    "sin": numerics.sin,
    "cos": numerics.cos,
    "tan": numerics.tan,
    "tanh": numerics.tanh,
    "sgn": np.sign,
    "arcsin": numerics.arcsin,
    "arccos": numerics.arccos,
    "arctan": numerics.arctan,
    "arctanh": numerics.arctanh,
    "gaussian": lambda x: numerics.exp(-np.square(x)),
}
_POLE_AT_0 = ("1/x", "1/x^2", "1/x^3", "1/x^4", "1/x^5")
_ABOVE_0 = ("log", "1/sqrt(x)", "1/x^0.5")
_FROM_0 = ("sqrt", "x^0.5", "x^1.5")
