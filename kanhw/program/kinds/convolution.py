"""A layer of tables on every window of an image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import CodeFormat, IntArray
from kanhw.program.functions.tables import constants_like
from kanhw.program.intervals import Interval
from kanhw.program.requantizer import Requantizer
from kanhw.windows import Window

if TYPE_CHECKING:
    from kanhw.program.kinds.basis_table import BasisTableLayer
    from kanhw.program.kinds.codebook import CodebookLayer
    from kanhw.program.kinds.edge_table import EdgeTableLayer
    from kanhw.program.kinds.spline_evaluator import SplineEvaluatorLayer

__all__ = ["ConvolutionLayer"]


@dataclass(frozen=True, eq=False)
class ConvolutionLayer:
    """A layer of tables on every window of an image; a padded tap adds nothing to any sum.

    Images are streams of codes in the order channel, row, column.

    Parameters
    ----------
    taps
        The layer of one window: its inputs are channel, row, column of the window, its outputs the
        output channels, its requantizers those of a channel.
    window
        The windows.
    accumulator_formats
        Declared widths; None derives them.
    """

    kind: ClassVar[str] = "convolution"
    passes: ClassVar[tuple[int, ...]] = ()

    taps: EdgeTableLayer | BasisTableLayer | CodebookLayer | SplineEvaluatorLayer
    window: Window
    accumulator_formats: tuple[CodeFormat, ...] | None = None

    def __post_init__(self) -> None:
        if self.taps.n_in != self.window.taps:
            raise InputError(
                f"Layer {self.name!r}: windows of {self.window.taps} taps need a layer of as many "
                f"inputs, not {self.taps.n_in}"
            )

    @property
    def name(self) -> str:
        """For messages and reports."""
        return self.taps.name

    @property
    def branches(self) -> tuple[str, ...]:
        """Those of the taps."""
        return self.taps.branches

    @property
    def n_in(self) -> int:
        """Values of an image."""
        return self.window.n_in

    @property
    def n_out(self) -> int:
        """Values of an output image."""
        return self.taps.n_out * self.window.positions

    @property
    def streams(self) -> tuple[int, ...]:
        """Which stream of the layer before each branch is addressed by."""
        return self.taps.streams

    @property
    def depths(self) -> tuple[int, ...]:
        """Table entries of each branch."""
        return self.taps.depths

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """Which edges of a window exist."""
        return self.taps.active

    @cached_property
    def requantizers(self) -> tuple[Requantizer, ...]:
        """Those of the channels, repeated for every position."""
        return tuple(_repeated(r, self.window.positions) for r in self.taps.requantizers)

    def accumulate(self, addresses: tuple[Any, ...]) -> tuple[Any, ...]:
        """The accumulators ``[N, n_out]`` of images of addresses ``[N, n_in]``."""
        count = addresses[0].shape[0]
        rows, present = [], None
        for stream in addresses:
            values, mask = self.window.gather(stream, 0)
            rows.append(values.reshape(count * self.window.positions, self.window.taps))
            present = np.broadcast_to(mask * 1, tuple(values.shape)).reshape(tuple(rows[-1].shape))
        mask_like = constants_like(np.ascontiguousarray(present), rows[0])
        sums = self.taps.accumulate(tuple(rows), mask_like)
        return tuple(self.window.to_image(total, count) for total in sums)

    def accumulator_intervals(self, addresses: tuple[Interval, ...]) -> tuple[Interval, ...]:
        """Bounds of every position, from those of the taps that some position reads."""
        index = self.window.index
        gathered = []
        for interval in addresses:
            lo = np.where(index < 0, interval.hi.max(), interval.lo[np.maximum(index, 0)])
            hi = np.where(index < 0, interval.lo.min(), interval.hi[np.maximum(index, 0)])
            gathered.append(Interval(lo.min(axis=0), hi.max(axis=0)))
        missing = np.asarray((index < 0).any(axis=0))
        bounds = self.taps.accumulator_intervals(tuple(gathered), missing)
        positions = self.window.positions
        return tuple(Interval(b.lo.repeat(positions), b.hi.repeat(positions)) for b in bounds)

    def with_requantizers(self, requantizers: tuple[Requantizer, ...]) -> ConvolutionLayer:
        """The same layer with widths declared on its requantizers."""
        own = tuple(
            replace(mine, sum_format=theirs.sum_format)
            for mine, theirs in zip(self.taps.requantizers, requantizers, strict=True)
        )
        taps = replace(self.taps, requantizers=own, accumulator_formats=self.accumulator_formats)
        return replace(self, taps=taps)

    def tensors(self) -> dict[str, IntArray]:
        """The integers of the taps."""
        return self.taps.tensors()

    def attributes(self) -> dict[str, Any]:
        """Single values to store, by field name."""
        window = {
            field: list(getattr(self.window, field))
            for field in ("shape", "size", "stride", "padding", "dilation")
        }
        return {"window": window, "taps": self.taps.kind, **self.taps.attributes()}


def _repeated(requantizer: Requantizer, times: int) -> Requantizer:
    def spread(values: Any) -> Any:
        return None if values is None else np.repeat(values, times, axis=-1)

    return replace(
        requantizer,
        multipliers=spread(requantizer.multipliers),
        bias=spread(requantizer.bias),
        scale=spread(requantizer.scale),
        zero_point=spread(requantizer.zero_point),
        lo=spread(requantizer.lo),
        hi=spread(requantizer.hi),
        offset=spread(requantizer.offset),
    )
