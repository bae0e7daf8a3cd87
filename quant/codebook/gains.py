"""Gains as integers: evenly spaced ones, or signed powers of two."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kanhw import numerics
from kanhw.formats import FloatArray
from kanhw.quant.config import QuantConfig
from kanhw.quant.quantizers.quantizer import WeightQuantizer
from kanhw.quant.quantizers.rounding import round_half_up

__all__ = ["highest_gain", "power_of_two", "quantize_gains"]

# Steps that are tried, as shares of the one that reaches the largest gain.
_SHARES = np.linspace(0.1, 1.0, 91)
_OCTAVE = numerics.exp(np.linspace(-1.0, 0.5, 25) * numerics.log(np.array([2.0])))
# Shifts beyond this make sums wide and add nothing to a gain.
_MOST_SHIFT = 14


def highest_gain(config: QuantConfig) -> int:
    """The largest integer that a gain may become.

    A power of two has its sign in one bit, and in the others 0 (no shape) or its exponent and 1.
    """
    if config.codebook.gain == "none":
        return 1
    if config.codebook.gain == "power_of_two":
        return int(1 << min((1 << (config.codebook.gain_bits - 1)) - 2, _MOST_SHIFT))
    return int((1 << (config.codebook.gain_bits - 1)) - 1)


def quantize_gains(
    gains: FloatArray, importance: FloatArray, config: QuantConfig
) -> WeightQuantizer:
    """Round gains with the step, per output or for all, that leaves the least error.

    Parameters
    ----------
    gains
        ``[n_out, n_in]`` reals; 0 for an edge without a shape, which stays 0.
    importance
        ``[n_out, n_in]``, at least 0: what a squared error of each gain counts.
    config
        Which integers there are.
    """
    highest = highest_gain(config)
    if config.codebook.gain == "none":
        return WeightQuantizer((gains != 0).astype(np.int64), np.ones(len(gains)))
    rule: Callable[[FloatArray, int], FloatArray] = _even
    shares = _SHARES
    if config.codebook.gain == "power_of_two":
        # Smaller gains are told apart at every step, so one octave of steps is enough.
        rule, shares = power_of_two, _OCTAVE
    groups = [slice(j, j + 1) for j in range(len(gains))]
    if config.weight_granularity == "tensor":
        groups = [slice(None)]
    codes, steps = np.zeros(gains.shape, np.int64), np.ones(len(gains))
    for rows in groups:
        own, counts = gains[rows], importance[rows]
        largest = float(np.abs(own).max(initial=0.0, where=counts > 0))
        if largest == 0:
            continue
        trials = largest / highest * shares
        errors = [
            float((counts * np.square(rule(own / s, highest) * s - own)).sum()) for s in trials
        ]
        step = float(trials[int(np.argmin(errors))])
        codes[rows], steps[rows] = rule(own / step, highest).astype(np.int64), step
    return WeightQuantizer(codes, steps)


def _even(relative: FloatArray, highest: int) -> FloatArray:
    return round_half_up(relative).clip(-highest, highest)


def power_of_two(relative: FloatArray, highest: int) -> FloatArray:
    """The nearest of 0 and signed powers of two from 1 to ``highest``, itself one.

    Halfway between two, the larger magnitude.
    """
    sizes = np.abs(relative)
    # 3/4 of a power is halfway between it and the one below.
    exponents = numerics.whole_log2(np.maximum(sizes, 0.5) * (4 / 3))
    nearest = numerics.power_of_two(exponents.clip(0, highest.bit_length() - 1))
    return np.where(sizes < 0.5, 0.0, np.sign(relative) * nearest)
