"""QIL: intervals that are learned, with weights pruned below theirs."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from kanhw.formats import FloatArray
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.training.rules.activation_rule import at_least_a_share, learned_gradient_scale
from kanhw.quant.training.rules.lsq import LearnedIntervalRule
from kanhw.quant.training.rules.straight_through import scale_gradient, straight_through
from kanhw.quant.training.rules.units import learning_units
from kanhw.quant.training.rules.weight_rule import WeightRule, mean_magnitude

__all__ = ["LearnedInterval", "LearnedWeightInterval"]

# Powers are taken within these exponents, and are a straight line below this argument: a power of
# less than one has no slope at 0 that a step could follow.
_EXPONENTS = (0.25, 4.0)
_SMALLEST_ARGUMENT = 1e-3


class LearnedInterval(LearnedIntervalRule):
    """QIL for activations: the interval ``c - d .. c + d`` with learned centre and half-width.

    Jung et al., "Learning to quantize deep networks by optimizing quantization intervals with task
    loss", CVPR 2019: ``clip(x / (2 d) - c / (2 d) + 1/2, 0, 1)`` is rounded to
    ``2**b - 1`` steps.

    The paper hands out that number between 0 and 1, and leaves it to a norm to restore its size. A
    spline basis is not scale-free, so here the same codes stand for ``c - d .. c + d``: an affine
    relabelling, which is differentiated as well. With it the parameters get the gradients of LSQ+
    (with ``1 / sqrt(N Q_p)`` instead of the paper's smaller learning rate, which MQBench found to
    diverge). What is below the interval is not zero but ``c - d``, so negative values survive: c is
    on the real axis, not on that of magnitudes. The interval starts at the calibrated range, and
    ``c - d`` is snapped to a whole number of steps. Where zero points stay 0, only d is learned.
    """

    first: Tensor

    def __init__(self, start: ActivationQuantizer, values: FloatArray) -> None:
        super().__init__(start, values)
        half = self.narrow(start.scale * (self.steps / 2))
        self.half_width = nn.Parameter(half / self.unit)
        self.centre: nn.Parameter | None = None
        if not self.without_offset:
            self.centre = nn.Parameter((self.narrow(self.started_low()) + half) / self.unit)
        self.register_buffer("first", half.clone())

    def interval(self) -> tuple[Tensor, Tensor]:
        """``c - d`` and ``2 d / (2**b - 1)``."""
        half = at_least_a_share(self.half_width * self.unit, self.first)
        step = 2 * half / self.steps
        low = self.format.lo * step if self.centre is None else self.centre * self.unit - half
        return low, step


class LearnedWeightInterval(WeightRule):
    """QIL for weights: magnitudes below ``c - d`` are pruned, above ``c + d`` clipped.

    Jung et al., CVPR 2019. In between, ``t = (|w| - c + d) / (2 d)`` is raised to
    gamma, and ``t**gamma sign(w)`` is rounded to ``2**(b-1) - 1`` levels per sign. Learned are the
    centre c, the half-width d and the exponent gamma. They start at ``c = d = max|w| / 2`` and
    gamma = 1, which is uniform rounding without a pruned band.

    The paper's weights end in -1 to 1 and a norm restores their size. A KAN layer has none, so the
    step is ``(c + d) / (2**(b-1) - 1)``: the top level stands for the magnitude at which clipping
    starts, so that weights there keep their size, at the start all do, and the product has
    gradients to c and d that LSQ has to its step. c and d get their gradients times
    ``1 / sqrt(N Q_p)``, as in MQBench; gamma, which MQBench found not to converge, is kept from
    1/4 to 4.

    One bit, which has no level besides -1 and +1, is ``(c + d) sign(w)``, started at
    ``c + d = mean|w|``. Nothing is pruned or clipped then, so no weight loses its gradient, which
    an interval that has moved away from all of them would take from every one: it is that of
    ``w / (c + d)`` (as in DoReFa), and there is no exponent.
    """

    first: Tensor
    unit: Tensor

    def __init__(self, weights: FloatArray, bits: int, *, per_channel: bool) -> None:
        super().__init__(weights, bits, per_channel=per_channel)
        self.top = max((1 << (bits - 1)) - 1, 1)
        reach = self.measured(weights, mean_magnitude if bits == 1 else _largest)
        self.register_buffer("unit", learning_units(reach), persistent=False)
        self.centre = nn.Parameter(reach / 2 / self.unit)
        self.half_width = nn.Parameter(reach / 2 / self.unit)
        self.exponent = None if bits == 1 else nn.Parameter(torch.ones_like(reach))
        self.register_buffer("first", reach / 2)

    def integers(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """``round(t**gamma (2**(b-1) - 1)) sign(w)`` and the step."""
        factor = learned_gradient_scale(weights, self.centre, self.top)
        half = at_least_a_share(self.half_width * self.unit, self.first)
        half = scale_gradient(half, factor)
        centre = scale_gradient(self.centre * self.unit, factor)
        # Clipping starts above 0.
        reach = at_least_a_share(centre + half, 2 * self.first)
        side = torch.sign(weights)
        if self.exponent is None:
            return straight_through(side, weights / reach), reach
        share = (((weights.abs() - centre) / half + 1) / 2).clamp(0, 1)
        soft = self.top * _power(share, self.exponent.clamp(*_EXPONENTS)) * side
        hard = torch.floor(soft.detach().abs() + 0.5) * side
        return straight_through(hard, soft), reach / self.top


def _largest(weights: FloatArray) -> float:
    return float(np.abs(weights).max())


def _power(base: Tensor, exponent: Tensor) -> Tensor:
    """``base**exponent`` of 0 to 1, a straight line close to 0."""
    line = base * _SMALLEST_ARGUMENT ** (exponent - 1)
    curve = base.clamp(min=_SMALLEST_ARGUMENT) ** exponent
    return torch.where(base > _SMALLEST_ARGUMENT, curve, line)
