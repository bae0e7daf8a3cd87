"""DSQ: hard rounding whose gradient is that of a soft staircase, sharpened while it trains."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from kanhw.formats import FloatArray
from kanhw.quant.training.rules.activation_rule import at_least_a_share
from kanhw.quant.training.rules.learned_ends import LearnedEnds
from kanhw.quant.training.rules.straight_through import straight_through
from kanhw.quant.training.rules.units import learning_units
from kanhw.quant.training.rules.weight_rule import WeightRule, mean_magnitude, odd_integers

__all__ = ["SoftRounding", "SoftWeightRounding", "staircase"]

# Gaps to hard steps, at the start and at the end of a training.
_SOFT, _HARD = 0.4, 0.05
# Half of the weights' range starts at this many standard deviations.
_SPREAD = 2.6


class _Sharpening:
    """A staircase that becomes harder as training goes on.

    The gap alpha between the soft and the hard step falls geometrically from 0.4 to 0.05. Slopes
    stay between 0.19 and 1.94 with that, and are 1 on average over every cell, so gradients neither
    vanish nor explode. Alpha is no part of the state that a module saves.
    """

    alpha: float = _SOFT

    def sharpen(self, progress: float) -> None:
        """Be as hard as after a share of the training, 0 to 1."""
        self.alpha = _SOFT * (_HARD / _SOFT) ** progress


class SoftRounding(_Sharpening, LearnedEnds):
    """DSQ for activations: learned ends, and a slope that is largest where a code changes.

    Gong et al., "Differentiable soft quantization: Bridging full-precision and low-bit neural
    networks", ICCV 2019. In the cell i of width D between two codes, with
    ``m = l + (i + 1/2) D``, the staircase is ``l + D (i + (phi + 1) / 2)`` with
    ``phi = tanh(k (x - m)) / (1 - alpha)`` and ``k = ln(2 / alpha - 1) / D``. The value is the hard
    code, as deployed; the slope is the staircase's. The ends l and u are learned by the same
    derivative, D included, and by what is clipped at them.

    They start at the calibrated range (the paper: at the extremes). The paper learns alpha, here it
    is annealed, as in QuantKAN, because what is deployed is hard whatever alpha is; l is snapped to
    a whole number of steps.
    """

    def soft(self, x: Tensor, low: Tensor, step: Tensor) -> Tensor:
        """``l + D (code)``, the code with the slope of the staircase."""
        position = ((x - low) / step).clamp(0, self.steps)
        codes = staircase(position, self.steps, self.alpha)
        return straight_through(torch.floor(position + 0.5), codes) * step + low


class SoftWeightRounding(_Sharpening, WeightRule):
    """DSQ for weights: the staircase of :class:`SoftRounding` over a learned range -u to u.

    Gong et al., ICCV 2019. The range is symmetric, so that weights have no
    offset. Its ``2**b`` levels are ``u (2 q - n) / n`` with ``n = 2**b - 1``: the integers are odd,
    zero is no level, but a weight of exactly 0, a pruned edge, stays 0. u is learned, and starts at
    ``|mean| + 2.6 sd``, as in MQBench, but at most at the largest magnitude; one bit is
    ``u sign(w)`` and starts at the mean magnitude.
    """

    first: Tensor
    unit: Tensor

    def __init__(self, weights: FloatArray, bits: int, *, per_channel: bool) -> None:
        super().__init__(weights, bits, per_channel=per_channel)
        end = self.measured(weights, mean_magnitude if bits == 1 else _spread)
        self.register_buffer("unit", learning_units(end), persistent=False)
        self.end = nn.Parameter(end / self.unit)
        self.register_buffer("first", end.clone())

    def integers(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """``2 q - n`` and ``u / n``."""
        top = (1 << self.bits) - 1
        step = at_least_a_share(self.end * self.unit, self.first) / top
        relative = weights / step
        position = ((relative + top) / 2).clamp(0, top)
        soft = 2 * staircase(position, top, self.alpha) - top
        return straight_through(odd_integers(relative, top), soft), step


def staircase(position: Tensor, cells: int, alpha: float) -> Tensor:
    """The soft staircase through ``(0, 0), (1, 1), ..``: steep in the middle of every cell.

    Parameters
    ----------
    position
        From 0 to ``cells``.
    cells
        At least 1.
    alpha
        The gap to a hard step, between 0 and 1/2.
    """
    cell = torch.floor(position.detach()).clamp(max=cells - 1)
    steepness = math.log(2 / alpha - 1)
    phi = torch.tanh(steepness * (position - cell - 0.5)) / (1 - alpha)
    return cell + (phi + 1) / 2


def _spread(weights: FloatArray) -> float:
    spread = abs(float(weights.mean())) + _SPREAD * float(weights.std())
    return min(spread, float(np.abs(weights).max()))
