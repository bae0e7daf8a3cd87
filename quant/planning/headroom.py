"""Room at the ends of activation ranges for samples that calibration has not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from kanhw.formats import FloatArray
from kanhw.quant.planning.consumer import Consumer
from kanhw.quant.planning.plan import Plan
from kanhw.quant.planning.steps import Step, SumStep, finite_inside
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.quantizers.room import widened
from kanhw.records import record_of

__all__ = ["HEADROOM", "Headroom", "with_headroom"]

# Times the largest excess of one half over the other. Where a quarter of the calibration data of
# the reference networks was held out, once the excess left about twice as many ends outside.
_FACTOR = 2.0


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
            wider = widened(quantizer, seen, limits, seed=plan.config.seed, factor=_FACTOR)
            made.append(wider if room.allowed(step, wider) else quantizer)
        passed: tuple[ActivationQuantizer, ...] = ()
        if len(consumer.streams) > consumer.made:
            # What a norm passes on is what it was given.
            passed = consumers[-1].streams[-1:]
        consumers.append(replace(consumer, streams=tuple(made) + passed))
    return replace(plan, consumers=tuple(consumers))


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
    "sums": Headroom(_sums_seen, finite_inside),
    "norm": Headroom(),
    "products": Headroom(),
    "pooling": Headroom(),
}
