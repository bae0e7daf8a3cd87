"""Activation quantizers that learn, each by the rule of its paper; all end affine.

A consumer looks a code up, so the values that codes stand for are free. What makes codes is a
requantizer: ``clamp(floor(x / scale + 1/2) + zero_point, lo, hi)``. Every rule here keeps to that.
"""

from __future__ import annotations

from collections.abc import Callable

from kanhw.formats import FloatArray
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.training.rules.activation_rule import ActivationRule
from kanhw.quant.training.rules.dorefa import FixedRange
from kanhw.quant.training.rules.dsq import SoftRounding
from kanhw.quant.training.rules.lsq import LearnedStep, LearnedStepOffset
from kanhw.quant.training.rules.pact import LearnedClipping
from kanhw.quant.training.rules.qil import LearnedInterval

__all__ = ["ActivationRule", "activation_rule"]

# Every rule by its name in QuantConfig.quantizer.
_RULES: dict[str, Callable[[ActivationQuantizer, FloatArray], ActivationRule]] = {
    "lsq": LearnedStep,
    "lsq+": LearnedStepOffset,
    "pact": LearnedClipping,
    "qil": LearnedInterval,
    "dorefa": FixedRange,
    "dsq": SoftRounding,
}


def activation_rule(name: str, start: ActivationQuantizer, values: FloatArray) -> ActivationRule:
    """The rule ``name`` of a QuantConfig, started from a calibrated quantizer."""
    return _RULES[name](start, values)
