"""What ``method="auto"`` stands for: the best that is known for a network's bits and data."""

from __future__ import annotations

import numpy as np

from kanhw.quant.config import Method
from kanhw.quant.config.config import QuantConfig
from kanhw.quant.planning.plan import Plan
from kanhw.quant.planning.steps import SumStep

__all__ = ["LARGEST_APART", "LARGEST_JOINT", "chosen_method", "rounding_work"]

# From so many bits on, nearest codes are as good as any.
_ENOUGH_BITS = 8
# Multiplications of a layer's rounding up to which both branches are rounded together, and up to
# which they are rounded by data at all: some minutes of a core each. 784 inputs of 8 functions take
# 1.7e11 on 1000 samples.
LARGEST_JOINT = 4e11
LARGEST_APART = 1.2e12


def chosen_method(plan: Plan) -> tuple[Method, str]:
    """The method that ``auto`` stands for, and why.

    Below 8 bits of any weights it is GPTQ with one Hessian over both branches of a layer; where
    that would take too long, with one for each branch; and the nearest codes for the largest
    layers, for codebooks, and from 8 bits on.
    """
    if any(consumer.realisation == "codebook" for consumer in plan.consumers):
        return "uniform", "weights of codebooks are clustered"
    layers = [step for step in plan.steps if isinstance(step, SumStep)]
    # A layer without weights has nothing to round.
    bits = [_fewest_bits(step, plan.config.for_layer(step.name)) for step in layers]
    fewest = min(bits, default=_ENOUGH_BITS)
    if fewest >= _ENOUGH_BITS:
        return "uniform", f"{_ENOUGH_BITS} bits of weights and more need nothing else"
    work = max(rounding_work(step, len(plan.values[0])) for step in layers)
    if work > LARGEST_APART:
        return "uniform", "too many inputs and samples for gptq (fewer samples would do)"
    reason = f"weights of {fewest} bits"
    if work > LARGEST_JOINT:
        return "gptq", f"{reason}, and too many inputs and samples for gptq_joint"
    return "gptq_joint", reason


def _fewest_bits(step: SumStep, config: QuantConfig) -> int:
    bits = [
        own
        for own, weights in zip(
            config.weight_bits, (step.layer.coefficients, step.layer.base_weights), strict=True
        )
        if weights.any()
    ]
    return min(bits, default=_ENOUGH_BITS)


def rounding_work(step: SumStep, samples: int) -> float:
    """Multiplications, roughly, of rounding a layer's weights with one Hessian.

    The Hessian is a sum over the rows, and is factorised once for all outputs with the same zeros.
    """
    layer, window = step.layer, step.window
    rows = samples * (1 if window is None else window.positions)
    weights = [layer.coefficients.reshape(layer.n_sums, -1), layer.base_weights]
    active = np.unique(np.concatenate(weights, axis=1) != 0, axis=0)
    counts = active.sum(axis=1).astype(np.float64)
    factors = float((counts * counts * counts).sum()) / 3
    features = float(active.any(axis=0).sum())
    return rows * features**2 + factors
