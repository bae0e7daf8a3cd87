"""Pooling of what codes stand for, in float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from kanhw.formats import FloatArray, IntArray
from kanhw.quant.record.join import Join
from kanhw.windows import Window

__all__ = ["QuantPool"]


@dataclass(frozen=True, eq=False)
class QuantPool:
    """Pooling of what codes stand for.

    Parameters
    ----------
    name
        For messages and reports.
    table
        ``[2**width]`` integers.
    mode
        ``sum`` or ``max``.
    window
        The windows.
    joins
        One per quantizer that reads the pooled values.
    """

    name: str
    table: IntArray
    mode: Literal["sum", "max"]
    window: Window
    joins: tuple[Join, ...]
    kind: ClassVar[str] = "pooling"
    passes: ClassVar[tuple[int, ...]] = ()

    def sums(self, streams: tuple[FloatArray, ...], lowest: tuple[int, ...]) -> tuple[FloatArray]:
        """The pooled values ``[N, n_out]``."""
        address = (streams[0] - lowest[0]).astype(np.int64)
        values, _ = self.window.gather(self.table[address].astype(np.float64), 0.0)
        channels = self.window.shape[0]
        grouped = values.reshape(len(address) * self.window.positions, channels, -1)
        pooled = grouped.sum(axis=2) if self.mode == "sum" else grouped.max(axis=2)
        return (self.window.to_image(pooled, len(address)),)
