"""Weight quantizers that learn, each by the rule of its paper; all end as integers times a step."""

from __future__ import annotations

from collections.abc import Callable

from kanhw.formats import FloatArray
from kanhw.quant.training.rules.dorefa import TanhWeights
from kanhw.quant.training.rules.dsq import SoftWeightRounding
from kanhw.quant.training.rules.lsq import LearnedWeightStep, SpreadWeightStep
from kanhw.quant.training.rules.qil import LearnedWeightInterval
from kanhw.quant.training.rules.weight_rule import WeightRule

__all__ = ["WeightRule", "weight_rule"]

# Every rule by its name in QuantConfig.quantizer.
_RULES: dict[str, Callable[..., WeightRule]] = {
    "lsq": LearnedWeightStep,
    "lsq+": SpreadWeightStep,
    # The paper takes DoReFa's weights.
    "pact": TanhWeights,
    "qil": LearnedWeightInterval,
    "dorefa": TanhWeights,
    "dsq": SoftWeightRounding,
}


def weight_rule(name: str, weights: FloatArray, bits: int, *, per_channel: bool) -> WeightRule:
    """The rule ``name`` of a QuantConfig for weights ``[n_out, m]``."""
    return _RULES[name](weights, bits, per_channel=per_channel)
