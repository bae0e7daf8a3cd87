"""From observed values to ranges and steps: max-abs, percentile, or least squared error."""

from __future__ import annotations

import math
from itertools import product

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import CodeFormat, FloatArray
from kanhw.numerics import indistinct
from kanhw.quant.config import Calibration
from kanhw.quant.quantizers.rounding import round_half_up

__all__ = ["activation_range", "check_reach", "step_and_origin", "weight_scale"]

# Ends of a range that a search tries, as shares of the way from the median to the extreme: of one
# end, and of each of two.
_FINE_SHARES = np.linspace(0.1, 1.0, 91)
_SHARES = np.linspace(0.1, 1.0, 19)
# A constant below it is 0.
_TINY = 2.0**-24
# Beyond it squares overflow.
_HUGE = 1e150
# Values that the search looks at: enough for a stable choice, few enough for 361 trials.
_SAMPLE = 1 << 13
# Values times trials that are computed in one go.
_AT_ONCE = 1 << 14


def activation_range(
    values: FloatArray,
    format: CodeFormat,
    method: Calibration,
    percentile: float,
    *,
    symmetric: bool,
) -> tuple[float, float]:
    """Ends (lo, hi) of the reals that the codes of ``format`` should cover, lo <= hi.

    Parameters
    ----------
    values
        Observed values of the activations that share a scale, any shape, at least one.
    format
        Of the codes.
    method
        How to choose.
    percentile
        Share kept inside by ``percentile``, in percent: half of the rest is cut from either end,
        or all of it from the magnitudes if ``symmetric``.
    symmetric
        True gives lo = -hi where anything is negative, else lo = 0.

    Raises
    ------
    InputError
        If there are no values, or some are not finite or too large.
    """
    flat = values.ravel()
    if flat.size == 0:
        raise InputError("Calibration needs at least one sample")
    # Symmetric ranges are chosen by the magnitudes alone.
    seen = np.abs(flat) if symmetric else flat
    lo, hi = (0.0 if symmetric else float(seen.min())), float(seen.max())
    check_reach(flat, "Activations")
    if method == "percentile":
        tail = (100 - percentile) / (1 if symmetric else 2)
        inner_lo = 0.0 if symmetric else float(np.percentile(seen, tail))
        inner_hi = float(np.percentile(seen, 100 - tail))
        # Where nearly all values are alike, what is left would tell nothing apart.
        if not indistinct(inner_lo, inner_hi):
            lo, hi = inner_lo, inner_hi
    elif method == "mse":
        lo, hi = _least_error(_thinned(flat), lo, hi, format, symmetric)
    return (-hi if symmetric and flat.min() < 0 else lo), hi


def check_reach(values: FloatArray, what: str) -> None:
    """See that values can be quantized.

    Raises
    ------
    InputError
        If some are not finite, or too large; the message begins with ``what``.
    """
    largest = float(np.abs(values).max(initial=0.0))
    if not largest <= _HUGE:  # NaN is refused too
        raise InputError(
            f"{what} reach {largest:g}, and only {_HUGE:g} can be quantized: look for weights or "
            "data before them that are too large"
        )


def step_and_origin(
    lo: float, hi: float, format: CodeFormat, *, symmetric: bool
) -> tuple[float, int]:
    """Scale and zero point with which the codes of ``format`` cover [lo, hi].

    A range of no width is widened to about 1, because tables reach over the whole range; its value
    is the lowest code, exactly.
    """
    if symmetric:
        return (hi if hi > 0 else 1.0) / max(format.hi, 1), 0
    magnitude, steps = max(abs(lo), abs(hi)), format.count - 1
    if not indistinct(lo, hi):
        step = (hi - lo) / steps
    elif magnitude > _TINY:
        # Wider at large values, so that zero points stay integers of ordinary size.
        step = magnitude / math.ceil(steps * min(magnitude, 1024.0))
    else:
        step = 1.0 / steps
    return step, format.lo - int(np.floor(lo / step + 0.5))


def _thinned(flat: FloatArray) -> FloatArray:
    """At most ``_SAMPLE`` values that keep the distribution and its ends, in order of size."""
    ordered = np.sort(flat)
    if ordered.size <= _SAMPLE:
        return ordered
    return ordered[np.linspace(0, ordered.size - 1, _SAMPLE).astype(np.int64)]


def _least_error(
    values: FloatArray, lo: float, hi: float, format: CodeFormat, symmetric: bool
) -> tuple[float, float]:
    centre = 0.0 if symmetric else float(np.median(values))
    pairs = zip(_FINE_SHARES, _FINE_SHARES, strict=True) if symmetric else product(_SHARES, _SHARES)
    ends = [(centre + low * (lo - centre), centre + high * (hi - centre)) for low, high in pairs]
    scales = [step_and_origin(*trial, format, symmetric=symmetric) for trial in ends]
    steps, origins = np.array(scales, dtype=np.float64).T
    errors = _squared_errors(values, steps, format.lo - origins, format.hi - origins)
    _, low, high = min(
        (np.inf, lo, hi), *((e, *trial) for e, trial in zip(errors, ends, strict=True))
    )
    return float(low), float(high)


def _squared_errors(
    values: FloatArray, steps: FloatArray, lows: FloatArray, highs: FloatArray
) -> list[float]:
    """Mean squared error of the values as multiples of each step, between its own bounds."""
    errors: list[float] = []
    # As many trials at once as a processor's cache holds.
    rows = max(1, _AT_ONCE // values.size)
    for at in range(0, len(steps), rows):
        step, low, high = (column[at : at + rows, None] for column in (steps, lows, highs))
        rounded = round_half_up(values / step).clip(low, high)
        errors += np.square(rounded * step - values).mean(axis=1).tolist()
    return errors


def weight_scale(weights: FloatArray, bits: int, method: Calibration, percentile: float) -> float:
    """Step of a symmetric weight quantizer of the weights that share a scale; positive.

    Codes run over ``-(2**(bits-1) - 1) .. 2**(bits-1) - 1``; one bit means -1 and +1, for which the
    least-squares step is the mean magnitude. Weights that are zero (pruned edges) have no say, and
    stay zero at any number of bits.
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
    candidates = magnitudes.max() / top * _FINE_SHARES
    lowest, highest = np.zeros_like(candidates), np.full_like(candidates, top)
    errors = _squared_errors(magnitudes, candidates, lowest, highest)
    return float(candidates[int(np.argmin(errors))])
