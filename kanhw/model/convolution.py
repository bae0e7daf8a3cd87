"""KAN layers over images: a KAN layer at every position of a window, and pooling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.layer import KanLayer
from kanhw.windows import Window

__all__ = ["ConvLayer", "PoolLayer"]

# Window positions evaluated at a time.
_ROWS = 1 << 14


@dataclass(frozen=True, eq=False)
class ConvLayer:
    """A KAN layer on every window of an image ``[C, H, W]``; images travel flattened.

    A padded tap contributes 0 to every basis function and to the base branch: the padding is put
    around the basis values, not around the image.

    Parameters
    ----------
    taps
        The layer of one window: its inputs are channel, row, column of the window (column
        fastest), its outputs the output channels.
    window
        Size, stride, padding and dilation of the windows, and the shape of the image.
    """

    taps: KanLayer
    window: Window

    def __post_init__(self) -> None:
        if self.taps.n_in != self.window.taps:
            raise InputError(
                f"{self.taps.name}: a window of {self.window.taps} taps needs a layer of as many "
                f"inputs, not {self.taps.n_in}"
            )
        if self.taps.spline_norm is not None:
            raise InputError(f"{self.taps.name}: a normalised basis has no meaning in a window")

    def with_taps(self, change: Callable[[KanLayer], KanLayer]) -> ConvLayer:
        """The same layer with a change of its edges."""
        return replace(self, taps=change(self.taps))

    @property
    def name(self) -> str:
        """How messages call the layer."""
        return self.taps.name

    @property
    def n_in(self) -> int:
        """Values of an image."""
        return self.window.n_in

    @property
    def n_out(self) -> int:
        """Values of an output image."""
        return self.taps.n_out * self.window.positions

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an output image."""
        return (self.taps.n_out, *self.window.out_size)

    @property
    def active_edges(self) -> int:
        """Edges of one window that are not zero everywhere."""
        return self.taps.active_edges

    def __call__(self, x: FloatArray) -> FloatArray:
        """Output images ``[N, n_out]`` of images ``[N, n_in]``."""
        values, present = self.window.gather(x, 0.0)
        rows = values.reshape(-1, self.window.taps)
        inside = np.broadcast_to(present, values.shape).reshape(rows.shape)
        outputs = np.concatenate(
            [
                self.taps.masked(rows[start : start + _ROWS], inside[start : start + _ROWS])
                for start in range(0, len(rows), _ROWS)
            ]
        )
        image: FloatArray = self.window.to_image(outputs, len(x))
        return image


@dataclass(frozen=True, eq=False)
class PoolLayer:
    """The average or the largest of every window, channel by channel.

    Parameters
    ----------
    kind
        ``average`` or ``max``.
    window
        The windows; without padding.
    name
        For messages.
    """

    kind: Literal["average", "max"]
    window: Window
    name: str = "pool"

    # Pooling has no edges.
    taps: ClassVar[None] = None

    def __post_init__(self) -> None:
        if self.kind not in ("average", "max"):
            raise InputError(f"{self.name}: pooling is 'average' or 'max', not {self.kind!r}")
        if any(self.window.padding):
            raise InputError(f"{self.name}: pooling with padding is not supported")

    def with_taps(self, change: Callable[[KanLayer], KanLayer]) -> PoolLayer:
        """The same layer, for it has no edges to change."""
        return self

    @property
    def n_in(self) -> int:
        """Values of an image."""
        return self.window.n_in

    @property
    def n_out(self) -> int:
        """Values of an output image."""
        return self.window.shape[0] * self.window.positions

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an output image."""
        return (self.window.shape[0], *self.window.out_size)

    @property
    def active_edges(self) -> int:
        """Pooling has no edges."""
        return 0

    def __call__(self, x: FloatArray) -> FloatArray:
        """Output images ``[N, n_out]`` of images ``[N, n_in]``."""
        values, _ = self.window.gather(x, 0.0)
        channels = self.window.shape[0]
        grouped = values.reshape(len(x), self.window.positions, channels, -1)
        pooled = grouped.mean(axis=3) if self.kind == "average" else grouped.max(axis=3)
        image: FloatArray = self.window.to_image(pooled.reshape(-1, channels), len(x))
        return image
