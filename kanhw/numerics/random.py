"""Random numbers of the normal distribution, the same on every machine."""

from __future__ import annotations

import math

import numpy as np

from kanhw.formats import FloatArray
from kanhw.numerics.elementary import cos, log

__all__ = ["standard_normal"]


def standard_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Draw standard normal numbers from uniform ones (Box and Muller 1958).

    numpy's own ``normal`` takes its rare tails from the C library, whose last bits differ.
    """
    # 1 - u is in (0, 1]: its logarithm is finite.
    radius = np.sqrt(-2.0 * log(1.0 - rng.random(shape)))
    return radius * cos(2.0 * math.pi * rng.random(shape))
