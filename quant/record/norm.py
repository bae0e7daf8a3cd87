"""An integer layer normalisation, in float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kanhw.formats import FloatArray, IntArray
from kanhw.quant.record.join import Join

__all__ = ["QuantNorm"]


@dataclass(frozen=True, eq=False)
class QuantNorm:
    """An integer layer normalisation; see :class:`kanhw.program.NormLayer`.

    Parameters
    ----------
    name
        For messages and reports.
    gamma
        ``[n]`` integers.
    epsilon, fraction_bits, width
        As in the Program.
    joins
        One per quantizer of the normalised values.
    passes
        Streams that go on.
    """

    name: str
    gamma: IntArray
    epsilon: int
    fraction_bits: int
    width: int
    joins: tuple[Join, ...]
    passes: tuple[int, ...] = ()

    kind: ClassVar[str] = "layer_norm"

    def sums(self, streams: tuple[FloatArray, ...], lowest: tuple[int, ...]) -> tuple[FloatArray]:
        """``gamma * (n q - S) * isqrt(2**(2 F) // V)``, ``[N, n]``."""
        codes = streams[0].astype(np.int64)
        count = codes.shape[1]
        total = codes.sum(axis=1, keepdims=True)
        squares = np.square(codes).sum(axis=1, keepdims=True)
        variance = np.maximum(count * squares - total**2 + self.epsilon, 1)
        quotient = (1 << (2 * self.fraction_bits)) // variance
        # The float root is off by at most one; the integers say where.
        root = np.sqrt(quotient.astype(np.float64)).astype(np.int64)
        root -= root**2 > quotient
        root += (root + 1) ** 2 <= quotient
        return ((self.gamma * ((count * codes - total) * root)).astype(np.float64),)
