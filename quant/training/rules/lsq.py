"""LSQ and LSQ+: a learned step, and a learned offset of activations."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from kanhw.formats import CodeFormat, FloatArray
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.training.rules.activation_rule import (
    IntervalRule,
    at_least_a_share,
    learned_gradient_scale,
    one_bit_side,
)
from kanhw.quant.training.rules.straight_through import (
    round_half_up,
    scale_gradient,
    straight_through,
)
from kanhw.quant.training.rules.units import learning_units
from kanhw.quant.training.rules.weight_rule import WeightRule, mean_magnitude

__all__ = [
    "LearnedIntervalRule",
    "LearnedStep",
    "LearnedStepOffset",
    "LearnedWeightStep",
    "SpreadWeightStep",
]


class LearnedIntervalRule(IntervalRule):
    """Activations whose interval has LSQ's gradients, whatever its parameters are.

    The gradient of the step is ``round(x / s) - x / s`` inside the range and the end code outside,
    that of the offset 1 outside and 0 inside, that of x 1 inside and 0 outside (as in
    LSQ and LSQ+); what is learned gets them times ``1 / sqrt(N Q_p)``.
    """

    def soft(self, x: Tensor, low: Tensor, step: Tensor) -> Tensor:
        """``s clip(round((x - low) / s)) + low``."""
        factor = self.gradient_scale(x)
        low, step = scale_gradient(low, factor), scale_gradient(step, factor)
        position = ((x - low) / step).clamp(0, self.steps)
        return round_half_up(position) * step + low


class LearnedStep(LearnedIntervalRule):
    """LSQ: one learned step, codes symmetric around zero, or unsigned where nothing is negative.

    ``x' = s clip(round(x / s), -Q_n, Q_p)``. Esser et al., "Learned Step Size Quantization", ICLR
    2020. Learned is the step s, which starts at ``2 mean|x| / sqrt(Q_p)``; its
    gradient is scaled by ``1 / sqrt(N Q_p)``.

    The paper has no single bit: here it is on the side of zero where the values weigh more.
    """

    first: Tensor

    def __init__(self, start: ActivationQuantizer, values: FloatArray) -> None:
        super().__init__(start, values)
        top = max(self.format.hi, 1)
        steps = 2.0 * self.mean_magnitudes(values) / np.sqrt(top)
        step = self.narrow(np.where(steps > 0, steps, 1.0))
        self.step = nn.Parameter(step / self.unit)
        self.register_buffer("first", step.clone())

    @staticmethod
    def wanted_format(start: ActivationQuantizer, values: FloatArray) -> CodeFormat:
        """Signed where something is negative."""
        return one_bit_side(CodeFormat(start.format.width, bool((values < 0).any())), values)

    def interval(self) -> tuple[Tensor, Tensor]:
        """The learned step, and as many of them below zero as there are codes."""
        step = at_least_a_share(self.step * self.unit, self.first)
        return self.format.lo * step, step


class LearnedStepOffset(LearnedIntervalRule):
    """LSQ+: a learned step and a learned offset.

    ``x' = s clip(round((x - beta) / s), 0, n) + beta``. Bhalgat et al., "LSQ+: Improving low-bit
    quantization through learnable offsets and better initialization", CVPR workshops 2020.
    Both start at the calibrated range, by default the one of least squared error,
    as in the paper.

    Other than there, beta is snapped to a whole number of steps, so that it is a zero point and
    costs no multiplier; and it stays 0 where calibration has put it there for good.
    """

    first: Tensor

    def __init__(self, start: ActivationQuantizer, values: FloatArray) -> None:
        super().__init__(start, values)
        step = self.narrow(start.scale)
        self.step = nn.Parameter(step / self.unit)
        self.offset: nn.Parameter | None = None
        if not self.without_offset:
            self.offset = nn.Parameter(self.narrow(self.started_low()) / self.unit)
        self.register_buffer("first", step.clone())

    def interval(self) -> tuple[Tensor, Tensor]:
        """The learned offset and step."""
        step = at_least_a_share(self.step * self.unit, self.first)
        low = self.format.lo * step if self.offset is None else self.offset * self.unit
        return low, step


class LearnedWeightStep(WeightRule):
    """LSQ: a learned step, started at ``2 mean|w| / sqrt(Q_p)``.

    ``w' = s clip(round(w / s), -2**(b-1), 2**(b-1) - 1)``. Esser et al., "Learned Step Size
    Quantization", ICLR 2020. The gradient of s is ``round(w / s) - w / s``
    inside the range and the end code outside, times ``1 / sqrt(N Q_p)``; that of w is 1 inside and
    0 outside.

    The paper has no single bit: here it is ``s sign(w)``, with the gradients of a range from -1 to
    1.
    """

    first: Tensor
    unit: Tensor

    def __init__(self, weights: FloatArray, bits: int, *, per_channel: bool) -> None:
        super().__init__(weights, bits, per_channel=per_channel)
        self.lo, self.hi = (-1, 1) if bits == 1 else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        step = self.measured(weights, mean_magnitude if bits == 1 else self.started_step)
        self.register_buffer("unit", learning_units(step), persistent=False)
        self.step = nn.Parameter(step / self.unit)
        self.register_buffer("first", step.clone())

    def started_step(self, weights: FloatArray) -> float:
        """Where the step of weights ``[m]`` starts."""
        return 2.0 * mean_magnitude(weights) / float(np.sqrt(self.hi))

    def integers(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """``clip(round(w / s))`` and s."""
        step = at_least_a_share(self.step * self.unit, self.first)
        step = scale_gradient(step, learned_gradient_scale(weights, step, self.hi))
        relative = (weights / step).clamp(self.lo, self.hi)
        if self.bits == 1:
            return straight_through(torch.sign(weights), relative), step
        return round_half_up(relative), step


class SpreadWeightStep(LearnedWeightStep):
    """LSQ+ for weights: LSQ whose step starts at the spread, which outliers hardly move.

    ``s = max(|mean - 3 sd|, |mean + 3 sd|) / 2**(b-1)``. Bhalgat et al., "LSQ+", CVPR workshops
    2020. Weights have no offset, as in the paper. A single bit, which the
    paper does not have, starts at the mean magnitude.
    """

    def started_step(self, weights: FloatArray) -> float:
        """Where the step of weights ``[m]`` starts."""
        mean, spread = float(weights.mean()), 3.0 * float(weights.std())
        return (abs(mean) + spread) / float(1 << (self.bits - 1))
