"""What every rule for weights has in common: it ends in integers times a step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from kanhw.formats import FloatArray
from kanhw.quant.quantizers.quantizer import WeightQuantizer

__all__ = ["WeightRule", "mean_magnitude", "odd_integers"]


class WeightRule(nn.Module, ABC):
    """What maps a layer's weights to integers while a network trains.

    One bit is -1 and +1 by every rule, started at the mean magnitude, and a weight of 0 (a pruned
    edge) is 0 at any number of bits.

    Parameters
    ----------
    weights
        ``[n_out, m]`` reals, for the initialisation.
    bits
        1 to 8.
    per_channel
        One step per output, or one for all.
    """

    def __init__(self, weights: FloatArray, bits: int, *, per_channel: bool) -> None:
        super().__init__()
        self.bits = bits
        self.channels = len(weights)
        self.per_channel = per_channel

    @abstractmethod
    def integers(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Integers ``[n_out, m]`` and steps ``[n_out, 1]`` or ``[1, 1]``, gradients attached.

        The integers carry the rule's gradient; their product is the quantized weight.
        """

    def forward(self, weights: Tensor) -> Tensor:
        """The reals ``[n_out, ...]`` that the integers stand for."""
        integers, step = self.integers(weights.flatten(1))
        return (integers * step).reshape(weights.shape)

    def frozen(self, weights: Tensor) -> WeightQuantizer:
        """The integers as they are now; a step for every output."""
        with torch.no_grad():
            integers, step = self.integers(weights.flatten(1))
        codes = np.floor(integers.double().cpu().numpy() + 0.5).astype(np.int64)
        steps = step.double().cpu().numpy().reshape(-1)
        steps = np.broadcast_to(steps, (self.channels,)).copy()
        return WeightQuantizer(codes.reshape(tuple(weights.shape)), steps)

    def measured(self, weights: FloatArray, measure: Callable[[FloatArray], float]) -> Tensor:
        """A measure of every group of weights that share a step, ``[n_out, 1]`` or ``[1, 1]``.

        Weights that are zero have no say; a group without any others gives 1.
        """
        rows = weights if self.per_channel else weights.reshape(1, -1)
        found = [[measure(row[row != 0]) if row.any() else 1.0] for row in rows]
        kind = torch.get_default_dtype()
        # Steps of denormal size would leave nothing to divide by.
        return torch.tensor(found, dtype=kind).clamp(min=torch.finfo(kind).tiny)

    def largest_in_group(self, magnitudes: Tensor) -> Tensor:
        """The largest of ``[n_out, m]`` magnitudes per group, 1 where all are zero."""
        if magnitudes.numel() == 0:
            return magnitudes.new_ones((self.channels if self.per_channel else 1, 1))
        across = 1 if self.per_channel else (0, 1)
        largest = magnitudes.amax(dim=across, keepdim=True)
        tiny = torch.finfo(largest.dtype).tiny
        return torch.where(largest > 0, largest.clamp(min=tiny), 1.0)

    def mean_in_group(self, magnitudes: Tensor) -> Tensor:
        """The mean of those of ``[n_out, m]`` magnitudes that are not zero, 1 without any."""
        across = 1 if self.per_channel else (0, 1)
        count = (magnitudes > 0).sum(dim=across, keepdim=True)
        mean = magnitudes.sum(dim=across, keepdim=True) / count.clamp(min=1)
        return torch.where(count > 0, mean.clamp(min=torch.finfo(mean.dtype).tiny), 1.0)


def mean_magnitude(weights: FloatArray) -> float:
    """Of weights ``[m]``: the step of one bit with the least squared error."""
    return float(np.abs(weights).mean())


def odd_integers(relative: Tensor, top: int) -> Tensor:
    """The nearest of ``-top, 2 - top, .., top`` (top is odd), and 0 for exactly 0.

    These are ``2 q - (2**b - 1)`` for the codes q of a grid of ``2**b`` levels around zero, which
    zero is not on. Ties go away from zero.
    """
    magnitudes = 2 * torch.floor(relative.detach().abs() / 2) + 1
    return torch.sign(relative.detach()) * magnitudes.clamp(max=top)
