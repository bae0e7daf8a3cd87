"""Pooling of codes, in training and as a Program does it: the largest, or the rounded average.

Codes are cut to fewer bits from below, and the largest value has the largest code, so that the
largest may be taken of shares. An average is one of whole codes, whose middles stand for shares:
of A codes q of n bits it is ``floor((sum q + A // 2) / A)``, a code of n bits again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from kanhw.formats import IntArray
from kanhw.quant.fabric.cost import CodeWork
from kanhw.quant.fabric.learned.reading import line_buffer
from kanhw.quant.fabric.learned.tables import LN2
from kanhw.windows import Window

__all__ = ["Pool"]


@dataclass(frozen=True)
class Pool:
    """What happens to a layer's codes before they are read.

    Parameters
    ----------
    kind
        ``max`` or ``average``.
    window
        Over the image of the layer's sums, without padding.
    name
        For messages and reports.
    """

    kind: Literal["max", "average"]
    window: Window
    name: str

    @property
    def rounds(self) -> bool:
        """Whether what it gives depends on all bits of the codes that it takes."""
        return self.kind == "average"

    @property
    def mode(self) -> Literal["max", "sum"]:
        """What the Program's layer does."""
        return "sum" if self.rounds else "max"

    @property
    def area(self) -> int:
        """Codes of a window, of a channel."""
        return self.window.size[0] * self.window.size[1]

    @property
    def work(self) -> CodeWork:
        """What hardware does to pool codes that come pixel by pixel; a whole image has a total."""
        whole = self.window.size == self.window.shape[1:]
        added = 1 if whole else self.area - 1
        own = CodeWork(
            compared=0 if self.rounds else added,
            added=added if self.rounds else 0,
            divided=self.rounds and self.area & (self.area - 1) != 0,
        )
        return own if whole else own + line_buffer(self.window)

    @cached_property
    def index(self) -> IntArray:
        """``[channels * positions, area]``: what every pooled value is made of."""
        channels = self.window.shape[0]
        taps = self.window.index.reshape(-1, channels, self.area)
        return taps.transpose(1, 0, 2).reshape(-1, self.area)

    def __call__(self, shares: Tensor, code_bits: Tensor) -> Tensor:
        """Pooled shares ``[S, N, channels * positions]``.

        Parameters
        ----------
        shares
            ``[S, N, values]`` of the range of the codes.
        code_bits
            ``[S, channels]``, reals that are rounded.
        """
        index = torch.as_tensor(self.index.ravel(), device=shares.device)
        cells = shares.index_select(-1, index)
        cells = cells.reshape(*shares.shape[:2], *self.index.shape)
        if not self.rounds:
            largest: Tensor = cells.amax(-1)
            return largest
        bits = code_bits.repeat_interleave(self.window.positions, dim=1)
        averaged: Tensor = _AveragedCodes.apply(  # type: ignore[no-untyped-call]
            cells, bits.unsqueeze(1)
        )
        return averaged

    def factors(self, bits: IntArray, read: IntArray) -> tuple[IntArray, IntArray, int]:
        """Multipliers m and biases b ``[n]``, and the shift r of the Program's layer.

        ``(m * S + b + 2**(r - 1)) >> r`` are the upper bits of the pooled code, of whatever S the
        layer makes of codes.

        Parameters
        ----------
        bits
            ``[n]`` of the codes that are pooled.
        read
            ``[n]``: upper ones of these that are read; all of them unless averages round.
        """
        if not self.rounds:
            return np.ones_like(read), np.zeros_like(read), 0
        area = self.area
        # Rounded up at so many bits more, the multiplier is too large by less than what would
        # move a quotient of codes to the next whole number.
        extra = int(bits.max()) + area.bit_length() if area & (area - 1) else 0
        scale = (area - 1).bit_length() + extra
        shifts = scale + bits - read
        shift = int(shifts.max())
        multipliers = -(-(1 << scale) // area) << (shift - shifts)
        return multipliers, multipliers * (area // 2) - (1 << shift >> 1), shift


class _AveragedCodes(torch.autograd.Function):
    """``apply(shares [S, N, values, area], code_bits [S, 1, values])``: shares ``[S, N, values]``.

    Straight through the rounding to shares within 0 and 1; widths have what rounding takes away.
    """

    @staticmethod
    def forward(ctx: Any, shares: Tensor, code_bits: Tensor) -> Tensor:
        """The middles of averaged codes."""
        area = shares.shape[-1]
        count = torch.exp2(torch.floor(code_bits + 0.5))
        whole = count.unsqueeze(-1)
        codes = torch.floor(shares * whole).clamp(min=0).minimum(whole - 1)
        mean = torch.div(codes.sum(-1) + area // 2, area, rounding_mode="floor")
        averaged = (mean + 0.5) / count
        inside = (shares >= 0) & (shares < 1)
        ctx.save_for_backward(inside, shares.clamp(0, 1).mean(-1) - averaged)
        return averaged

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        """To shares, and to widths."""
        inside, error = ctx.saved_tensors
        (own,) = gradients
        of_shares = own.unsqueeze(-1) * inside / inside.shape[-1]
        return of_shares, LN2 * (own * error).sum(dim=1, keepdim=True)
