"""The integers that a layer's weights become."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kanhw.quant.config import QuantConfig
from kanhw.quant.integers.branches import Branches
from kanhw.quant.quantizers.quantizer import WeightQuantizer, quantize_weights

__all__ = ["RoundedWeights", "nearest_weights"]


@dataclass(frozen=True, eq=False)
class RoundedWeights:
    """Codes and steps of both branches of a layer, for the functions of its :class:`Branches`.

    Parameters
    ----------
    spline
        ``[n_out, n_in, K]``.
    base
        ``[n_out, n_in]``.
    """

    spline: WeightQuantizer
    base: WeightQuantizer


def nearest_weights(branches: Branches, config: QuantConfig) -> RoundedWeights:
    """Round every weight to its nearest code."""
    coefficients, base_weights = branches.coefficients, branches.base_weights
    spline_bits, base_bits = config.weight_bits
    if not config.shared_quantizers:
        return RoundedWeights(
            quantize_weights(coefficients, spline_bits, config),
            quantize_weights(base_weights, base_bits, config),
        )
    n_out, n_in, count = coefficients.shape
    both = np.concatenate([coefficients.reshape(n_out, -1), base_weights], axis=1)
    rounded = quantize_weights(both, spline_bits, config)
    split = n_in * count
    return RoundedWeights(
        WeightQuantizer(rounded.codes[:, :split].reshape(coefficients.shape), rounded.scale),
        WeightQuantizer(rounded.codes[:, split:], rounded.scale),
    )
