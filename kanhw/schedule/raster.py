"""The slots in which a line buffer reads the pixels of an image and completes its windows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kanhw.windows import Window

__all__ = ["Raster", "RasterAxis"]


@dataclass(frozen=True)
class RasterAxis:
    """Rows (or columns) of an image and of the windows over it.

    Parameters
    ----------
    length
        Of the image.
    size, stride, padding, dilation
        Of the windows.
    count
        Of the windows.
    """

    length: int
    size: int
    stride: int
    padding: int
    dilation: int
    count: int

    @property
    def lead(self) -> int:
        """Slots from the first one to the one that completes the first window."""
        return max(self.dilation * (self.size - 1) - self.padding, 0)

    @property
    def margin(self) -> int:
        """Empty slots in front of the image, where the first windows hold nothing but padding."""
        return max(self.padding - self.dilation * (self.size - 1), 0)

    @property
    def reach(self) -> int:
        """Slots from the first window to the last."""
        return (self.count - 1) * self.stride

    @property
    def slots(self) -> int:
        """Slots altogether: more than the image has only where its windows need more."""
        return max(self.margin + self.length, self.reach + 1)

    @property
    def occupied(self) -> npt.NDArray[np.bool_]:
        """The slots that hold a row of the image, ``[slots]`` of booleans."""
        slot = np.arange(self.slots) - self.margin
        return (slot >= 0) & (slot < self.length)

    @property
    def windows(self) -> npt.NDArray[np.bool_]:
        """At which slots, counted from the first window's, there is a window, ``[slots]``."""
        slot = np.arange(self.slots)
        whole: npt.NDArray[np.bool_] = (slot % self.stride == 0) & (slot <= self.reach)
        return whole

    @cached_property
    def padded(self) -> npt.NDArray[np.bool_]:
        """The taps of the window at each slot that lie outside the image, ``[slots, size]``.

        Where there is no window nothing is padded.
        """
        start = np.arange(self.slots)[:, None] - self.padding
        line = start + np.arange(self.size) * self.dilation
        outside: npt.NDArray[np.bool_] = (line < 0) | (line >= self.length)
        return outside & self.windows[:, None]


@dataclass(frozen=True)
class Raster:
    """The slots of an image, one after the other, row by row.

    A slot is a clock in which a line buffer moves on by one place; mostly it reads a pixel. The
    window that ends at a slot is complete once the slot has been read. A window that reaches beyond
    the right end of a row holds the first pixels of the next row there; its position alone says
    that these taps are padding. So padding takes no slots, and there are more slots than pixels
    only where a row or column has more windows than pixels.

    Parameters
    ----------
    window
        The windows.
    """

    window: Window

    @cached_property
    def axes(self) -> tuple[RasterAxis, RasterAxis]:
        """Rows and columns."""
        window = self.window
        rows, columns = (
            RasterAxis(
                window.shape[1 + k],
                window.size[k],
                window.stride[k],
                window.padding[k],
                window.dilation[k],
                window.out_size[k],
            )
            for k in range(2)
        )
        return rows, columns

    @property
    def slots(self) -> int:
        """Slots of an image."""
        return self.axes[0].slots * self.axes[1].slots

    @property
    def dense(self) -> bool:
        """True where every slot holds a pixel."""
        return all(axis.slots == axis.length for axis in self.axes)

    @property
    def line(self) -> int:
        """Slots between a tap and the one below it."""
        return self.axes[0].dilation * self.axes[1].slots

    @property
    def first(self) -> int:
        """Slot that completes the first window."""
        return self._slot(self.axes[0].lead, self.axes[1].lead)

    @property
    def last(self) -> int:
        """Slot that completes the last window; beyond the last pixel where padding follows it."""
        # Slots beyond the last pixel are the first of the next image, or come without pixels.
        rows, columns = self.axes
        return self._slot(rows.lead + rows.reach, columns.lead + columns.reach)

    @property
    def taken(self) -> int:
        """Slot of the last pixel."""
        rows, columns = self.axes
        return self._slot(rows.margin + rows.length - 1, columns.margin + columns.length - 1)

    @property
    def interval(self) -> int:
        """Slots between two images that follow at once."""
        # The next image may begin while windows of this one are still to come, but only one image
        # waits for its first window at a time.
        return max(self.slots, self.first + 1)

    @property
    def padded(self) -> npt.NDArray[np.bool_]:
        """The taps that are padding in some window, ``[rows, columns]`` of a window."""
        rows, columns = (np.asarray(axis.padded.any(axis=0)) for axis in self.axes)
        return np.asarray(rows[:, None] | columns[None])

    def _slot(self, row: int, column: int) -> int:
        return row * self.axes[1].slots + column
