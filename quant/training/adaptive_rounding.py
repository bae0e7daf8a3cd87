"""Weights whose rounding, up or down, is learned."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from kanhw.formats import FloatArray
from kanhw.quant.quantizers.quantizer import WeightQuantizer
from kanhw.quant.training.rules.weight_rule import WeightRule

__all__ = ["AdaptiveRounding"]

# The sigmoid is stretched over both ends, so that 0 and 1 are reached.
_STRETCH, _OVERHANG = 1.2, 0.1


class AdaptiveRounding(WeightRule):
    """AdaRound: ``s clip(floor(w / s) + h(V))``, ``h = clip(1.2 sigmoid(V) - 0.1, 0, 1)``.

    Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization", ICML 2020.
    V starts where h is the true fraction, so that the weights are those of the
    float network. One bit rounds between -1 and +1. Weights that are 0 stay 0.

    Parameters
    ----------
    weights
        ``[n_out, ...]`` reals.
    nearest
        Their integers when rounded to nearest, and the steps.
    bits
        Of an integer.

    Attributes
    ----------
    hard
        Whether h is taken to be 0 or 1, whichever is nearer.
    """

    lowest: Tensor
    step: Tensor
    free: Tensor

    def __init__(self, weights: FloatArray, nearest: WeightQuantizer, bits: int) -> None:
        super().__init__(weights, bits, per_channel=True)
        self.shape, self.scale = weights.shape, nearest.scale
        kind = torch.get_default_dtype()
        relative = weights.reshape(len(weights), -1) / nearest.scale[:, None]
        # What h is multiplied with, and what it is added to.
        self.gap = 2 if bits == 1 else 1
        self.top = 1 if bits == 1 else (1 << (bits - 1)) - 1
        lowest = -np.ones_like(relative) if bits == 1 else np.floor(relative)
        share = ((relative - lowest) / self.gap).clip(0, 1)
        inner = (share + _OVERHANG) / _STRETCH
        self.register_buffer("lowest", torch.tensor(lowest, dtype=kind))
        self.register_buffer("free", torch.tensor(relative != 0))
        self.register_buffer("step", torch.tensor(nearest.scale[:, None], dtype=kind))
        self.logits = nn.Parameter(torch.tensor(np.log(inner / (1 - inner)), dtype=kind))
        self.hard = False
        self.nearest_is_up = torch.tensor(nearest.codes.reshape(relative.shape) > lowest)

    def heights(self) -> Tensor:
        """h, between 0 (down) and 1 (up)."""
        soft = (torch.sigmoid(self.logits) * _STRETCH - _OVERHANG).clamp(0, 1)
        return (soft >= 0.5).to(soft) if self.hard else soft

    def integers(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """``clip(floor(w / s) + h)`` and s, whatever the weights given are."""
        if self.lowest.numel() == 0:
            # A layer without bases.
            return weights * 0, self.step
        codes = (self.lowest + self.gap * self.heights()).clamp(-self.top, self.top)
        return codes * self.free, self.step

    def softness(self, exponent: float) -> Tensor:
        """``sum(1 - |2 h - 1|**exponent)``: 0 where every h is 0 or 1."""
        distance = (2 * self.heights() - 1).abs()
        return ((1 - distance**exponent) * self.free).sum()

    def round_to_nearest(self) -> None:
        """Choose what rounding to nearest chooses."""
        with torch.no_grad():
            self.logits.copy_(torch.where(self.nearest_is_up, 4.0, -4.0))

    def quantized(self) -> WeightQuantizer:
        """The integers, hard, in the shape of the weights."""
        before, self.hard = self.hard, True
        with torch.no_grad():
            codes, _ = self.integers(self.lowest)
        self.hard = before
        integers = codes.double().cpu().numpy().astype(np.int64)
        return WeightQuantizer(integers.reshape(self.shape), self.scale)
