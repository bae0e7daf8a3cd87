"""From a plan and rounded weights to the integers of every step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kanhw.quant.codebook import CodebookWeights
from kanhw.quant.config import QuantConfig
from kanhw.quant.integers.branches import Branches, branches_of
from kanhw.quant.integers.norms import quantize_norm, quantize_pool, quantize_products
from kanhw.quant.integers.sums import quantize_sums
from kanhw.quant.integers.weights import RoundedWeights, nearest_weights
from kanhw.quant.planning.plan import Plan
from kanhw.quant.planning.steps import NormStep, PoolStep, ProductStep, SumStep
from kanhw.quant.quantizers.quantizer import ActivationQuantizer, activation_quantizer
from kanhw.quant.quantizers.sum_inputs import SumInputs
from kanhw.quant.record.convolution import QuantConvolution
from kanhw.quant.record.model import QuantLayer, QuantModel
from kanhw.quant.record.spline_evaluator import QuantSplineEvaluator
from kanhw.records import record_of

__all__ = ["STEPS", "RoundedLayer", "realise", "realise_nearest", "realise_step"]


@dataclass(frozen=True, eq=False)
class RoundedLayer:
    """A layer's functions at every code, and the integers that its weights became."""

    branches: Branches
    weights: RoundedWeights

    def integers(
        self,
        step: SumStep,
        inputs: SumInputs,
        targets: tuple[ActivationQuantizer | None, ...],
        config: QuantConfig,
    ) -> QuantLayer:
        """The layer as :func:`kanhw.quant.integers.sums.quantize_sums` makes it."""
        return quantize_sums(step, inputs, targets, config, self.branches, self.weights)


def realise(plan: Plan, weights: tuple[RoundedLayer | CodebookWeights | None, ...]) -> QuantModel:
    """Make the quantized network.

    Parameters
    ----------
    plan
        Its steps and quantizers.
    weights
        For every step that has weights, what they became; None for the others.
    """
    layers = tuple(realise_step(plan, index, own) for index, own in enumerate(weights))
    notes = [f"; {layer.name}: {note}" for layer in layers if (note := _note(layer))]
    source = plan.source + "".join(notes)
    return QuantModel(plan.consumers[0].streams[0], layers, plan.config, source)


def _note(layer: QuantLayer) -> str:
    """What the grid of evaluated splines did not allow."""
    own = layer.taps if isinstance(layer, QuantConvolution) else layer
    return own.evaluator.note if isinstance(own, QuantSplineEvaluator) else ""


def realise_nearest(plan: Plan, codebooks: Mapping[int, CodebookWeights]) -> QuantModel:
    """Make the network whose weights are rounded to the nearest code.

    Parameters
    ----------
    plan
        Its steps and quantizers.
    codebooks
        By the index of a step: weights that are a codebook's instead.
    """
    weights: list[RoundedLayer | CodebookWeights | None] = []
    for index, (step, consumer) in enumerate(zip(plan.steps, plan.consumers, strict=True)):
        if index in codebooks or not isinstance(step, SumStep):
            weights.append(codebooks.get(index))
            continue
        own = plan.config.for_layer(step.name)
        branches = branches_of(step.layer, consumer.sum_inputs(step), own)
        weights.append(RoundedLayer(branches, nearest_weights(branches, own)))
    return realise(plan, tuple(weights))


def realise_step(
    plan: Plan, index: int, weights: RoundedLayer | CodebookWeights | None
) -> QuantLayer:
    """Integers of one step."""
    step = plan.steps[index]
    make = record_of(STEPS, step.kind, "integers of steps", "kanhw.quant.realise.STEPS")
    return make(plan, index, weights)


def _sums(plan: Plan, index: int, weights: RoundedLayer | CodebookWeights | None) -> QuantLayer:
    step = plan.steps[index]
    if weights is None or not isinstance(step, SumStep):
        raise TypeError(f"{step.name} has weights, but none were rounded")
    inputs, config = plan.consumers[index].sum_inputs(step), plan.config.for_layer(step.name)
    return weights.integers(step, inputs, plan.targets(index), config)


def _norm(plan: Plan, index: int, _: object) -> QuantLayer:
    step, inputs = plan.steps[index], plan.consumers[index]
    if not isinstance(step, NormStep):
        raise TypeError(f"{step.name} is no normalisation")
    config = plan.config.for_layer(step.name)
    if index + 1 == len(plan.steps):
        outputs = plan.values[-1]
        last = activation_quantizer(outputs, config.norm_bits, config, symmetric=True)
        return quantize_norm(step, inputs.streams[0], (last,), (), config)
    # The raw code that goes on: the last of the streams that came in.
    passes = (len(inputs.streams) - 1,) if step.passes else ()
    wanted = plan.consumers[index + 1].wanted
    return quantize_norm(step, inputs.streams[0], wanted, passes, config)


def _products(plan: Plan, index: int, _: object) -> QuantLayer:
    step, source = plan.steps[index], plan.consumers[index].streams[0]
    if not isinstance(step, ProductStep):
        raise TypeError(f"{step.name} multiplies nothing")
    return quantize_products(step, source, plan.targets(index), plan.config.for_layer(step.name))


def _pool(plan: Plan, index: int, _: object) -> QuantLayer:
    step, source = plan.steps[index], plan.consumers[index].streams[0]
    if not isinstance(step, PoolStep):
        raise TypeError(f"{step.name} pools nothing")
    return quantize_pool(step, source, plan.targets(index), plan.config.for_layer(step.name))


# How a step of every kind becomes a layer of integers.
STEPS: dict[str, Callable[[Plan, int, RoundedLayer | CodebookWeights | None], QuantLayer]] = {
    "sums": _sums,
    "norm": _norm,
    "products": _products,
    "pooling": _pool,
}
