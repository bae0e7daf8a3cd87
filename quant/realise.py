"""From a plan and rounded weights to the integers of every step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kanhw.quant.codebook import CodebookWeights, quantize_codebook
from kanhw.quant.integers.branches import Branches, branches_of
from kanhw.quant.integers.norms import quantize_norm, quantize_pool, quantize_products
from kanhw.quant.integers.sums import quantize_sums
from kanhw.quant.integers.weights import RoundedWeights, nearest_weights
from kanhw.quant.planning.plan import Consumer, Plan
from kanhw.quant.planning.steps import PoolStep, ProductStep, SumStep
from kanhw.quant.quantizers.quantizer import ActivationQuantizer, activation_quantizer
from kanhw.quant.record.evaluator_layer import QuantSplineEvaluator
from kanhw.quant.record.model import QuantConvolution, QuantLayer, QuantModel

__all__ = ["Weighted", "realise", "realise_nearest", "realise_step"]


@dataclass(frozen=True, eq=False)
class Weighted:
    """A layer's functions at every code, and the integers that its weights became."""

    branches: Branches
    weights: RoundedWeights


def realise(plan: Plan, weighted: tuple[Weighted | CodebookWeights | None, ...]) -> QuantModel:
    """Make the quantized network.

    Parameters
    ----------
    plan
        Its steps and quantizers.
    weighted
        For every step that has weights, what they became; None for the others.
    """
    layers = tuple(realise_step(plan, index, own) for index, own in enumerate(weighted))
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
    weighted: list[Weighted | CodebookWeights | None] = []
    for index, (step, consumer) in enumerate(zip(plan.steps, plan.consumers, strict=True)):
        if index in codebooks or not isinstance(step, SumStep):
            weighted.append(codebooks.get(index))
            continue
        own = plan.config.for_layer(step.name)
        branches = branches_of(step.layer, consumer.sum_inputs(step), own)
        weighted.append(Weighted(branches, nearest_weights(branches, own)))
    return realise(plan, tuple(weighted))


def realise_step(plan: Plan, index: int, weighted: Weighted | CodebookWeights | None) -> QuantLayer:
    """Integers of one step."""
    step, inputs = plan.steps[index], plan.consumers[index]
    config = plan.config.for_layer(step.name)
    behind: Consumer | None = None
    targets: tuple[ActivationQuantizer | None, ...] = (None,)
    if index + 1 < len(plan.steps):
        behind = plan.consumers[index + 1]
        targets = behind.wanted
    if isinstance(step, SumStep):
        if weighted is None:
            raise TypeError(f"{step.name} has weights, but none were rounded")
        sum_inputs = inputs.sum_inputs(step)
        if isinstance(weighted, CodebookWeights):
            return quantize_codebook(step, sum_inputs, targets, config, weighted)
        return quantize_sums(step, sum_inputs, targets, config, weighted.branches, weighted.weights)
    if isinstance(step, PoolStep):
        return quantize_pool(step, inputs.streams[0], targets, config)
    if isinstance(step, ProductStep):
        return quantize_products(step, inputs.streams[0], targets, config)
    if behind is None:
        outputs = plan.values[-1]
        last = activation_quantizer(outputs, config.norm_bits, config, symmetric=True)
        return quantize_norm(step, inputs.streams[0], (last,), (), config)
    # The raw code that goes on: the last of the streams that came in.
    passes = (len(inputs.streams) - 1,) if step.passes else ()
    return quantize_norm(step, inputs.streams[0], behind.wanted, passes, config)
