"""Which bits every layer may have, what each choice costs, and what it is expected to lose."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError, ToolNotFound
from kanhw.formats import FloatArray
from kanhw.model.network import KanModel
from kanhw.program.costs import NetworkCosts, costs_by_layer
from kanhw.quant.allocation.budget import BitBudget
from kanhw.quant.allocation.layer_costs import LayerCosts
from kanhw.quant.analysis.held_out import HeldOut
from kanhw.quant.analysis.sensitivity_sweep import measure
from kanhw.quant.analysis.units import Unit, units_of, with_bits, with_rest
from kanhw.quant.config import QuantConfig, Realisation
from kanhw.quant.lowering import lower
from kanhw.quant.planning.plan import Plan, make_plan
from kanhw.quant.planning.steps import Step, SumStep
from kanhw.quant.post_training import quantize_model
from kanhw.quant.quantizers.quantizer import ActivationQuantizer

__all__ = ["GUARD", "Choice", "Losses", "Options", "neighbours", "targets"]

Losses = dict[tuple[Unit, int], float]

# Measurements change one unit at a time and leave at least these bits to the rest.
_REST = 8
# What edge tables have beyond the codes that they add up to.
GUARD = 3


@dataclass(frozen=True)
class Choice:
    """One joint choice of a layer's bits."""

    layer: str
    realisation: str | None
    bits: tuple[tuple[str, int], ...]

    @property
    def units(self) -> dict[Unit, int]:
        """The bits by unit."""
        return {Unit(self.layer, branch): count for branch, count in self.bits}


class Options:
    """Every layer's choices, as an additive model of costs and losses.

    Parameters
    ----------
    model, calibration
        The float network, and what it is calibrated with.
    data
        Held out, for measured losses.
    budget
        Says what counts as cost.
    config
        As asked for.
    choices
        Bits that a unit may have.

    Attributes
    ----------
    layers
        For every layer its choices and what each costs; what costs the same anyway comes last.
    config
        What was asked for, with the bits of whatever is not chosen.
    """

    def __init__(
        self,
        model: KanModel,
        calibration: npt.ArrayLike,
        data: HeldOut,
        budget: BitBudget,
        config: QuantConfig,
        choices: tuple[int, ...],
    ) -> None:
        self.model, self.calibration, self.data = model, calibration, data
        self.budget, self.choices = budget, choices
        self.rest = max(_REST, *choices)
        self.config = with_rest(config, self.rest)
        # What is not ``auto`` is decided, and then one pass sees all there is.
        self.realisations: tuple[Realisation, ...] = (config.realisation,)
        if config.realisation == "auto":
            self.realisations = ("edge_table", "basis_table")
        # The pass in which a layer has a realisation (norms have none).
        self.passes: dict[tuple[str, str], Realisation] = {}
        self.layers = self._options()

    def _realised(self, realisation: Realisation) -> QuantConfig:
        """With one realisation wherever the user did not ask for another."""
        config = self.config
        if config.realisation == "auto":
            config = replace(config, realisation=realisation)
        layers = {
            name: {field: value for field, value in own.items() if value != "auto"}
            for name, own in config.layers.items()
        }
        return replace(config, layers=layers)

    def _plan(self, realisation: Realisation, activation: int) -> Plan:
        config = replace(self._realised(realisation), activation_bits=activation)
        return make_plan(self.model, self.calibration, config)

    def _options(self) -> list[tuple[list[Choice], FloatArray]]:
        options: dict[str, list[tuple[Choice, float]]] = {}
        fixed = 0.0
        for realisation in self.realisations:
            fixed += self._add_pass(realisation, options)
        layers = [
            ([choice for choice, _ in own], np.array([price for _, price in own]))
            for own in options.values()
        ]
        if fixed:
            layers.append(([Choice("", None, ())], np.array([fixed])))
        return layers

    def _add_pass(
        self, realisation: Realisation, options: dict[str, list[tuple[Choice, float]]]
    ) -> float:
        """Add what layers can be under a realisation; returns what costs the same anyway."""
        plans = {bits: self._plan(realisation, bits) for bits in (*self.choices, self.rest)}
        first = plans[self.choices[len(self.choices) // 2]]
        programs: dict[int, tuple[NetworkCosts, ...]] = {}
        units, fixed = units_of(first), 0.0
        for index, (step, consumer) in enumerate(zip(first.steps, first.consumers, strict=True)):
            key = (step.name, consumer.realisation)
            if key in self.passes:
                continue
            self.passes[key] = realisation
            if step.wide:
                fixed += self._other(programs, first, index)
                continue
            own = [unit.branch for unit in units if unit.layer == step.name]
            listed = options.setdefault(step.name, [])
            counter = LayerCosts(step) if isinstance(step, SumStep) else None
            for choice in self._choices_of(step, consumer.realisation, own, first, index):
                plan = plans[dict(choice.bits).get("activation", self.rest)]
                if counter is None:
                    listed.append((choice, self._other(programs, plan, index)))
                    continue
                config = self.config_of([choice], self._realised(realisation))
                inputs = plan.consumers[index].sum_inputs(counter.step)
                try:
                    made = counter(config, inputs, targets(first, index))
                except InputError:
                    # No multiplier is long enough for weights so coarse.
                    continue
                listed.append((choice, self.budget.cost(made)))
        return fixed

    def _other(
        self, programs: dict[int, tuple[NetworkCosts, ...]], plan: Plan, index: int
    ) -> float:
        """Of a step without edges, from a network of the plan's bits."""
        bits = plan.config.widest_activation
        if bits not in programs:
            quantized = quantize_model(
                self.model, self.calibration, replace(plan.config, method="uniform")
            )
            programs[bits] = costs_by_layer(lower(quantized))
        return self.budget.cost(programs[bits][index])

    def _choices_of(
        self,
        step: Step,
        realisation: str,
        branches: Sequence[str],
        plan: Plan,
        index: int,
    ) -> Iterable[Choice]:
        allowed: list[Sequence[int]] = []
        for branch in branches:
            if branch == "table":
                allowed.append(self._table_bits(plan, index))
            elif realisation == "edge_table" and branch in ("base", "spline"):
                allowed.append(self.choices[-1:])
            else:
                allowed.append(self.choices)
        for bits in itertools.product(*allowed):
            yield Choice(step.name, realisation or None, tuple(zip(branches, bits, strict=True)))

    def _table_bits(self, plan: Plan, index: int) -> tuple[int, ...]:
        widths = set(self.choices) | {bits + GUARD for bits in self.choices}
        if index + 1 < len(plan.steps):
            behind = plan.steps[index + 1]
            if behind.wide:
                widths.add(plan.consumers[index + 1].wanted[0].format.width + GUARD)
        return tuple(sorted(bits for bits in widths if 2 <= bits <= 16))

    def config_of(self, chosen: Iterable[Choice], config: QuantConfig | None = None) -> QuantConfig:
        """A config (None is :attr:`config`) with the bits and realisations of some choices."""
        config = config or self.config
        layers = {name: dict(own) for name, own in config.layers.items()}
        units: dict[Unit, int] = {}
        for choice in chosen:
            if choice.realisation is not None:
                layers.setdefault(choice.layer, {})["realisation"] = choice.realisation
            units |= choice.units
        return with_bits(replace(config, layers=layers), units)

    def losses(self, criterion: str) -> dict[str, Losses]:
        """What every unit adds at every number of bits, pass by pass."""
        used = {self._pass(choice) for own, _ in self.layers for choice in own if choice.bits}
        return {realisation: self._losses(criterion, realisation) for realisation in sorted(used)}

    def _pass(self, choice: Choice) -> Realisation:
        return self.passes[choice.layer, choice.realisation or ""]

    def loss_of(self, choice: Choice, losses: dict[str, Losses]) -> float:
        """What a choice is expected to lose: the sum over its units."""
        if not choice.bits:
            return 0.0
        known = losses[self._pass(choice)]
        return sum(known[unit, bits] for unit, bits in choice.units.items())

    def _losses(self, criterion: str, realisation: Realisation) -> Losses:
        config = self._realised(realisation)
        bits: dict[str, set[int]] = {}
        for own, _ in self.layers:
            for choice in own:
                if choice.bits and self._pass(choice) == realisation:
                    for branch, count in choice.bits:
                        bits.setdefault(branch, set()).add(count)
        wanted = {branch: tuple(sorted(counts)) for branch, counts in bits.items()}
        if criterion == "hessian":
            return self._hessian_losses(wanted, config)
        config = with_rest(config, self.rest)
        rows, _ = measure(self.model, self.calibration, self.data, config, wanted)
        return {(Unit(row.layer, row.branch), row.bits): max(row.increase, 0.0) for row in rows}

    def _hessian_losses(self, bits: dict[str, tuple[int, ...]], config: QuantConfig) -> Losses:
        try:
            from kanhw.quant.analysis.traces import hessian_losses
        except ImportError as error:
            raise ToolNotFound(
                "The criterion hessian needs PyTorch: pip install 'kanhw[torch]'"
            ) from error
        return hessian_losses(self.model, self.calibration, self.data.x, bits, config)


def targets(plan: Plan, index: int) -> tuple[ActivationQuantizer | None, ...]:
    """The quantizers of the codes that a step makes; None for a network's outputs."""
    if index + 1 < len(plan.steps):
        return plan.consumers[index + 1].wanted
    return (None,)


def neighbours(choice: Choice, own: Sequence[Choice]) -> list[Choice]:
    """The choices that differ in one branch, by one step up or down."""
    bits = dict(choice.bits)
    near = []
    for branch, now in choice.bits:
        others = [
            other
            for other in own
            if other.realisation == choice.realisation
            and all(count == bits[name] for name, count in other.bits if name != branch)
        ]
        steps = sorted({dict(other.bits)[branch]: other for other in others}.items())
        place = [count for count, _ in steps].index(now)
        near += [steps[p][1] for p in (place - 1, place + 1) if 0 <= p < len(steps)]
    return near
