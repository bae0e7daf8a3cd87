"""The order in which windows are read, some codes a clock, from a memory of an image's rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import IntArray
from kanhw.windows import Window

__all__ = ["WindowFold", "window_fold"]


@dataclass(frozen=True)
class WindowFold:
    """Windows read beat by beat, each of them several times.

    A pixel is in ``pixel_beats`` words of neighbouring channels, one of which is read a clock; or
    it is one word, and several taps are read, from as many copies of the memory. Words are numbered
    in the order in which they come, from image to image, and word k is at address k mod ``depth``
    of the memory: so a tap is at a fixed distance from the first of its window, whatever the
    window.

    Parameters
    ----------
    window
        The windows.
    channels
        Codes of a word, at most as many as the image has channels.
    taps
        Taps of a beat; 1 unless a word is a whole pixel.
    """

    window: Window
    channels: int
    taps: int = 1

    def __post_init__(self) -> None:
        for name, most in (("channels", self.window.shape[0]), ("taps", self._area)):
            if not 1 <= getattr(self, name) <= most:
                raise InputError(f"{name} must be 1 to {most}, not {getattr(self, name)}")
        if self.taps > 1 and self.pixel_beats > 1:
            raise InputError(
                f"{self.taps} taps are read at a time only as whole pixels of "
                f"{self.window.shape[0]} channels, not {self.channels} channels of them"
            )

    @property
    def pixel_beats(self) -> int:
        """Words of a pixel, one of which is read a beat."""
        return -(-self.window.shape[0] // self.channels)

    @property
    def turns(self) -> int:
        """Groups of ``taps`` that a window is read in; each takes ``pixel_beats`` beats."""
        return -(-self._area // self.taps)

    @property
    def beats(self) -> int:
        """Beats of a window."""
        return self.turns * self.pixel_beats

    @property
    def words(self) -> int:
        """Words of an image."""
        return self.window.shape[1] * self._line

    @cached_property
    def order(self) -> IntArray:
        """The input of the layer that each code of a beat is, ``[beats, taps * channels]``; or -1.

        Inputs are numbered in the order channel, row, column of a window.
        """
        # The last group of taps, and the last word of a pixel, may be filled up with nothing.
        tap = np.arange(self.turns * self.taps)
        channel = np.arange(self.pixel_beats * self.channels).reshape(self.pixel_beats, 1, -1)
        # [turns, pixel_beats, taps, channels of a word].
        there = tap.reshape(self.turns, 1, self.taps, 1)
        inputs = np.where(
            (there < self._area) & (channel < self.window.shape[0]),
            channel * self._area + there,
            -1,
        )
        return inputs.reshape(self.beats, self.taps * self.channels)

    @cached_property
    def tap_rows(self) -> IntArray:
        """Row of the window of each tap of a turn, ``[turns, taps]``; 0 where there is none."""
        return self._taps // self.window.size[1]

    @cached_property
    def tap_columns(self) -> IntArray:
        """Column of the window of each tap of a turn, ``[turns, taps]``."""
        return self._taps % self.window.size[1]

    @cached_property
    def distances(self) -> IntArray:
        """Words from the first tap of a window to each tap of a turn, ``[turns, taps]``."""
        rows, columns = self.window.dilation
        return self.tap_rows * rows * self._line + self.tap_columns * columns * self.pixel_beats

    @property
    def start(self) -> int:
        """The word of the first tap of an image's first window; negative where that is padding."""
        rows, columns = self.window.padding
        return -rows * self._line - columns * self.pixel_beats

    @property
    def moves(self) -> tuple[int, int, int]:
        """Words from a window's first tap to the next one's: in its row, in its image, after it."""
        # From the last window of a row back to the first, then a stride down; the first window of
        # the next image is as far from that of this one as an image has words.
        (rows, columns), (down, right) = self.window.out_size, self.window.stride
        step, line = right * self.pixel_beats, down * self._line
        row = line - (columns - 1) * step
        return step, row, self.words - (rows - 1) * line - (columns - 1) * step

    @cached_property
    def outside(self) -> tuple[IntArray, IntArray]:
        """The rows and columns of windows outside of the image, ``[windows of axis, size]`` each.

        1 where they do, else 0.
        """
        rows, columns = (
            np.where((places < 0) | (places >= length), 1, 0)
            for places, length in zip(self._places, self.window.shape[1:], strict=True)
        )
        return rows, columns

    @property
    def padded(self) -> bool:
        """True where some tap of some window lies outside of the image."""
        return any(bool(axis.any()) for axis in self.outside)

    @cached_property
    def needs(self) -> tuple[IntArray, IntArray]:
        """The number of an image's words that a window needs, as a sum over its two axes.

        ``[windows of an axis]`` each. Those up to its last tap, or where that is padding, up to
        where the image begins or ends: never more than there are, and the first at least, because
        a window of nothing but padding belongs to an image too, and must not leave before it comes.
        """
        rows, columns = (
            places[:, -1].clip(0, length - 1)
            for places, length in zip(self._places, self.window.shape[1:], strict=True)
        )
        return rows * self._line, (columns + 1) * self.pixel_beats

    @cached_property
    def released(self) -> IntArray:
        """The number of words that no window of a row or below reads, ``[rows of windows]``."""
        height = self.window.shape[1]
        return np.asarray(self._places[0][:, 0].clip(0, height) * self._line)

    @cached_property
    def depth(self) -> int:
        """Words of the memory, a power of two.

        While the windows of a row are read, the first window of the next row can come in.
        """
        # From the oldest word that a row of windows still reads, to the last that must be there:
        # for its own windows, or for the first window of the next row (or of the next image).
        rows, columns = self.needs
        following = np.append(rows[1:], self.words + rows[0]) + columns[0]
        most = np.maximum(following, rows + columns.max()) - self.released
        return 1 << max(int(most.max()) - 1, 1).bit_length()

    @property
    def _area(self) -> int:
        return self.window.size[0] * self.window.size[1]

    @property
    def _line(self) -> int:
        """Words of a row of the image."""
        return self.window.shape[2] * self.pixel_beats

    @property
    def _taps(self) -> IntArray:
        taps = np.arange(self.turns * self.taps)
        return np.where(taps < self._area, taps, 0).reshape(self.turns, self.taps)

    @cached_property
    def _places(self) -> tuple[IntArray, IntArray]:
        """Row (column) of the image that each row (column) of each window reads."""
        window = self.window
        rows, columns = (
            np.arange(window.out_size[k])[:, None] * window.stride[k]
            - window.padding[k]
            + np.arange(window.size[k]) * window.dilation[k]
            for k in range(2)
        )
        return rows, columns


def window_fold(window: Window, parallel_inputs: int) -> WindowFold:
    """The fold of windows for so many inputs at a time: never more of them, spread evenly.

    Up to the number of channels, these are neighbouring channels of a tap, as many as make the
    beats of a pixel even; beyond, whole pixels of several taps.
    """
    # The number of parts first, then parts as equal as can be: 10 channels at 4 are 4, 4 and 2.
    channels, area = window.shape[0], window.size[0] * window.size[1]
    if parallel_inputs < channels:
        pixel_beats = -(-channels // parallel_inputs)
        return WindowFold(window, -(-channels // pixel_beats))
    turns = -(-area // min(parallel_inputs // channels, area))
    return WindowFold(window, channels, -(-area // turns))
