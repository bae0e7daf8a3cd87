"""Room at the ends of activation ranges for samples that calibration has not seen.

A range that ends where the calibration data end clips some of the samples that come later, and what
is cut off there can be a hundred times a rounding error. How far unseen samples go beyond seen ones
can be seen in the calibration data alone: one half of them goes beyond the other.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kanhw.formats import FloatArray
from kanhw.quant.quantizers.calibration import step_and_origin
from kanhw.quant.quantizers.quantizer import ActivationQuantizer

__all__ = ["clips_nothing", "widened"]

# Halvings of the calibration data that are looked at.
_HALVINGS = 16
# At most this share of a range is added at either end.
_MOST = 0.25


def clips_nothing(quantizer: ActivationQuantizer, values: FloatArray) -> bool:
    """Whether all of the values ``[N, n]`` are within half a step of the range."""
    lo, hi = _ends(quantizer)
    slack = quantizer.scale * (0.5 + 1e-6)
    return bool(((values >= lo - slack) & (values <= hi + slack)).all())


def widened(
    quantizer: ActivationQuantizer,
    values: FloatArray,
    limits: FloatArray | None,
    *,
    seed: int,
    factor: float,
) -> ActivationQuantizer:
    """The quantizer with wider ranges, where these clip nothing of some values.

    Parameters
    ----------
    quantizer
        What was calibrated.
    values
        ``[N, n]`` with which.
    limits
        ``[n, 2]``: beyond which its consumer tells nothing apart; None is nowhere.
    seed
        Of the halvings.
    factor
        Times the largest excess of one half over the other.
    """
    scale, origin = quantizer.scale.copy(), quantizer.zero_point.copy()
    alike = bool((scale == scale[0]).all() and (origin == origin[0]).all())
    count = len(scale)
    groups = [np.arange(count)] if alike else [np.array([i]) for i in range(count)]
    if quantizer.groups is not None:
        # Features that share a scale go on sharing it.
        groups = [np.flatnonzero(quantizer.groups == own) for own in np.unique(quantizer.groups)]
    lows, highs = _ends(quantizer)
    for features in groups:
        first = features[0]
        seen = values[:, features]
        lo, hi, slack = float(lows[first]), float(highs[first]), 0.501 * float(scale[first])
        span = float(seen.max() - seen.min())
        below, above = (factor * excess for excess in _excess(seen, seed))
        if quantizer.symmetric:
            below = above = max(below, above)
        low, high = lo, hi
        # Measured from the data, so that a range with room gets no more of it.
        if below > 0 and lo <= seen.min() + slack:
            low = min(lo, float(seen.min()) - min(below, _MOST) * span)
        if above > 0 and hi >= seen.max() - slack:
            high = max(hi, float(seen.max()) + min(above, _MOST) * span)
        if limits is not None:
            low = max(low, min(lo, float(limits[features, 0].min())))
            high = min(high, max(hi, float(limits[features, 1].max())))
        if (low, high) != (lo, hi):
            reach = (0.0, max(-low, high)) if quantizer.symmetric else (low, high)
            step = step_and_origin(*reach, quantizer.format, symmetric=quantizer.symmetric)
            scale[features], origin[features] = step
    return replace(quantizer, scale=scale, zero_point=origin)


def _ends(quantizer: ActivationQuantizer) -> tuple[FloatArray, FloatArray]:
    """The reals ``[n]`` of the lowest and the highest code."""
    codes = np.array([[quantizer.format.lo], [quantizer.format.hi]])
    lo, hi = quantizer.dequantize(np.repeat(codes, len(quantizer.scale), axis=1))
    return lo, hi


def _excess(values: FloatArray, seed: int) -> tuple[float, float]:
    """By what share of its range one half of the samples goes below and above the other."""
    count = len(values)
    if count < 2:
        return 0.0, 0.0
    lo, hi = values.min(axis=1), values.max(axis=1)
    rng = np.random.default_rng(seed)
    below = above = 0.0
    for _ in range(_HALVINGS):
        order = rng.permutation(count)
        ends = [(lo[half].min(), hi[half].max()) for half in np.array_split(order, 2)]
        for (low, high), (other_low, other_high) in (ends, ends[::-1]):
            if high > low:
                below = max(below, float((low - other_low) / (high - low)))
                above = max(above, float((other_high - high) / (high - low)))
    return below, above
