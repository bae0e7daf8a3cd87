"""A quantized layer of tables on every window of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kanhw.formats import FloatArray
from kanhw.quant.quantizers.quantizer import WeightQuantizer
from kanhw.quant.record.basis_table import QuantBasisTable
from kanhw.quant.record.codebook import QuantCodebook
from kanhw.quant.record.edge_table import QuantEdgeTable
from kanhw.quant.record.join import Join
from kanhw.quant.record.spline_evaluator import QuantSplineEvaluator
from kanhw.windows import Window

__all__ = ["QuantConvolution"]


@dataclass(frozen=True, eq=False)
class QuantConvolution:
    """A layer of tables on every window of an image; padding adds nothing.

    Parameters
    ----------
    taps
        The layer of a window.
    window
        The windows.
    """

    taps: QuantEdgeTable | QuantBasisTable | QuantCodebook | QuantSplineEvaluator
    window: Window
    kind: ClassVar[str] = "convolution"
    passes: ClassVar[tuple[int, ...]] = ()

    @property
    def name(self) -> str:
        """Of the float layer."""
        return self.taps.name

    @property
    def base(self) -> WeightQuantizer:
        """The quantized base weights of the taps."""
        return self.taps.base

    @property
    def spline(self) -> WeightQuantizer:
        """The quantized coefficients of the taps."""
        return self.taps.spline

    @property
    def joins(self) -> tuple[Join, ...]:
        """Those of a channel, for every position."""
        return tuple(join.repeated(self.window.positions) for join in self.taps.joins)

    def sums(
        self, streams: tuple[FloatArray, ...], lowest: tuple[int, ...]
    ) -> tuple[FloatArray, ...]:
        """The sums ``[N, channels * positions]`` of images of codes."""
        count = len(streams[0])
        rows, present = [], self.window.index[None] >= 0
        for stream, low in zip(streams, lowest, strict=True):
            values, _ = self.window.gather(stream - low, 0)
            rows.append(values.reshape(-1, self.window.taps) + low)
        mask = np.broadcast_to(present, (count, self.window.positions, self.window.taps))
        sums = self.taps.sums(tuple(rows), lowest, mask.reshape(-1, self.window.taps))
        return tuple(self.window.to_image(total, count) for total in sums)
