"""Quantization-aware training: prepare a network, train it as any other, convert it to integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kanhw.errors import InputError
from kanhw.model.network import KanModel
from kanhw.quant.config import QuantConfig
from kanhw.quant.planning.consumer import Consumer
from kanhw.quant.planning.plan import Plan, make_plan
from kanhw.quant.planning.steps import Step, SumStep
from kanhw.quant.realise import realise
from kanhw.quant.record.model import QuantModel
from kanhw.quant.training.codebook_stage import codebook_stages
from kanhw.quant.training.rules.activation_quantizers import (
    ActivationRule,
    activation_rule,
    far_from_zero,
)
from kanhw.quant.training.rules.weight_quantizers import WeightRule
from kanhw.quant.training.stages import (
    NormStage,
    PoolStage,
    ProductStage,
    Stage,
    Stream,
    SumStage,
)
from kanhw.records import record_of

__all__ = ["STAGES", "QuantizedNetwork", "convert", "float_model", "prepare"]

_MOST_BITS = 8
# What to do with what comes from another step of the way, by the name of its type.
_INSTEAD = {
    "KanModel": ": prepare it first, and train it; quantize is for rounding after training",
    "Program": ": it is converted already",
    "QuantModel": ": it is converted already, and kanhw.quant.lower makes a Program of it",
    "Training": ": that says what train did; the network was trained in place",
}
_ALREADY = {
    "Program": ": it is quantized already",
    "QuantModel": ": it is quantized already",
    "QuantizedNetwork": ": it is prepared already, so train it",
    "str": ": load it first, kanhw.load(path)",
    "PosixPath": ": load it first, kanhw.load(path)",
}


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
        # Of the columns that it was prepared with.
        self.feature_names: tuple[str, ...] | None = None
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
    TypeError
        If ``model`` is neither, or is quantized already.
    """
    config = config or QuantConfig()
    model = float_model(model)
    if config.shared_quantizers and config.quantizer in ("dorefa", "pact"):
        raise InputError(
            f"shared_quantizers needs weights with a step that is learned, and {config.quantizer} "
            "has none: choose lsq, lsq+, qil or dsq"
        )
    config.check_one_width("training")
    config = _trainable(config)
    plan = make_plan(model, calibration, config)
    for step, consumer in zip(plan.steps, plan.consumers, strict=True):
        own = config.for_layer(step.name)
        if consumer.realisation == "spline_evaluator":
            raise InputError(
                f"{step.name}: there is no training for evaluated splines: train with basis "
                "tables, or quantize after training"
            )
        for field in ("base_bits", "spline_bits", "activation_bits"):
            bits = getattr(own, field)
            if step.kind == "sums" and bits > _MOST_BITS:
                raise InputError(
                    f"{step.name}: {field} must be 1 to {_MOST_BITS} in training, not {bits}"
                )
    return QuantizedNetwork(plan, model.input_shape)


def _trainable(config: QuantConfig) -> QuantConfig:
    """The config with the bits of training where it leaves them open."""
    spline, base = config.weight_bits
    inputs = None if config.input_bits == "auto" else config.input_bits
    return replace(config, spline_bits=spline, base_bits=base, input_bits=inputs)


def convert(network: QuantizedNetwork) -> QuantModel:
    """Freeze a trained network to integers.

    Raises
    ------
    InputError
        If training has diverged: a parameter is not finite, or the training loop gave up.
    TypeError
        If ``network`` is anything else.
    """
    if not isinstance(network, QuantizedNetwork):
        name = type(network).__name__
        raise TypeError(
            f"convert takes the network that prepare(model, x, config) gives, not a {name}"
            + _INSTEAD.get(name, "")
        )
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
    return realise(
        plan,
        tuple(network.stage(k).rounded(consumer) for k, consumer in enumerate(plan.consumers)),
    )


def float_model(model: object) -> KanModel:
    """The float record of what a user has."""
    if isinstance(model, nn.Module) and not isinstance(model, QuantizedNetwork):
        from kanhw.layers import model_of

        to_model = getattr(model, "to_model", None)
        model = to_model() if to_model is not None else model_of(model)
    if not isinstance(model, KanModel):
        name = type(model).__name__
        raise TypeError(
            "prepare takes a float model (kanhw.load) or a network of kanhw.layers, not a "
            + name
            + _ALREADY.get(name, "")
        )
    return model


def _sum_stage(step: SumStep, consumer: Consumer, config: QuantConfig) -> Stage:
    return SumStage(step, consumer.sum_inputs(step), config)


# What trains a step of every kind.
STAGES: dict[str, Callable[[Any, Consumer, QuantConfig], Stage]] = {
    "sums": _sum_stage,
    "norm": lambda step, _, __: NormStage(step),
    "products": lambda step, _, __: ProductStage(step),
    "pooling": lambda step, _, __: PoolStage(step),
}


def _stage(step: Step, consumer: Consumer, config: QuantConfig) -> Stage:
    home = "kanhw.quant.training.network.STAGES"
    return record_of(STAGES, step.kind, "training of steps", home)(step, consumer, config)


def _rules(
    step: Step, consumer: Consumer, value: npt.NDArray[np.float64], config: QuantConfig
) -> list[ActivationRule]:
    """The quantizers that are made in front of a step."""
    seen = step.read(value, split=consumer.split)
    rules = []
    for number, start in enumerate(consumer.wanted):
        # The range of wide codes is learned in any case; what a norm passes on is not wide.
        # Codes around zero would tell nothing apart where all values are far from it.
        far = config.quantizer == "lsq" and far_from_zero(start, seen)
        quantizer = "lsq+" if far or (step.wide and number == 0) else config.quantizer
        rules.append(activation_rule(quantizer, start, seen))
    return rules
