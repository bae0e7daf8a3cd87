"""Room at the ends of activation ranges for samples that calibration has not seen."""

from __future__ import annotations

from dataclasses import replace

from kanhw.formats import FloatArray
from kanhw.quant.planning.plan import Consumer, Plan
from kanhw.quant.planning.steps import ProductStep, Step, SumStep, finite_inside
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.quantizers.room import widened

__all__ = ["with_headroom"]

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
        config = plan.config.for_layer(step.name)
        symmetric = isinstance(step, ProductStep) or (
            config.symmetric_activations and isinstance(step, SumStep)
        )
        made = []
        for number, quantizer in enumerate(consumer.wanted):
            seen, limits = _seen(step, consumer, number, values)
            wider = widened(
                quantizer, seen, limits, symmetric=symmetric, seed=plan.config.seed, factor=_FACTOR
            )
            made.append(wider if finite_inside(step, wider) else quantizer)
        passed: tuple[ActivationQuantizer, ...] = ()
        if len(consumer.streams) > consumer.made:
            # What a norm passes on is what it was given.
            passed = consumers[-1].streams[-1:]
        consumers.append(replace(consumer, streams=tuple(made) + passed))
    return replace(plan, consumers=tuple(consumers))


def _seen(
    step: Step, consumer: Consumer, number: int, values: FloatArray
) -> tuple[FloatArray, FloatArray | None]:
    """The values that a quantizer is for, and beyond which its consumer tells nothing apart."""
    if not isinstance(step, SumStep):
        return values, None
    layer = step.layer
    alone = len(consumer.streams) == 2 and number == 0
    alone = alone or not (layer.base_weights.any() or layer.symbolic)
    limits = layer.basis.support
    if not alone or limits is None or step.activation is not None or step.window is not None:
        return values, None
    inside: FloatArray = layer.spline_input(values).clip(limits[:, 0], limits[:, 1])
    return inside, limits
