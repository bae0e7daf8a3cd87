"""Functions of real numbers that are learned: moist air in its units, and five formulas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.common.data import FORMULAS
from benchmarks.quantization.physics import HIGH, LOW, truth

__all__ = ["REGRESSIONS", "Regression", "Rows", "relative_error"]

Array = npt.NDArray[np.float64]
Rows = tuple[Array, Array]


@dataclass(frozen=True, eq=False)
class Regression:
    """A function of uniform points of a box.

    Parameters
    ----------
    sizes
        Of the networks.
    low, high
        ``[n_in]``: the box.
    values
        ``[N, n_out]`` of points ``[N, n_in]``.
    about
        What it is.
    """

    sizes: tuple[int, ...]
    low: Array
    high: Array
    values: Callable[[Array], Array]
    about: str

    def rows(self, count: int, seed: int) -> Rows:
        """Points and values."""
        x = np.random.default_rng(seed).uniform(self.low, self.high, (count, len(self.low)))
        return x, self.values(x)


def relative_error(outputs: Array, expected: Array) -> float:
    """RMS error in units of the deviations of outputs, all outputs counting alike."""
    squares = np.square(outputs - expected).mean(axis=0) / expected.var(axis=0)
    return float(np.sqrt(squares.mean()))


def _of(
    about: str, hidden: int, low: list[float], high: list[float], values: Callable[[Array], Array]
) -> Regression:
    def column(x: Array) -> Array:
        return values(x)[:, np.newaxis]

    sizes = len(low), hidden, 1
    return Regression(sizes, np.array(low), np.array(high), column, about)


def _shape(x: Array) -> Array:
    return np.asarray(np.exp(np.sin(np.pi * x[:, 0]) + x[:, 1] ** 2))


def _sum_of_speeds(x: Array) -> Array:
    return np.asarray((x[:, 0] + x[:, 1]) / (1 + x[:, 0] * x[:, 1]))


def _distance(x: Array) -> Array:
    return np.asarray(np.hypot(x[:, 0] - x[:, 1], x[:, 2] - x[:, 3]))


REGRESSIONS: dict[str, Regression] = {
    "moist air": Regression(
        (3, 5, 2), LOW, HIGH, truth, "density and dew point of temperature, pressure and humidity"
    ),
    **{
        name: _of(about, 6, list(FORMULAS[name].lower), list(FORMULAS[name].upper), exact)
        for name, about, exact in (
            ("heat", "temperature in a rod with cold ends", FORMULAS["heat"].exact),
            ("poisson", "sin(pi x) sin(2 pi y)", FORMULAS["poisson"].exact),
        )
    },
    "exponential": _of("exp(sin(pi x) + y^2)", 3, [-1, -1], [1, 1], _shape),
    "speeds": _of("(u + v) / (1 + u v)", 3, [-0.9, -0.9], [0.9, 0.9], _sum_of_speeds),
    "distance": _of("sqrt((a - b)^2 + (c - d)^2)", 6, [0, 0, 0, 0], [1, 1, 1, 1], _distance),
}
