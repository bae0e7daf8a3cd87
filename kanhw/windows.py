"""Windows over an image: which value every tap of every window reads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError

__all__ = ["Window"]

Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """Windows of a size over an image ``[C, H, W]``, row by row.

    Parameters
    ----------
    shape
        Channels, height and width of the image.
    size, stride, padding, dilation
        Rows and columns each, as PyTorch's convolutions name them.
    """

    shape: tuple[int, int, int]
    size: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)

    def __post_init__(self) -> None:
        for field, length, lowest in (
            ("shape", 3, 1),
            ("size", 2, 1),
            ("stride", 2, 1),
            ("padding", 2, 0),
            ("dilation", 2, 1),
        ):
            values = tuple(int(v) for v in getattr(self, field))
            if len(values) != length or min(values) < lowest:
                raise InputError(
                    f"A window's {field} must be {length} integers of at least {lowest}, not "
                    f"{getattr(self, field)!r}"
                )
            object.__setattr__(self, field, values)
        if min(self.out_size) < 1:
            raise InputError(
                f"Windows of {self.size} with dilation {self.dilation} and padding {self.padding} "
                f"do not fit an image of {self.shape[1:]}: at most {self._largest} do"
            )

    @property
    def n_in(self) -> int:
        """Values of an image."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def taps(self) -> int:
        """Values that a window reads: channels times rows times columns."""
        return self.shape[0] * self.size[0] * self.size[1]

    @property
    def out_size(self) -> Pair:
        """Rows and columns of windows."""
        rows, columns = (
            (length + 2 * pad - dilation * (size - 1) - 1) // stride + 1
            for length, size, stride, pad, dilation in zip(
                self.shape[1:], self.size, self.stride, self.padding, self.dilation, strict=True
            )
        )
        return rows, columns

    @property
    def _largest(self) -> Pair:
        """Rows and columns of the largest window that fits, with the same dilation."""
        rows, columns = (
            (length + 2 * pad - 1) // dilation + 1
            for length, pad, dilation in zip(
                self.shape[1:], self.padding, self.dilation, strict=True
            )
        )
        return rows, columns

    @property
    def positions(self) -> int:
        """Number of windows."""
        return self.out_size[0] * self.out_size[1]

    @cached_property
    def index(self) -> npt.NDArray[np.int64]:
        """Which value of the flattened image every tap reads, ``[positions, taps]``; -1 is padding.

        Taps are ordered channel, row, column, the column fastest.
        """
        channels, height, width = self.shape
        rows = self._along(0)[:, None, None, :, None]
        columns = self._along(1)[None, :, None, None, :]
        plane = np.arange(channels)[None, None, :, None, None]
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        index = np.where(inside, (plane * height + rows) * width + columns, -1)
        return index.reshape(self.positions, self.taps)

    def _along(self, axis: int) -> npt.NDArray[np.int64]:
        """Row (or column) read by every window row and tap row, ``[out, size]``."""
        start = np.arange(self.out_size[axis]) * self.stride[axis] - self.padding[axis]
        return start[:, None] + np.arange(self.size[axis])[None] * self.dilation[axis]

    def gather(self, x: Any, padding: Any) -> tuple[Any, npt.NDArray[np.bool_]]:
        """Values ``[N, positions, taps]`` of images ``[N, n_in]``, and where no padding is.

        Works alike on numpy arrays and torch tensors.
        """
        present = self.index >= 0
        values = x[:, np.maximum(self.index, 0)]
        mask = present * 1
        if hasattr(x, "new_tensor"):
            mask = x.new_tensor(mask)
        return values * mask + padding * (1 - mask), present[None]

    def to_image(self, values: Any, count: int) -> Any:
        """Flattened images ``[N, channels * positions]`` of ``[N * positions, channels]``."""
        channels = values.shape[1]
        stacked = values.reshape(count, self.positions, channels)
        return stacked.swapaxes(1, 2).reshape(count, channels * self.positions)
