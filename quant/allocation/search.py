"""Trying what looks best: networks are quantized and measured, and the best one is kept."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kanhw.errors import InputError
from kanhw.program.costs import NetworkCosts, costs_of
from kanhw.quant.allocation.integer_program import solve
from kanhw.quant.allocation.options import GUARD, Choice, Losses, Options, neighbours, targets
from kanhw.quant.allocation.result import Allocation
from kanhw.quant.analysis.units import Unit, pinned, units_of, with_bits, with_rest
from kanhw.quant.config import QuantConfig
from kanhw.quant.lowering import lower
from kanhw.quant.planning.plan import make_plan
from kanhw.quant.post_training import quantize_model
from kanhw.quant.record.model import QuantModel

__all__ = ["Search"]

# Further solutions of each criterion, and budgets tried until the real costs fit.
_ALTERNATIVES = 3
_TIGHTENINGS = 6
# Outputs that change by more than this share of their variance have little to do with the float
# ones: which of two such networks is the better one, only labels tell.
_BROKEN = 0.5
# Rounds of changing the best solution step by step, and combinations verified in each.
_ROUNDS = 4
_COMBINATIONS = 6


@dataclass(frozen=True, eq=False)
class _Verified:
    """A network that was quantized and measured."""

    config: QuantConfig
    quantized: QuantModel
    costs: NetworkCosts
    loss: float
    accuracy: float | None
    origin: str
    predicted: float | None = None
    # What it was made of; None for uniform networks.
    chosen: tuple[Choice, ...] | None = None


class Search:
    """Networks that were tried, and what came of them.

    Parameters
    ----------
    options
        What there is to choose from.
    asked
        The config as it was given.
    """

    def __init__(self, options: Options, asked: QuantConfig) -> None:
        self.options, self.asked = options, asked
        self.budget, self.data = options.budget, options.data
        self.verified: dict[str, _Verified | None] = {}
        self.uniform: tuple[float, int] | None = None

    def verify(
        self,
        config: QuantConfig,
        origin: str,
        predicted: float | None = None,
        chosen: tuple[Choice, ...] | None = None,
    ) -> _Verified | None:
        """Quantize and measure; None where there are no such integers."""
        key = repr(config)
        if key not in self.verified:
            try:
                quantized = quantize_model(self.options.model, self.options.calibration, config)
            except InputError:
                self.verified[key] = None
                return None
            outputs = quantized(self.data.x)
            self.verified[key] = _Verified(
                config,
                quantized,
                costs_of(lower(quantized)),
                self.data.loss_of(outputs),
                self.data.accuracy_of(outputs),
                origin,
                predicted,
                chosen,
            )
        return self.verified[key]

    def try_uniform(self) -> None:
        """Verify the networks with the same bits everywhere."""
        for bits in self.options.choices:
            every = with_rest(self.asked, bits)
            own = replace(every, table_bits=self.asked.table_bits)
            basis = self.asked.basis_bits, self.asked.base_table_bits
            weights = replace(own, basis_bits=basis[0], base_table_bits=basis[1])
            for config in (every, own, weights):
                made = self.verify(config, f"uniform, {bits} bits")
                if made is None or not self.budget.met_by(made.costs):
                    continue
                if self.uniform is None or made.loss < self.uniform[0]:
                    self.uniform = made.loss, bits
                # The same as choices of layers, from which single steps may start.
                chosen = self._chosen(self._spelt_out(config))
                if chosen is not None:
                    self.verify(
                        self.options.config_of(chosen), f"uniform, {bits} bits", None, chosen
                    )

    def _spelt_out(self, config: QuantConfig) -> QuantConfig:
        """The same config with every layer's realisation and bits in ``layers``."""
        plan = make_plan(self.options.model, self.options.calibration, config)
        config = pinned(config, plan)
        bits: dict[Unit, int] = {}
        tables: dict[str, dict[str, Any]] = {}
        for unit in units_of(plan):
            own = config.for_layer(unit.layer)
            index = [step.name for step in plan.steps].index(unit.layer)
            if unit.branch == "basis":
                fields = ("basis_bits", "base_table_bits")
                tables[unit.layer] = {field: getattr(own, field) for field in fields}
            elif unit.branch == "table":
                behind = targets(plan, index)[0]
                width = behind.format.width if behind else own.widest_activation
                bits[unit] = own.table_bits or min(width + GUARD, 16)
            else:
                bits[unit] = getattr(own, f"{unit.branch}_bits")
        config = with_bits(config, bits)
        layers = {name: {**own, **tables.get(name, {})} for name, own in config.layers.items()}
        return replace(config, layers=layers)

    def _chosen(self, config: QuantConfig) -> tuple[Choice, ...] | None:
        """The choices of a config that spells everything out; None where one is not allowed."""
        chosen = []
        for own, _ in self.options.layers:
            name = own[0].layer
            if not name:
                chosen.append(own[0])
                continue
            fields = config.for_layer(name)
            kind = config.layers[name].get("realisation")
            fits = [
                choice
                for choice in own
                if choice.realisation == kind
                and all(
                    count == getattr(fields, f"{branch}_bits")
                    for branch, count in choice.bits
                    if kind != "edge_table" or branch not in ("base", "spline")
                )
            ]
            if not fits:
                return None
            chosen.append(fits[0])
        return tuple(chosen)

    def try_model(self, criterion: str, losses: dict[str, Losses]) -> None:
        """Verify the best solutions of the additive model."""
        options = []
        for own, costs in self.options.layers:
            total = np.array([self.options.loss_of(choice, losses) for choice in own])
            options.append((own, costs, total))
        limit = self.budget.limit
        forbidden: list[tuple[int, ...]] = []
        tightenings = alternatives = 0
        while tightenings < _TIGHTENINGS and alternatives < _ALTERNATIVES:
            solution = solve(
                [total for _, _, total in options],
                [costs for _, costs, _ in options],
                limit,
                forbidden,
            )
            if solution is None:
                break
            chosen = tuple(own[place] for (own, _, _), place in zip(options, solution, strict=True))
            predicted = sum(
                float(total[place]) for (_, _, total), place in zip(options, solution, strict=True)
            )
            made = self.verify(self.options.config_of(chosen), criterion, predicted, chosen)
            if made is not None and not self.budget.met_by(made.costs):
                # What neighbours have decides some bits of biases and multipliers.
                limit *= 0.999 * self.budget.limit / self.budget.cost(made.costs)
                tightenings += 1
                continue
            forbidden.append(solution)
            alternatives += 1

    def refine(self) -> None:
        """Change the best solution of the model by single steps, as long as that helps."""
        for _ in range(_ROUNDS):
            best = self._best(only_chosen=True)
            if best is None or best.chosen is None or not self._improved(best, best.chosen):
                return

    def _improved(self, best: _Verified, chosen: tuple[Choice, ...]) -> bool:
        moves = []
        for place, (own, _) in enumerate(self.options.layers):
            for near in neighbours(chosen[place], own):
                after = (*chosen[:place], near, *chosen[place + 1 :])
                made = self.verify(self.options.config_of(after), best.origin, None, after)
                if made is not None:
                    cost = self.budget.cost(made.costs) - self.budget.cost(best.costs)
                    moves.append((place, near, made.loss - best.loss, cost))
        room = self.budget.limit - self.budget.cost(best.costs)
        pairs = [
            (first[2] + second[2], first, second)
            for first, second in itertools.combinations(moves, 2)
            if first[0] != second[0] and first[3] + second[3] <= room
        ]
        pairs.sort(key=lambda pair: pair[0])
        for total, first, second in pairs[:_COMBINATIONS]:
            if total >= 0:
                break
            changed = {first[0]: first[1], second[0]: second[1]}
            after = tuple(changed.get(place, own) for place, own in enumerate(chosen))
            self.verify(self.options.config_of(after), best.origin, None, after)
        now = self._best(only_chosen=True)
        return now is not None and now.loss < best.loss

    def _best(self, *, only_chosen: bool = False) -> _Verified | None:
        fitting = [
            made
            for made in self.verified.values()
            if made is not None
            and self.budget.met_by(made.costs)
            and (made.chosen is not None or not only_chosen)
        ]
        if not fitting:
            return None
        best = min(fitting, key=lambda made: made.loss)
        if best.accuracy is None or only_chosen:
            return best
        limit = 1.01 * best.loss
        uniform = [made for made in fitting if made.chosen is None]
        if best.loss > _BROKEN and uniform:
            limit = max(limit, max(uniform, key=lambda made: made.accuracy or 0.0).loss)
        close = [made for made in fitting if made.loss <= limit]
        return max(close, key=lambda made: (made.accuracy or 0.0, -made.loss))

    def result(self) -> Allocation:
        """The best network that was measured."""
        best = self._best()
        if best is None:
            raise InputError(
                f"No network fits {self.budget}: the cheapest possible one costs "
                f"{self._cheapest():.6g} {self.budget.what} with choices {self.options.choices}; "
                "raise the budget or allow fewer bits"
            )
        origin = best.origin
        if best.chosen is not None and best.predicted is None:
            origin += ", refined"
        uniform = self.uniform or (None, None)
        return Allocation(
            config=best.config if best.chosen is not None else self._spelt_out(best.config),
            quantized=best.quantized,
            costs=best.costs,
            budget=self.budget,
            origin=origin,
            predicted_loss=best.predicted,
            verified_loss=best.loss,
            uniform_loss=uniform[0],
            uniform_bits=uniform[1],
        )

    def _cheapest(self) -> float:
        chosen = tuple(own[int(costs.argmin())] for own, costs in self.options.layers)
        made = self.verify(self.options.config_of(chosen), "cheapest", None, chosen)
        known = [made, *self.verified.values()]
        return min(self.budget.cost(one.costs) for one in known if one is not None)
