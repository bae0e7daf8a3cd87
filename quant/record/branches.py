"""What quantized layers whose branches stay apart have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kanhw.formats import FloatArray, IntArray
from kanhw.quant.quantizers.quantizer import WeightQuantizer
from kanhw.quant.record.join import Join

__all__ = ["TwoBranches", "weighted_sums"]


@dataclass(frozen=True, eq=False, kw_only=True)
class TwoBranches:
    """A layer with a spline and a base branch, each read by codes of its own.

    Parameters
    ----------
    name
        Of the float layer.
    base, spline
        The quantized weights of both branches.
    joins
        One per quantizer that reads this layer.
    spline_stream, base_stream
        Which stream of the layer before addresses each branch.
    """

    name: str
    base: WeightQuantizer
    spline: WeightQuantizer
    joins: tuple[Join, ...]
    spline_stream: int = 0
    base_stream: int = 0

    passes: ClassVar[tuple[int, ...]] = ()

    def addresses(
        self, streams: tuple[FloatArray, ...], lowest: tuple[int, ...]
    ) -> tuple[IntArray, IntArray]:
        """The addresses ``[N, n_in]`` of both branches, of code streams and their lowest codes."""
        spline, base = (
            (streams[stream] - lowest[stream]).astype(np.int64)
            for stream in (self.spline_stream, self.base_stream)
        )
        return spline, base


def weighted_sums(values: FloatArray, weights: WeightQuantizer) -> FloatArray:
    """Sums ``[N, n_out]`` of values ``[N, n_in]`` or ``[N, n_in, K]`` times integer weights."""
    codes = weights.codes.reshape(len(weights.codes), -1).astype(np.float64)
    sums: FloatArray = values.reshape(len(values), -1) @ codes.T
    return sums
