"""PACT: activations that are clipped where training wants it."""

from __future__ import annotations

import torch
from torch import Tensor

from kanhw.quant.training.rules.learned_ends import LearnedEnds

__all__ = ["LearnedClipping"]


class LearnedClipping(LearnedEnds):
    """PACT: the ends of the range are learned, from what is clipped at them alone.

    Choi et al., "PACT: Parameterized clipping activation for quantized neural networks", 2018:
    ``y = clip(x, 0, a)``, rounded to ``2**b - 1`` steps. The gradient of an end
    is 1 for every x at it or beyond and 0 elsewhere, that of x is 1 between the ends; nothing is
    scaled.

    Other than in the paper, the range is (b, a) with both ends learned, because what goes into a
    KAN layer is signed and the paper's form would delete all that is negative; (0, a) is left where
    nothing was negative. The ends start at the calibrated range instead of a constant, since there
    is no usual size of activations here, and b is snapped to a whole number of steps. The paper's
    L2 decay of a belongs to the optimiser (``weight_decay`` of a parameter group) and is not in
    this rule.
    """

    def soft(self, x: Tensor, low: Tensor, step: Tensor) -> Tensor:
        """``clip(x, low, high)``."""
        high = low + self.steps * step
        return torch.where(x >= high, high, torch.where(x <= low, low, x))
