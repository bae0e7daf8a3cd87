"""The transfer of a vector or an image: its beats, and the values of each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import IntArray
from kanhw.schedule.fold import rows_of

__all__ = ["Transfer"]


@dataclass(frozen=True)
class Transfer:
    """Values a beat, and beats of a whole vector or image.

    A vector of 10 at 4 values a beat has 3 beats, a ``length`` of 10, and 2 places of the last beat
    are filled up. An image of 8 x 8 pixels of 10 channels at 4 values a beat has 3 beats a pixel,
    192 beats, and ``channels`` of 10.

    Parameters
    ----------
    count
        Values of each stream in one beat.
    beats
        Beats that make up a whole vector or image.
    length
        Values of a whole vector that comes some a beat, in order, the last beat filled up with
        anything; None for a vector in one beat, and for an image, which comes pixel by pixel.
    channels
        Values of a pixel where that does not make a beat of an image: the pixel comes some values
        a beat, in order, the last beat filled up with anything; or several pixels come together,
        for a layer that takes vectors. None otherwise.
    """

    count: int
    beats: int = 1
    length: int | None = None
    channels: int | None = None

    @property
    def pixel(self) -> int:
        """Values of a vector, or of a pixel of an image."""
        return self.length or self.channels or self.count

    @property
    def pixel_beats(self) -> int:
        """Beats of a vector, which counts as one pixel, or of a pixel of an image."""
        return -(-self.pixel // self.count)

    @property
    def pixels(self) -> int:
        """Pixels of an image, 1 for a vector; not where several come together."""
        return self.beats // self.pixel_beats

    def places(self, total: int) -> IntArray:
        """The value at every place, 0 to ``total - 1``, ``[beats, count]``; -1 for filling.

        The values of an image are numbered in the order channel, row, column.
        """
        if self.channels is None and (self.length is not None or self.beats == 1):
            return rows_of(total, self.count)
        # From channel by channel to pixel by pixel; where beats hold several pixels, pixel
        # boundaries do not matter, and the image is one long row.
        by_pixel = np.arange(total).reshape(self.pixel, -1).T
        if self.count > self.pixel:
            by_pixel = by_pixel.reshape(1, -1)
        filler = -by_pixel.shape[1] % self.count
        filled = np.pad(by_pixel, [(0, 0), (0, filler)], constant_values=-1)
        return filled.reshape(-1, self.count)

    def split(self, count: int) -> Transfer:
        """A vector or pixel in one beat, in beats of ``count``.

        Raises
        ------
        InputError
            If it comes in several beats, or has no more than ``count`` values.
        """
        if self.pixel_beats != 1 or not 1 <= count < self.count:
            raise InputError(
                f"To split a vector of {self.pixel} in {self.pixel_beats} beats, it must come in "
                f"one and go in several, not {count} codes a beat"
            )
        beats = self.beats * -(-self.count // count)
        length, channels = (None, self.count) if self.beats > 1 else (self.count, None)
        return Transfer(count, beats, length, channels)

    def collected(self, count: int) -> Transfer:
        """A vector or pixels in larger beats of ``count``, several whole pixels included.

        Raises
        ------
        InputError
            If ``count`` is no multiple of what comes a beat, nor all of it.
        """
        # Of whole pixels, all of the image's are collected.
        whole_pixels = self.pixel_beats == 1
        whole = self.count * self.beats if whole_pixels else self.pixel
        if not self.count < count <= whole or (count % self.count and count != whole):
            raise InputError(
                f"{self.count} of {whole} codes a beat cannot be collected to {count}: it must "
                "be a multiple, or the whole vector"
            )
        unit, together = self.collected_unit, -(-count // self.count)
        larger = replace(self, count=count, beats=self.beats // unit * -(-unit // together))
        if whole_pixels:
            return replace(larger, channels=self.count)
        return replace(larger, length=None, channels=None) if count == whole else larger

    @property
    def collected_unit(self) -> int:
        """Beats of what is collected as one: the pixels of an image, or a vector's or pixel's."""
        return self.beats if self.pixel_beats == 1 else self.pixel_beats

    def gathered(self) -> Transfer:
        """An image by pixels as one vector in one beat."""
        return replace(self, count=self.count * self.beats, beats=1)
