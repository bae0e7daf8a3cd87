"""Quantization-aware training: prepare a network, train it as any other, convert it to integers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kanhw.errors import InputError
from kanhw.model.network import KanModel
from kanhw.quant.codebook import CodebookWeights
from kanhw.quant.config import QuantConfig
from kanhw.quant.planning.plan import Consumer, Plan, make_plan
from kanhw.quant.planning.steps import NormStep, PoolStep, ProductStep, Step, SumStep
from kanhw.quant.realise import Weighted, realise
from kanhw.quant.record.model import QuantModel
from kanhw.quant.training.codebook_stage import CodebookStage, codebook_stages
from kanhw.quant.training.rules.activation_quantizers import ActivationRule, activation_rule
from kanhw.quant.training.rules.weight_quantizers import WeightRule
from kanhw.quant.training.stages import (
    NormStage,
    PoolStage,
    ProductStage,
    Stage,
    Stream,
    SumStage,
)

__all__ = ["QuantizedNetwork", "convert", "prepare"]

_MOST_BITS = 8


class QuantizedNetwork(nn.Module):
    """A network that trains with the rounding and the tables that are deployed.

    Made by :func:`prepare`. Its parameters are weights, biases, norms and what the quantizers
    learn; ``forward`` takes ``[N, *input_shape]`` reals and gives ``[N, n_out]`` reals.

    Parameters
    ----------
    plan
        The float network's steps and calibrated quantizers.
    shape
        Of a sample.
    """

    def __init__(self, plan: Plan, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.plan, self.shape = plan, shape
        # Why a training loop gave up, which convert refuses.
        self.diverged: str | None = None
        self.stages = nn.ModuleList()
        self.rules = nn.ModuleList()
        for step, consumer, value in zip(plan.steps, plan.consumers, plan.values, strict=False):
            config = plan.config.for_layer(step.name)
            self.rules.append(nn.ModuleList(_rules(step, consumer, value, config)))
        # Shapes are sampled at the codes that training starts with.
        codebooks = codebook_stages(replace(plan, consumers=self._consumers()))
        for index, (step, consumer) in enumerate(zip(plan.steps, plan.consumers, strict=True)):
            config = plan.config.for_layer(step.name)
            own = codebooks[index] if index in codebooks else _stage(step, consumer, config)
            self.stages.append(own)

    def forward(self, x: Tensor) -> Tensor:
        """The outputs ``[N, n_out]`` of features ``[N, *input_shape]``."""
        value = x.reshape(len(x), -1).to(torch.get_default_dtype())
        value, _ = self.run(0, len(self.stages), self.quantized(0, value))
        return value

    def run(self, start: int, stop: int, streams: list[Stream]) -> tuple[Tensor, list[Stream]]:
        """What comes out of the steps from ``start`` up to ``stop``.

        Returns
        -------
        Tensor
            ``[N, n]`` reals, not quantized yet.
        list of Stream
            What went into the last of these steps, for those that norms pass on.
        """
        last = len(self.stages) - 1
        for index in range(start, stop):
            target = None if index == last else self.rule(index + 1, 0).frozen()
            value: Tensor = self.stage(index)(streams, target)
            if index + 1 < stop:
                streams = self.quantized(index + 1, value, streams)
        return value, streams

    def stage(self, index: int) -> Stage:
        """A step's module."""
        stage = self.stages[index]
        if not isinstance(stage, Stage):
            raise TypeError(f"Stage {index} is a {type(stage).__name__}")
        return stage

    def rule(self, index: int, stream: int) -> ActivationRule:
        """A quantizer in front of a step, of those that are made there."""
        rules: Any = self.rules[index]
        rule = rules[stream]
        if not isinstance(rule, ActivationRule):
            raise TypeError(f"The quantizer of step {index} is a {type(rule).__name__}")
        return rule

    def quantized(
        self, index: int, value: Tensor, before: list[Stream] | None = None
    ) -> list[Stream]:
        """The streams in front of a step of value ``[N, n]``; what a norm passes on comes last."""
        consumer = self.plan.consumers[index]
        made = []
        for number in range(consumer.made):
            rule = self.rule(index, number)
            addresses, real = rule(value)
            made.append(Stream(addresses, real, rule.frozen()))
        passed = len(consumer.streams) - consumer.made
        return made + (before[-passed:] if before and passed else [])

    def quantizer_parameters(self) -> list[nn.Parameter]:
        """What the quantizers learn."""
        found: dict[int, nn.Parameter] = {}
        for module in self.modules():
            if isinstance(module, ActivationRule | WeightRule):
                found.update({id(p): p for p in module.parameters()})
        return list(found.values())

    def anneal(self, progress: float) -> None:
        """Tell rules that sharpen (DSQ) how much of the training is over, 0 to 1."""
        if not 0 <= progress <= 1:
            raise InputError(f"progress must be 0 to 1, not {progress}")
        for module in self.modules():
            sharpen = getattr(module, "sharpen", None)
            if sharpen is not None:
                sharpen(progress)

    def trained_plan(self) -> Plan:
        """The plan with parameters and quantizers as they are now."""
        steps = tuple(self.stage(index).step() for index in range(len(self.stages)))
        return replace(self.plan, steps=steps, consumers=self._consumers())

    def _consumers(self) -> tuple[Consumer, ...]:
        """What every step wants, with the quantizers as they are now."""
        consumers: list[Consumer] = []
        for index, consumer in enumerate(self.plan.consumers):
            made = tuple(self.rule(index, k).frozen() for k in range(consumer.made))
            passed = consumers[-1].streams[-1:] if len(consumer.streams) > consumer.made else ()
            consumers.append(replace(consumer, streams=made + passed))
        return tuple(consumers)


def prepare(
    model: KanModel | nn.Module, calibration: npt.ArrayLike, config: QuantConfig | None = None
) -> QuantizedNetwork:
    """Make the network that quantization-aware training trains.

    Parameters
    ----------
    model
        A float model, or a module of :mod:`kanhw.layers`.
    calibration
        ``[N, *input_shape]`` training features: where quantizers start.
    config
        ``quantizer`` is the rule that learns; bits are 1 to 8.

    Raises
    ------
    InputError
        If bits are too many, or as :func:`kanhw.quant.quantize_model` says.
    """
    config = config or QuantConfig()
    if isinstance(model, nn.Module):
        from kanhw.layers import model_of

        to_model = getattr(model, "to_model", None)
        model = to_model() if to_model is not None else model_of(model)
    if config.shared_quantizers and config.quantizer in ("dorefa", "pact"):
        raise InputError(
            f"shared_quantizers needs weights with a step that is learned, and {config.quantizer} "
            "has none: choose lsq, lsq+, qil or dsq"
        )
    config.check_one_width("training")
    plan = make_plan(model, calibration, config)
    for step, consumer in zip(plan.steps, plan.consumers, strict=True):
        own = config.for_layer(step.name)
        if consumer.realisation == "spline_evaluator":
            raise InputError(
                f"{step.name}: there is no training for evaluated splines: train with basis "
                "tables, or quantize after training"
            )
        for field in ("base_bits", "spline_bits", "activation_bits"):
            bits: int = getattr(own, field)
            if isinstance(step, SumStep) and bits > _MOST_BITS:
                raise InputError(
                    f"{step.name}: {field} must be 1 to {_MOST_BITS} in training, not {bits}"
                )
    return QuantizedNetwork(plan, model.input_shape)


def convert(network: QuantizedNetwork) -> QuantModel:
    """Freeze a trained network to integers.

    Raises
    ------
    InputError
        If training has diverged: a parameter is not finite, or the training loop gave up.
    """
    if network.diverged is not None:
        raise InputError(
            f"Training has diverged: {network.diverged}; prepare the network again, and train with "
            "a smaller learning rate, more bits or another quantizer"
        )
    for name, value in network.named_parameters():
        if not bool(torch.isfinite(value).all()):
            raise InputError(
                f"Training has diverged: {name} holds NaN or infinity; train again with a smaller "
                "learning rate or more bits"
            )
    plan = network.trained_plan()
    weighted: list[Weighted | CodebookWeights | None] = []
    for index, consumer in enumerate(plan.consumers):
        stage, step = network.stage(index), plan.steps[index]
        if isinstance(stage, SumStage | CodebookStage) and isinstance(step, SumStep):
            weighted.append(stage.weighted(consumer.sum_inputs(step)))
        else:
            weighted.append(None)
    return realise(plan, tuple(weighted))


def _stage(step: Step, consumer: Consumer, config: QuantConfig) -> Stage:
    if isinstance(step, SumStep):
        return SumStage(step, consumer.sum_inputs(step), config)
    if isinstance(step, NormStep):
        return NormStage(step)
    if isinstance(step, ProductStep):
        return ProductStage(step)
    if isinstance(step, PoolStep):
        return PoolStage(step)
    raise TypeError(f"There is no training for {type(step).__name__}")


def _rules(
    step: Step, consumer: Consumer, value: npt.NDArray[np.float64], config: QuantConfig
) -> list[ActivationRule]:
    """The quantizers that are made in front of a step."""
    rules = []
    for number, start in enumerate(consumer.wanted):
        seen = value
        if isinstance(step, SumStep) and consumer.made < len(consumer.streams):
            seen = step.layer.spline_input(value)
        wide = isinstance(step, NormStep | ProductStep) and number == 0
        # Codes in front of norms and products are wide: their range is learned in any case.
        rules.append(activation_rule("lsq+" if wide else config.quantizer, start, seen))
    return rules
