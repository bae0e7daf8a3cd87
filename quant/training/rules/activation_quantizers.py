"""Activation quantizers that learn, each by the rule of its paper; all end affine.

A consumer looks a code up, so the values that codes stand for are free. What makes codes is a
requantizer: ``clamp(floor(x / scale + 1/2) + zero_point, lo, hi)``. Every rule here keeps to that.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kanhw.formats import FloatArray
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.training.rules.activation_rule import ActivationRule
from kanhw.quant.training.rules.dorefa import FixedRange
from kanhw.quant.training.rules.dsq import SoftRounding
from kanhw.quant.training.rules.lsq import LearnedStep, LearnedStepOffset
from kanhw.quant.training.rules.pact import LearnedClipping
from kanhw.quant.training.rules.qil import LearnedInterval

__all__ = ["ActivationRule", "activation_rule", "far_from_zero"]

# Codes that reach to zero waste two bits where values are this far from it.
_FAR = 4.0

# Every rule by its name in QuantConfig.quantizer.
_RULES: dict[str, Callable[[ActivationQuantizer, FloatArray], ActivationRule]] = {
    "lsq": LearnedStep,
    "lsq+": LearnedStepOffset,
    "pact": LearnedClipping,
    "qil": LearnedInterval,
    "dorefa": FixedRange,
    "dsq": SoftRounding,
}


def far_from_zero(start: ActivationQuantizer, values: FloatArray) -> bool:
    """Whether a range without zero point would be four times as wide as the calibrated one.

    Parameters
    ----------
    start
        The calibrated quantizer.
    values
        ``[N, n]`` observed reals.
    """
    if start.format.signed:
        return False
    reach = np.abs(values).max(axis=0) * (2.0 if (values < 0).any() else 1.0)
    width = start.scale * (start.format.count - 1)
    # Values within a single step say nothing.
    varies = np.ptp(values, axis=0) > 0
    return bool((varies & (reach > _FAR * width)).any())


def activation_rule(name: str, start: ActivationQuantizer, values: FloatArray) -> ActivationRule:
    """The rule ``name`` of a QuantConfig, started from a calibrated quantizer."""
    return _RULES[name](start, values)
