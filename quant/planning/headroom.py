"""Room at the ends of activation ranges for samples that calibration has not seen.

A range that ends where the calibration data end clips some of the samples that come later, and what
is cut off there can be a hundred times a rounding error. How far unseen samples go beyond seen ones
can be seen in the calibration data alone: one half of them goes beyond the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.symbolic import check_symbolic_edges
from kanhw.quant.planning.consumer import Consumer
from kanhw.quant.planning.plan import Plan
from kanhw.quant.planning.steps import Step, SumStep
from kanhw.quant.quantizers.calibration import step_and_origin
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.records import record_of

__all__ = ["HEADROOM", "Headroom", "clips_nothing", "with_headroom"]

# Halvings of the calibration data that are looked at.
_HALVINGS = 16
# Times the largest excess of one half over the other. Where a quarter of the calibration data of
# the reference networks was held out, once the excess left about twice as many ends outside.
_FACTOR = 2.0
# At most this share of a range is added at either end.
_MOST = 0.25


def with_headroom(plan: Plan) -> Plan:
    """The plan with wider ranges, where these clip nothing of the calibration data.

    A range that clips already was judged better so, and stays. So do those that end at a spline's
    support, and those of data that fill the same range in every half, such as pixels.
    """
    consumers: list[Consumer] = []
    pairs = zip(plan.steps, plan.consumers, plan.values, strict=False)
    for step, consumer, values in pairs:
        room = record_of(HEADROOM, step.kind, "headroom of steps", "kanhw.quant.planning.headroom")
        made = []
        for number, quantizer in enumerate(consumer.wanted):
            seen, limits = room.seen(step, consumer, number, values)
            wider = _widened(quantizer, seen, limits, plan.config.seed)
            made.append(wider if room.allowed(step, wider) else quantizer)
        passed: tuple[ActivationQuantizer, ...] = ()
        if len(consumer.streams) > consumer.made:
            # What a norm passes on is what it was given.
            passed = consumers[-1].streams[-1:]
        consumers.append(replace(consumer, streams=tuple(made) + passed))
    return replace(plan, consumers=tuple(consumers))


def clips_nothing(quantizer: ActivationQuantizer, values: FloatArray) -> bool:
    """Whether all of the values ``[N, n]`` are within half a step of the range."""
    lo, hi = _ends(quantizer)
    slack = quantizer.scale * (0.5 + 1e-6)
    return bool(((values >= lo - slack) & (values <= hi + slack)).all())


def _sums_seen(
    step: SumStep, consumer: Consumer, number: int, values: FloatArray
) -> tuple[FloatArray, FloatArray | None]:
    layer = step.layer
    alone = len(consumer.streams) == 2 and number == 0
    alone = alone or not (layer.base_weights.any() or layer.symbolic)
    limits = layer.basis.support
    if not alone or limits is None or step.activation is not None or step.window is not None:
        return values, None
    inside: FloatArray = layer.spline_input(values).clip(limits[:, 0], limits[:, 1])
    return inside, limits


def _finite(step: SumStep, quantizer: ActivationQuantizer) -> bool:
    """Whether symbolic edges are finite over the whole range."""
    if not step.layer.symbolic or step.window is not None:
        return True
    grid = quantizer.grid()
    try:
        check_symbolic_edges(step.layer.symbolic, grid.min(axis=0), grid.max(axis=0), step.name)
    except InputError:
        return False
    return True


def _all_seen(
    step: Step, consumer: Consumer, number: int, values: FloatArray
) -> tuple[FloatArray, FloatArray | None]:
    return values, None


def _any_range(step: Step, quantizer: ActivationQuantizer) -> bool:
    return True


@dataclass(frozen=True)
class Headroom:
    """The record of a kind of step: which ranges it can be given.

    Parameters
    ----------
    seen
        Of a step, its consumer, the number of a quantizer and the values in front: the values that
        the quantizer is for, and beyond which its consumer tells nothing apart (None: nowhere).
    allowed
        Whether a step has values over the whole range of a quantizer.
    """

    seen: Callable[[Any, Consumer, int, FloatArray], tuple[FloatArray, FloatArray | None]] = (
        _all_seen
    )
    allowed: Callable[[Any, ActivationQuantizer], bool] = _any_range


HEADROOM: dict[str, Headroom] = {
    "sums": Headroom(_sums_seen, _finite),
    "norm": Headroom(),
    "products": Headroom(),
    "pooling": Headroom(),
}


def _widened(
    quantizer: ActivationQuantizer, values: FloatArray, limits: FloatArray | None, seed: int
) -> ActivationQuantizer:
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
        below, above = (_FACTOR * excess for excess in _excess(seen, seed))
        if quantizer.symmetric:
            below = above = max(below, above)
        low = lo - min(below, _MOST) * span if lo <= seen.min() + slack else lo
        high = hi + min(above, _MOST) * span if hi >= seen.max() - slack else hi
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
