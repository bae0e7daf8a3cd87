"""How a layer reads the values before it: all at once, or in windows that share its edges."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kanhw.errors import InputError
from kanhw.formats import IntArray
from kanhw.quant.fabric.cost import CodeWork
from kanhw.windows import Window

__all__ = ["Reading", "line_buffer"]

# Lines of no more pixels than these are registers; a memory of LUTs holds so many.
_REGISTERS, _MEMORY = 4, 32


@dataclass(frozen=True, eq=False)
class Reading:
    """Which values every input of a layer's edges is; a vector is read in one window.

    Values travel flattened, channel after channel; a feature of a vector is a channel of its own.

    Parameters
    ----------
    channels
        ``[values]``: of which channel each is, from 0 on.
    window
        The windows of an image; None for a layer that reads all values at once.
    """

    channels: IntArray
    window: Window | None = None

    @classmethod
    def of_windows(cls, window: Window) -> Reading:
        """Of windows of an image."""
        return cls(np.repeat(np.arange(window.shape[0]), window.shape[1] * window.shape[2]), window)

    @cached_property
    def index(self) -> IntArray:
        """``[positions, n_in]``: which value each input is at every window; -1 is padding."""
        return np.arange(len(self.channels))[None] if self.window is None else self.window.index

    @property
    def positions(self) -> int:
        """Windows, each with sums of its own."""
        return len(self.index)

    @property
    def n_in(self) -> int:
        """Inputs of an edge each."""
        return int(self.index.shape[1])

    @property
    def n_channels(self) -> int:
        """Channels of the values."""
        return int(self.channels.max()) + 1

    @cached_property
    def of_input(self) -> IntArray:
        """``[n_in]``: the channel that each input reads, whatever the window."""
        inside = self.index.max(axis=0)
        if self.window is not None and inside.min() < 0:
            raise InputError(
                f"Windows of {self.window.size} with padding {self.window.padding} over an image "
                f"of {self.window.shape} have taps that are always padding, which learn nothing: "
                "use smaller windows, or less padding"
            )
        result: IntArray = self.channels[inside]
        return result

    @cached_property
    def padded(self) -> npt.NDArray[np.bool_]:
        """``[n_in]``: whether an input is padding in some window."""
        return np.asarray((self.index < 0).any(axis=0), np.bool_)

    @property
    def is_plain(self) -> bool:
        """Whether every input has a channel of its own."""
        return self.window is None and self.n_channels == len(self.channels)

    @property
    def work(self) -> CodeWork:
        """What hardware does to have windows of codes that come pixel by pixel."""
        return CodeWork() if self.window is None else line_buffer(self.window)

    def by_input(self, values: Any) -> Any:
        """``[..., n_in]`` of numbers by channel ``[..., channels]``, of numpy or torch."""
        return values if self.is_plain else values[..., self.of_input]

    def by_channel(self, values: Tensor) -> Tensor:
        """``[..., channels]``: the largest of the inputs' ``[..., n_in]`` in each, at least 0."""
        if self.is_plain:
            return values
        index = torch.as_tensor(self.of_input, device=values.device).expand(values.shape)
        largest = values.new_zeros((*values.shape[:-1], self.n_channels))
        return largest.scatter_reduce(-1, index, values, "amax")

    def gather(self, values: Tensor) -> Tensor:
        """``[S, N * positions, n_in]`` of values ``[S, N, values]``; padding is NaN."""
        if self.window is None:
            return values
        padded = torch.nn.functional.pad(values, (0, 1), value=torch.nan)
        index = torch.as_tensor(self.index.ravel(), device=values.device) % padded.shape[-1]
        return padded.index_select(-1, index).reshape(len(values), -1, self.n_in)

    def to_image(self, sums: Tensor) -> Tensor:
        """``[S, N, n_out * positions]`` of sums ``[S, N * positions, n_out]``."""
        s, _, n_out = sums.shape
        by_window = sums.reshape(s, -1, self.positions, n_out)
        return by_window.transpose(2, 3).reshape(s, -1, n_out * self.positions)


def line_buffer(window: Window) -> CodeWork:
    """Of pixels that come row by row: all rows but the last are in a memory."""
    rows, width = window.dilation[0] * (window.size[0] - 1), window.shape[2]
    memories = -(-width // _MEMORY) if width > _REGISTERS else 0
    return CodeWork(lines=rows * memories, stages=1)
