"""From observed values to ranges: max-abs, percentile, or least squared error."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.quant.config import Calibration
from kanhw.quant.rounding import round_half_up

__all__ = ["activation_range", "weight_scale"]

FloatArray = npt.NDArray[np.float64]

# Ends of a range that the search tries, as shares of the way from the median to the extreme.
_SHARES = np.linspace(0.3, 1.0, 15)
# Values that the search looks at: enough for a stable choice, few enough for 225 trials.
_SAMPLE = 1 << 14


def activation_range(
    values: FloatArray, bits: int, method: Calibration, percentile: float, *, symmetric: bool
) -> tuple[float, float]:
    """Ends (lo, hi) of the reals that a code of ``bits`` bits should cover, lo <= hi.

    Parameters
    ----------
    values
        Observed values of one scale's worth of activations, any shape, at least one.
    bits
        Of the code.
    method
        How to choose.
    percentile
        Share kept inside by ``percentile``, in percent.
    symmetric
        True gives lo = -hi where anything is negative, else lo = 0.
    """
    flat = values.ravel()
    if flat.size == 0:
        raise InputError("Calibration needs at least one sample")
    if method == "percentile":
        tail = (100 - percentile) / 2
        lo, hi = (float(v) for v in np.percentile(flat, [tail, 100 - tail]))
    else:
        lo, hi = float(flat.min()), float(flat.max())
    if symmetric:
        hi = max(abs(lo), abs(hi))
        lo = -hi if flat.min() < 0 else 0.0
    if method == "mse":
        lo, hi = _least_error(_thinned(flat), lo, hi, bits, symmetric)
    return lo, hi


def _thinned(flat: FloatArray) -> FloatArray:
    """At most ``_SAMPLE`` values that keep the distribution: every k-th in order of size."""
    ordered = np.sort(flat)
    return ordered[:: -(-ordered.size // _SAMPLE)]


def _least_error(
    values: FloatArray, lo: float, hi: float, bits: int, symmetric: bool
) -> tuple[float, float]:
    centre = 0.0 if symmetric else float(np.median(values))
    steps = (1 << bits) - 1
    best = (np.inf, lo, hi)
    for high_share in _SHARES:
        for low_share in (high_share,) if symmetric else _SHARES:
            trial = centre + low_share * (lo - centre), centre + high_share * (hi - centre)
            scale = (trial[1] - trial[0]) / steps
            if scale <= 0:
                continue
            codes = round_half_up((values - trial[0]) / scale).clip(0, steps)
            error = float(np.square(codes * scale + trial[0] - values).mean())
            best = min(best, (error, *trial))
    return best[1], best[2]


def weight_scale(weights: FloatArray, bits: int, method: Calibration, percentile: float) -> float:
    """Step of a symmetric weight quantizer over one scale's worth of weights; positive.

    Codes run over ``-(2**(bits-1) - 1) .. 2**(bits-1) - 1``; one bit means -1 and +1, for which the
    least-squares step is the mean magnitude. Weights that are zero (pruned edges) have no say.
    """
    magnitudes = np.abs(weights[weights != 0])
    if magnitudes.size == 0:
        return 1.0
    if bits == 1:
        return float(magnitudes.mean())
    top = (1 << (bits - 1)) - 1
    if method == "max_abs":
        return float(magnitudes.max()) / top
    if method == "percentile":
        return float(np.percentile(magnitudes, percentile)) / top
    candidates = magnitudes.max() / top * _SHARES
    errors = [
        np.square(round_half_up(magnitudes / s).clip(0, top) * s - magnitudes).mean()
        for s in candidates
    ]
    return float(candidates[int(np.argmin(errors))])
