"""The average or the largest of every window of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import CodeFormat, IntArray
from kanhw.program.arrays import frozen_integers
from kanhw.program.checks import check_requantizers, check_streams
from kanhw.program.functions.tables import constants_like
from kanhw.program.intervals import Interval
from kanhw.program.requantizer import Requantizer
from kanhw.windows import Window

__all__ = ["PoolingLayer"]


@dataclass(frozen=True, eq=False)
class PoolingLayer:
    """``acc[c, p] = sum`` (or largest) of ``table[a]`` over the window p of channel c.

    The table holds what a code stands for, an activation included; an average's 1 / area is in the
    multipliers.

    Parameters
    ----------
    table
        ``[2**width]`` integers.
    mode
        ``sum`` or ``max``.
    window
        The windows, without padding, applied to every channel on its own.
    requantizers
        For ``[channels * positions]`` outputs.
    name
        For messages and reports.
    stream
        Which stream of the layer before is read.
    accumulator_formats
        Declared width; None derives it.
    """

    kind: ClassVar[str] = "pooling"
    branches: ClassVar[tuple[str, ...]] = ("pool",)
    passes: ClassVar[tuple[int, ...]] = ()

    table: IntArray
    mode: Literal["sum", "max"]
    window: Window
    requantizers: tuple[Requantizer, ...]
    name: str = "pool"
    stream: int = 0
    accumulator_formats: tuple[CodeFormat, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", frozen_integers(self.table, f"{self.name}.table", 1))
        object.__setattr__(self, "requantizers", tuple(self.requantizers))
        if self.mode not in ("sum", "max"):
            raise InputError(f"Layer {self.name!r}: mode must be 'sum' or 'max', not {self.mode!r}")
        if any(self.window.padding):
            raise InputError(f"Layer {self.name!r}: pooling has no padding")
        check_streams(self.streams, self.branches, self.name)
        check_requantizers(self.requantizers, self.branches, self.n_out, self.name)

    @property
    def n_in(self) -> int:
        """Values of an image."""
        return self.window.n_in

    @property
    def n_out(self) -> int:
        """Values of an output image."""
        return self.window.shape[0] * self.window.positions

    @property
    def streams(self) -> tuple[int, ...]:
        """Which stream of the layer before is read."""
        return (self.stream,)

    @property
    def depths(self) -> tuple[int, ...]:
        """Entries of the table."""
        return (int(self.table.shape[0]),)

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """Pooling has no edges."""
        return np.zeros((1, 1), np.bool_)

    @property
    def area(self) -> int:
        """Values in a window of one channel."""
        return self.window.size[0] * self.window.size[1]

    def accumulate(self, addresses: tuple[Any, ...]) -> tuple[Any, ...]:
        """The pooled values ``[N, n_out]``."""
        codes = addresses[0]
        values, _ = self.window.gather(constants_like(self.table, codes)[codes], 0)
        count, positions = codes.shape[0], self.window.positions
        grouped = values.reshape(count * positions, self.window.shape[0], self.area)
        pooled = grouped[:, :, 0]
        for k in range(1, self.area):
            value = grouped[:, :, k]
            if self.mode == "sum":
                pooled = pooled + value
            else:
                pooled = pooled + ((value > pooled) * 1) * (value - pooled)
        return (self.window.to_image(pooled, count),)

    def accumulator_intervals(self, addresses: tuple[Interval, ...]) -> tuple[Interval, ...]:
        """Bounds of every output, the same for all."""
        lowest, highest = int(addresses[0].lo.min()), int(addresses[0].hi.max())
        reachable = self.table[lowest : highest + 1]
        times = self.area if self.mode == "sum" else 1
        lo, hi = int(reachable.min()) * times, int(reachable.max()) * times
        return (Interval(np.full(self.n_out, lo), np.full(self.n_out, hi)),)

    def tensors(self) -> dict[str, IntArray]:
        """The integers to store, by field name."""
        return {"table": self.table}

    def attributes(self) -> dict[str, Any]:
        """Single values to store, by field name."""
        window = {
            field: list(getattr(self.window, field))
            for field in ("shape", "size", "stride", "padding", "dilation")
        }
        return {"window": window, "mode": self.mode, "stream": self.stream}
