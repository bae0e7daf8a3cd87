"""The table of how steps of every kind are planned: what they want in front of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kanhw.formats import FloatArray
from kanhw.quant.config import QuantConfig
from kanhw.quant.planning.consumer import Consumer, ReadValue
from kanhw.quant.planning.input_bits import input_bits
from kanhw.quant.planning.offsets import without_offsets
from kanhw.quant.planning.realisation import check_table_bits
from kanhw.quant.planning.steps import NormStep, PoolStep, ProductStep, Step, SumStep
from kanhw.quant.planning.sum_consumer import sum_consumer, sums_read_inside
from kanhw.quant.quantizers.quantizer import ActivationQuantizer, activation_quantizer
from kanhw.records import record_of

__all__ = ["STEP_PLANS", "StepPlan", "consumer_of", "step_plan"]

# Bits of codes that are normalised, at most.
_WIDEST_NORM = 14


def consumer_of(
    step: Step,
    value: FloatArray,
    config: QuantConfig,
    *,
    first: bool,
    passed: ActivationQuantizer | None,
) -> Consumer:
    """Choose the quantizers in front of a step.

    Parameters
    ----------
    step
        Of any kind.
    value, config, first, passed
        As for :class:`ReadValue`.

    Raises
    ------
    InputError
        If the bits, or the realisation, cannot be those of such a step.
    """
    bits = input_bits(step, value, config) if first else config.activation_bits
    record = step_plan(step)
    wanted = record.consumer(step, ReadValue(value, bits, config, first, passed))
    return record.read_inside(step, wanted, value)


def _pool_wanted(step: PoolStep, read: ReadValue) -> Consumer:
    bits = read.one_width(step)
    check_table_bits(step.name, bits)
    pooled = activation_quantizer(
        read.value, bits, read.config, activation=step.activation, per_tensor=True
    )
    return Consumer((pooled,), 1)


def _products_wanted(step: ProductStep, read: ReadValue) -> Consumer:
    bits = read.one_width(step)
    wide = bits if read.first else read.config.product_bits
    factor = activation_quantizer(read.value, wide, read.config, per_tensor=True, symmetric=True)
    return Consumer((factor,), 1)


def _norm_wanted(step: NormStep, read: ReadValue) -> Consumer:
    bits, config = read.one_width(step), read.config
    wide = min(bits, _WIDEST_NORM) if read.first else config.norm_bits
    normalised = activation_quantizer(read.value, wide, config, per_tensor=True, symmetric=False)
    if read.first or not step.passes:
        return Consumer((normalised,), 1)
    return Consumer((normalised, activation_quantizer(read.value, bits, config)), 2)


def _sums_without_offsets(step: SumStep, consumer: Consumer) -> SumStep:
    return without_offsets(step, consumer.sum_inputs(step))


def _as_it_is(step: Step, consumer: Consumer, value: FloatArray) -> Consumer:
    return consumer


def _same(step: Step, consumer: Consumer) -> Step:
    return step


@dataclass(frozen=True)
class StepPlan:
    """The record of a kind of step: what it wants in front of it, and what is moved to its bias.

    Parameters
    ----------
    consumer
        The quantizers of the value that it reads.
    read_inside
        The same with what the outermost codes stand for; as they are where codes have no grid.
    without_offsets
        The step with constants of its functions in its bias; the same where it has none.
    """

    consumer: Callable[[Any, ReadValue], Consumer]
    read_inside: Callable[[Any, Consumer, FloatArray], Consumer] = _as_it_is
    without_offsets: Callable[[Any, Consumer], Step] = _same


STEP_PLANS: dict[str, StepPlan] = {
    "sums": StepPlan(sum_consumer, sums_read_inside, _sums_without_offsets),
    "norm": StepPlan(_norm_wanted),
    "products": StepPlan(_products_wanted),
    "pooling": StepPlan(_pool_wanted),
}


def step_plan(step: Step) -> StepPlan:
    """The record of a step's kind.

    Raises
    ------
    InputError
        If there is none.
    """
    home = "kanhw.quant.planning.step_plans.STEP_PLANS"
    return record_of(STEP_PLANS, step.kind, "plan of steps", home)
