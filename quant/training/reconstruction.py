"""Rounding that is learned part by part: each part of a network shall give what it gave in float.

AdaRound takes a layer at a time, BRECQ a block. Both need calibration samples only, no labels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kanhw.quant.integers.branches import branches_of
from kanhw.quant.integers.weights import RoundedWeights, nearest_weights
from kanhw.quant.planning.consumer import Consumer
from kanhw.quant.planning.headroom import with_headroom
from kanhw.quant.planning.plan import Plan
from kanhw.quant.planning.steps import Step, SumStep
from kanhw.quant.realise import RoundedLayer, realise
from kanhw.quant.record.model import QuantModel
from kanhw.quant.training.adaptive_rounding import AdaptiveRounding
from kanhw.quant.training.network import QuantizedNetwork
from kanhw.quant.training.rules.calibrated import Calibrated
from kanhw.quant.training.stages import Stream, SumStage
from kanhw.records import record_of

__all__ = ["blocks_of", "reconstruct"]

_BATCH = 32
# Rows that are evaluated at a time.
_CHUNK = 256
_RATE = 2e-2
# The weight of softness, its exponent at first and at last, and the share of the iterations
# before it counts.
_LAMBDA, _FIRST, _LAST, _WARM_UP = 0.01, 20.0, 2.0, 0.2
# The squared error that rounding to nearest makes counts this much for every weight; then the
# balance of error and softness depends neither on the units of a network nor on its size.
_ERROR = 3e-5
# BRECQ: sums in a block, and what activation steps learn with, relative to their own size.
_SUMS = 2
_STEP_SHARE, _STEP_RATE = 0.25, 1e-3


def reconstruct(plan: Plan, shape: tuple[int, ...]) -> QuantModel:
    """Quantize by AdaRound or BRECQ, as the plan's config says.

    Parameters
    ----------
    plan
        The float network's steps and calibrated quantizers.
    shape
        Of a sample.
    """
    config = plan.config
    plan = with_headroom(plan)
    with torch.enable_grad():
        network = _calibrated_network(plan, shape)
        front = _Front(_tensor(plan.values[0]), [])
        generator = torch.Generator().manual_seed(config.seed)
        for start, stop in blocks_of(plan.steps, _SUMS if config.method == "brecq" else 1):
            part = _Part(network, start, stop, front, _tensor(plan.values[stop]), generator)
            part.learn_rounding(config.iterations)
            if config.method == "brecq":
                part.learn_steps(math.ceil(config.iterations * _STEP_SHARE))
            front = part.outputs()
    learned = replace(plan, consumers=network.trained_plan().consumers)
    return realise(learned, tuple(_rounded(learned, network)))


def blocks_of(steps: tuple[Step, ...], sums: int) -> list[tuple[int, int]]:
    """Ends ``(start, stop)`` of runs of steps with at most so many sums.

    A norm that passes the raw codes on belongs to the layer behind it, all other steps to the layer
    in front of them; so does pooling.
    """
    starts, count = [0], 0
    for index, step in enumerate(steps):
        if step.kind != "sums":
            continue
        if count == sums:
            # Its own norm comes along.
            own = index - 1 if steps[index - 1].passes else index
            starts.append(own)
            count = 0
        count += 1
    return list(zip(starts, [*starts[1:], len(steps)], strict=True))


@dataclass(frozen=True, eq=False)
class _Front:
    """What is known in front of a step.

    Parameters
    ----------
    value
        ``[N, n]`` reals that its quantizers are given.
    before
        The streams that went into the step before, of which a norm passes some on.
    """

    value: Tensor
    before: list[Stream]

    def rows(self, chosen: Tensor) -> _Front:
        """Of some samples."""
        return _Front(self.value[chosen], _rows(self.before, chosen))


class _Part:
    """Consecutive steps, what goes into them in the quantized network, and what shall come out.

    Parameters
    ----------
    network
        With hard rounding in front of ``start``.
    start, stop
        The steps.
    front
        In front of the first, for all calibration samples.
    target
        ``[N, n]``: what the float network gives there.
    generator
        Draws the batches.
    """

    def __init__(
        self,
        network: QuantizedNetwork,
        start: int,
        stop: int,
        front: _Front,
        target: Tensor,
        generator: torch.Generator,
    ) -> None:
        self.network, self.start, self.stop = network, start, stop
        self.front, self.target, self.generator = front, target, generator
        stages = [network.stage(index) for index in range(start, stop)]
        self.sums = [stage for stage in stages if isinstance(stage, SumStage)]
        self.roundings = [rule for stage in self.sums for rule in _roundings(stage)]

    def learn_rounding(self, iterations: int) -> None:
        """Choose up or down for every weight; to nearest where that is no worse."""
        # What rounding to nearest changes, apart from what codes and tables change.
        soft, exact = self._logits(), self._outputs(tables=False).value
        for rule in self.roundings:
            rule.round_to_nearest()
        nearest, error_of_nearest = self._logits(), self.error()
        noise = _error(self._outputs(tables=False).value, exact)
        if noise == 0:
            return
        self._set(soft, hard=False)
        count = sum(int(rule.free.sum()) for rule in self.roundings)
        factor = _ERROR * count / noise
        streams = self._streams(self.front)

        def loss(rows: Tensor, progress: float) -> Tensor:
            value, _ = self.network.run(self.start, self.stop, _rows(streams, rows))
            error = factor * (value - self.target[rows]).square().sum(dim=1).mean()
            if progress < _WARM_UP:
                return error
            late = (progress - _WARM_UP) / (1 - _WARM_UP)
            exponent = _LAST + (_FIRST - _LAST) * (1 - late)
            for rule in self.roundings:
                error = error + _LAMBDA * rule.softness(exponent)
            return error

        learned = [rule.logits for rule in self.roundings]
        self._descend([{"params": learned, "lr": _RATE}], loss, iterations)
        if self.error() > error_of_nearest:
            self._set(nearest, hard=True)

    def learn_steps(self, iterations: int) -> None:
        """Move the steps of the activation quantizers inside, if that is of any use."""
        rules = list(self._quantizers())
        if not rules:
            return
        before = self.error()

        def loss(rows: Tensor, progress: float) -> Tensor:
            value, _ = self.network.run(self.start, self.stop, self._streams(self.front.rows(rows)))
            return (value - self.target[rows]).square().sum(dim=1).mean()

        groups = []
        for rule in rules:
            rule.step.requires_grad_(True)
            size = float(rule.step.detach().mean())
            groups.append({"params": [rule.step], "lr": _STEP_RATE * size})
        self._descend(groups, loss, iterations)
        for rule in rules:
            rule.step.requires_grad_(False)
        if self.error() >= before:
            for rule in rules:
                rule.step.copy_(rule.first)

    def error(self) -> float:
        """The mean over samples of the squared error, as the part is deployed."""
        return _error(self.outputs().value, self.target)

    def outputs(self) -> _Front:
        """What comes out as it is deployed, hard and of rounded tables."""
        self._set(self._logits(), hard=True)
        return self._outputs(tables=True)

    def _outputs(self, *, tables: bool) -> _Front:
        self._round_tables(tables)
        values: list[Tensor] = []
        streams: list[list[Stream]] = []
        with torch.no_grad():
            for rows in torch.split(torch.arange(len(self.target)), _CHUNK):
                inside = self._streams(self.front.rows(rows))
                value, last = self.network.run(self.start, self.stop, inside)
                values.append(value)
                streams.append(last)
        self._round_tables(False)
        return _Front(torch.cat(values), [_joined(parts) for parts in zip(*streams, strict=True)])

    def _streams(self, front: _Front) -> list[Stream]:
        return self.network.quantized(self.start, front.value, front.before)

    def _round_tables(self, switch: bool) -> None:
        # Rounded tables are made anew for every batch, and give no other gradient.
        for stage in self.sums:
            stage.rounds_tables = switch and stage.realisation == "edge_table"

    def _logits(self) -> list[Tensor]:
        return [rule.logits.detach().clone() for rule in self.roundings]

    def _set(self, logits: list[Tensor], *, hard: bool) -> None:
        with torch.no_grad():
            for rule, kept in zip(self.roundings, logits, strict=True):
                rule.logits.copy_(kept)
                rule.hard = hard

    def _quantizers(self) -> Iterator[Calibrated]:
        """Those whose step can move without changing what the integers of weights mean."""
        for index in range(self.start, self.stop):
            step, consumer = self.network.plan.steps[index], self.network.plan.consumers[index]
            home = "kanhw.quant.training.reconstruction.MOVABLE"
            if not record_of(MOVABLE, step.kind, "movable steps", home)(step, consumer):
                continue
            for number in range(consumer.made):
                rule = self.network.rule(index, number)
                if isinstance(rule, Calibrated):
                    yield rule

    def _descend(
        self,
        groups: list[dict[str, object]],
        loss: Callable[[Tensor, float], Tensor],
        iterations: int,
    ) -> None:
        optimiser = torch.optim.Adam(groups, fused=True)
        rows: Iterator[Tensor] = iter(())
        for iteration in range(iterations):
            batch = next(rows, None)
            if batch is None:
                order = torch.randperm(len(self.target), generator=self.generator)
                rows = iter(torch.split(order, _BATCH))
                batch = next(rows)
            optimiser.zero_grad()
            loss(batch, iteration / iterations).backward()  # type: ignore[no-untyped-call]
            optimiser.step()


def _of_sums(step: SumStep, consumer: Consumer) -> bool:
    # Bases without a support of their own are scaled by their peaks over the range of the codes.
    fixed = step.layer.basis.support is not None and not step.layer.symbolic
    return consumer.realisation == "edge_table" or fixed


def _never(step: Step, consumer: Consumer) -> bool:
    return False


def _always(step: Step, consumer: Consumer) -> bool:
    return True


# Whether the step of the codes in front of a step of every kind can move.
MOVABLE: dict[str, Callable[[Any, Consumer], bool]] = {
    "sums": _of_sums,
    "norm": _never,
    "products": _never,
    "pooling": _always,
}


def _calibrated_network(plan: Plan, shape: tuple[int, ...]) -> QuantizedNetwork:
    """The network of a plan with fixed quantizers, and weights whose rounding is to be learned."""
    # The rules that it is made with are replaced.
    plain = replace(plan, config=replace(plan.config, quantizer="lsq"))
    network = QuantizedNetwork(plain, shape)
    network.requires_grad_(False)
    for index, (step, consumer) in enumerate(zip(plan.steps, plan.consumers, strict=True)):
        seen = step.read(plan.values[index], split=consumer.split)
        network.rules[index] = nn.ModuleList(Calibrated(q, seen) for q in consumer.wanted)
        stage = network.stage(index)
        if isinstance(stage, SumStage) and isinstance(step, SumStep):
            own = plan.config.for_layer(step.name)
            branches = branches_of(step.layer, consumer.sum_inputs(step), own)
            nearest = nearest_weights(branches, own)
            spline_bits, base_bits = own.weight_bits
            stage.spline_rule = AdaptiveRounding(branches.coefficients, nearest.spline, spline_bits)
            stage.base_rule = AdaptiveRounding(branches.base_weights, nearest.base, base_bits)
    return network


def _rounded(plan: Plan, network: QuantizedNetwork) -> Iterator[RoundedLayer | None]:
    """What the weights of every step have become, in float64."""
    for index, (step, consumer) in enumerate(zip(plan.steps, plan.consumers, strict=True)):
        stage = network.stage(index)
        if not (isinstance(step, SumStep) and isinstance(stage, SumStage)):
            yield None
            continue
        own = plan.config.for_layer(step.name)
        branches = branches_of(step.layer, consumer.sum_inputs(step), own)
        spline, base = _roundings(stage)
        yield RoundedLayer(branches, RoundedWeights(spline.quantized(), base.quantized()))


def _roundings(stage: SumStage) -> tuple[AdaptiveRounding, AdaptiveRounding]:
    spline, base = stage.spline_rule, stage.base_rule
    if not (isinstance(spline, AdaptiveRounding) and isinstance(base, AdaptiveRounding)):
        raise TypeError("The rounding of these weights is not learned")
    return spline, base


def _error(value: Tensor, target: Tensor) -> float:
    return float((value - target).double().square().sum(dim=1).mean())


def _tensor(values: npt.NDArray[np.float64]) -> Tensor:
    return torch.tensor(values, dtype=torch.get_default_dtype())


def _rows(streams: list[Stream], chosen: Tensor) -> list[Stream]:
    return [replace(s, addresses=s.addresses[chosen], real=s.real[chosen]) for s in streams]


def _joined(parts: tuple[Stream, ...]) -> Stream:
    addresses = torch.cat([part.addresses for part in parts])
    return replace(parts[0], addresses=addresses, real=torch.cat([part.real for part in parts]))
