"""DoReFa: nothing is learned but the weights, which go through a tanh."""

from __future__ import annotations

import torch
from torch import Tensor

from kanhw.formats import FloatArray
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.training.rules.activation_rule import IntervalRule
from kanhw.quant.training.rules.straight_through import straight_through
from kanhw.quant.training.rules.weight_rule import WeightRule, odd_integers

__all__ = ["FixedRange", "TanhWeights"]


class FixedRange(IntervalRule):
    """DoReFa for activations: a fixed range, rounded to ``2**b - 1`` steps; nothing is learned.

    Zhou et al., "DoReFa-Net: Training low bitwidth convolutional neural networks with low bitwidth
    gradients", 2016. The gradient of x is 1 in
    the range and 0 outside.

    The paper's range is [0, 1]. What goes into a KAN layer is signed and of any size, so here it is
    the calibrated range.
    """

    low: Tensor
    step: Tensor

    def __init__(self, start: ActivationQuantizer, values: FloatArray) -> None:
        super().__init__(start, values)
        step = self.narrow(start.scale)
        low = self.format.lo * step if self.without_offset else self.narrow(self.started_low())
        self.register_buffer("low", low)
        self.register_buffer("step", step)

    def interval(self) -> tuple[Tensor, Tensor]:
        """The calibrated range."""
        return self.low, self.step

    def soft(self, x: Tensor, low: Tensor, step: Tensor) -> Tensor:
        """``clip(x, low, high)``."""
        return torch.clamp(x, low, low + self.steps * step)


class TanhWeights(WeightRule):
    """DoReFa for weights, which PACT uses too: a grid of ``2**b`` levels for tanh w.

    With ``m = max|tanh w|``, ``n = 2**b - 1`` and ``q = round(n (tanh w / (2 m) + 1/2))`` the
    weight is ``m (2 q / n - 1)``, so the integers are the odd numbers ``2 q - n`` and the step is
    ``m / n``. One bit is ``sign(w) mean|w|``. Zhou et al., "DoReFa-Net", 2016.
    Nothing is learned; the gradient of w is ``1 - tanh(w)**2``, and 1 for one bit.

    The paper leaves the factor m out and lets the norm behind the layer restore the size. A KAN
    layer has none, so m stays, as a constant: with a gradient it would move the largest weight of
    a group only, and undo that weight's own. Zero is no level, but a weight of exactly 0, a
    pruned edge, stays 0. A weight is deployed as its tanh, so none is larger than 1.
    """

    def integers(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Odd integers, and what they are multiples of."""
        if self.bits == 1:
            step = self.mean_in_group(weights.detach().abs())
            return straight_through(torch.sign(weights), weights / step), step
        top = (1 << self.bits) - 1
        squashed = torch.tanh(weights)
        step = self.largest_in_group(squashed.detach().abs()) / top
        relative = squashed / step
        return straight_through(odd_integers(relative, top), relative), step
