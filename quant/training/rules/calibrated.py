"""An activation quantizer that stays as calibration chose it, or learns its step from there."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from kanhw.formats import FloatArray
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.quantizers.room import clips_nothing
from kanhw.quant.training.rules.activation_rule import ActivationRule
from kanhw.quant.training.rules.straight_through import round_half_up, scale_gradient

__all__ = ["Calibrated"]

# A learned step stays within this factor of the calibrated one.
_MOST = 2.0


class Calibrated(ActivationRule):
    """The quantizer of a plan; its step can be set free to learn, its zero point stays.

    A range that clips nothing of what was seen does not become narrower: it has room for what was
    not seen, of which training data say nothing.

    Attributes
    ----------
    step
        One for every scale; learns where it requires a gradient.
    """

    first: Tensor
    origin: Tensor

    def __init__(self, start: ActivationQuantizer, values: FloatArray) -> None:
        super().__init__(start, values)
        step = self.narrow(start.scale)
        self.step = nn.Parameter(step, requires_grad=False)
        self.register_buffer("first", step.clone())
        self.register_buffer("origin", self.narrow(start.zero_point))
        self.smallest = 1.0 if clips_nothing(start, values) else 1 / _MOST

    def affine(self) -> tuple[Tensor, Tensor]:
        """The step, kept near the calibrated one, and its zero point."""
        step = torch.maximum(self.step, self.first * self.smallest)
        step = torch.minimum(step, self.first * _MOST)
        return self.broad(step), self.broad(self.origin)

    def real(self, x: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
        """``s (clamp(round(x / s) + z) - z)``, its step's gradient scaled as in LSQ."""
        scale = scale_gradient(scale, self.gradient_scale(x))
        lo, hi = self.format.lo - zero_point, self.format.hi - zero_point
        codes = torch.minimum(torch.maximum(x / scale, lo), hi)
        return round_half_up(codes) * scale

    def frozen(self) -> ActivationQuantizer:
        """The calibrated quantizer itself, as long as its step has not moved."""
        if bool((self.step == self.first).all()):
            return self.start
        learned = super().frozen()
        return replace(learned, zero_point=self.start.zero_point)
