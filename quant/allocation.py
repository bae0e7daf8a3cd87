"""Automatic bit allocation: which bits every branch of every layer gets within a budget."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from importlib.util import find_spec
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError, ToolNotFound
from kanhw.model import KanModel
from kanhw.program import Program
from kanhw.quant.config import QuantConfig, Realisation
from kanhw.quant.costs import Costs, LayerCosts, costs_by_layer, costs_of
from kanhw.quant.lowering import lower
from kanhw.quant.model import QuantModel
from kanhw.quant.plan import Plan, make_plan
from kanhw.quant.post_training import quantize_model
from kanhw.quant.sensitivity_sweep import (
    HeldOut,
    Unit,
    measure,
    pinned,
    units_of,
    with_bits,
    with_rest,
)
from kanhw.quant.steps import PoolStep, SumStep

__all__ = ["Allocation", "Budget", "Criterion", "allocate", "solve"]

FloatArray = npt.NDArray[np.float64]
Criterion = Literal["sensitivity", "hessian"]
Losses = dict[tuple[Unit, int], float]

# Measurements change one unit at a time and leave at least these bits to the rest.
_REST = 8
# What edge tables have beyond the codes that they add up to.
_GUARD = 3
# Further solutions of each criterion, and budgets tried until the real costs fit.
_ALTERNATIVES = 3
_TIGHTENINGS = 6
# Outputs that change by more than this share of their variance have little to do with the float
# ones: which of two such networks is the better one, only labels tell.
_BROKEN = 0.5
# Rounds of changing the best solution step by step, and combinations verified in each.
_ROUNDS = 4
_COMBINATIONS = 6
_COSTS = {
    "luts": "luts",
    "bits": "parameter_bits",
    "bit_operations": "bit_operations",
    "energy": "energy",
}


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a network may cost at most: exactly one of these.

    Parameters
    ----------
    luts
        Six-input LUTs, as :class:`~kanhw.quant.costs.Costs` estimates them.
    bits
        Bits of all parameters.
    bit_operations
        Of an inference.
    energy
        Picojoule of an inference.
    """

    luts: float | None = None
    bits: float | None = None
    bit_operations: float | None = None
    energy: float | None = None

    def __post_init__(self) -> None:
        given = [field.name for field in fields(self) if getattr(self, field.name) is not None]
        if len(given) != 1:
            raise InputError(
                f"A budget is exactly one of {', '.join(_COSTS)}, not {' and '.join(given) or None}"
            )
        value = getattr(self, given[0])
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise TypeError(f"{given[0]} must be a number, not {value!r}")
        if not 0 < value < math.inf:
            raise InputError(f"{given[0]} must be above 0 and finite, not {value}")

    @property
    def what(self) -> str:
        """Which of them it is."""
        return next(name for name in _COSTS if getattr(self, name) is not None)

    @property
    def limit(self) -> float:
        """How much."""
        return float(getattr(self, self.what))

    @classmethod
    def of(cls, program: Program | Costs, what: str = "bits") -> Budget:
        """The budget that a network meets exactly, such as a uniform quantization's.

        Parameters
        ----------
        program
            The network, or what it costs.
        what
            ``luts``, ``bits``, ``bit_operations`` or ``energy``.
        """
        if what not in _COSTS:
            raise InputError(f"what must be one of {', '.join(_COSTS)}, not {what!r}")
        costs = program if isinstance(program, Costs) else costs_of(program)
        return cls(**{what: getattr(costs, _COSTS[what])})

    def cost(self, costs: Costs) -> float:
        """What counts against it."""
        return float(getattr(costs, _COSTS[self.what]))

    def met_by(self, costs: Costs) -> bool:
        """Whether costs stay within it."""
        return self.cost(costs) <= self.limit * (1 + 1e-12)

    def __str__(self) -> str:
        return f"{self.limit:.6g} {self.what}"


@dataclass(frozen=True, eq=False, kw_only=True)
class Allocation:
    """What :func:`allocate` chose.

    Parameters
    ----------
    config
        With the bits and the realisation of every layer in ``layers``: give it to
        :func:`kanhw.quant.quantize_model`, or to training.
    quantized
        The network, quantized so.
    costs
        What it costs.
    budget
        What was allowed.
    origin
        Where it comes from: ``sensitivity`` or ``hessian`` (the criterion of its integer program),
        with ``, refined`` where single steps improved on that, or ``uniform, N bits``.
    predicted_loss
        What the additive model expected; None where the solution is not one of its own.
    verified_loss
        What was measured on the held-out data.
    uniform_loss, uniform_bits
        Those of the best uniform network within the budget; None where none fits.
    """

    config: QuantConfig
    quantized: QuantModel
    costs: Costs
    budget: Budget
    origin: str
    predicted_loss: float | None
    verified_loss: float
    uniform_loss: float | None
    uniform_bits: int | None

    @property
    def program(self) -> Program:
        """The network's integers."""
        return lower(self.quantized)

    def table(self) -> list[dict[str, Any]]:
        """Bits and realisation of every layer, as plain values."""
        names = ("realisation", "base_bits", "spline_bits", "basis_bits", "table_bits")
        rows = []
        for name in self.config.layers:
            own = self.config.for_layer(name)
            row = {"layer": name, **{field: getattr(own, field) for field in names}}
            row["activation_bits"] = own.activation_bits
            if own.realisation == "edge_table":
                row["basis_bits"] = None
            elif own.realisation == "basis_table":
                row["table_bits"] = None
            if "realisation" not in self.config.layers[name]:  # pooling has codes only
                row |= dict.fromkeys(names)
            rows.append(row)
        return rows

    def markdown(self) -> str:
        """The table, and what it costs and loses, as text."""
        rows = self.table()
        head = list(rows[0]) if rows else ["layer"]
        lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        for row in rows:
            cells = ("" if value is None else str(value) for value in row.values())
            lines.append("| " + " | ".join(cells) + " |")
        uniform = "no uniform network fits"
        if self.uniform_loss is not None:
            uniform = f"uniform {self.uniform_bits} bits: {self.uniform_loss:.3e}"
        cost = self.budget.cost(self.costs)
        return "\n".join(
            [
                *lines,
                "",
                f"{cost:.6g} of {self.budget}; loss {self.verified_loss:.3e} ({self.origin}); "
                + uniform,
            ]
        )

    def __str__(self) -> str:
        return self.markdown()


def allocate(
    model: KanModel,
    calibration: npt.ArrayLike,
    held_out: npt.ArrayLike,
    budget: Budget,
    criterion: Criterion = "sensitivity",
    labels: npt.ArrayLike | None = None,
    config: QuantConfig | None = None,
    choices: tuple[int, ...] = (2, 3, 4, 5, 6, 8),
) -> Allocation:
    """Give every branch of every layer its bits, so that the outputs change least in a budget.

    Losses of single units are measured or estimated, taken to add up, and the best choice is found
    by integer programming. The solutions are then quantized and measured, improved step by step,
    and compared with the uniform networks that fit; the best one that was measured is returned.

    Parameters
    ----------
    model
        The float model.
    calibration
        Training features.
    held_out
        Other features ``[N, *input_shape]``, by which to choose: report results on yet others.
    budget
        What the network may cost.
    criterion
        ``sensitivity`` measures every unit at every number of bits; ``hessian`` estimates that by
        HAWQ-V2's criterion and needs PyTorch. With ``sensitivity``, solutions of both are tried
        where PyTorch is installed.
    labels
        Classes ``[N]`` of the held-out data: among networks of the same loss to a percent, the more
        accurate one is taken, and where even the best loss is above 1/2, the most accurate one of
        no more loss than the most accurate uniform network. None goes by the loss alone.
    config
        How to quantize. Where its ``realisation`` is ``auto``, both are tried, layer by layer. Its
        own bits do not matter, except ``input_bits``: where they are given they stay.
    choices
        Bits that a unit may have. Edge tables may have three more as well. Weights of edge tables
        cost nothing and get the most.

    Raises
    ------
    InputError
        If the budget is less than the cheapest network costs, or the data do not fit the model.
    ToolNotFound
        If scipy is not installed, or the criterion needs PyTorch and that is not.
    """
    if criterion not in get_args(Criterion):
        raise InputError(
            f"criterion must be one of {', '.join(get_args(Criterion))}, not {criterion!r}"
        )
    _milp()
    data = HeldOut.of(model, held_out, labels)
    search = _Search(model, calibration, data, budget, config or QuantConfig(), _checked(choices))
    search.try_uniform()
    search.try_model(criterion, search.losses(criterion))
    if criterion == "sensitivity" and _has_torch():
        search.try_model("hessian", search.losses("hessian"))
    search.refine()
    return search.result()


def _checked(choices: Iterable[int]) -> tuple[int, ...]:
    values = tuple(choices)
    for bits in values:
        if not isinstance(bits, int) or isinstance(bits, bool):
            raise TypeError(f"choices must be integers, not {bits!r}")
        if not 1 <= bits <= 12:
            raise InputError(f"choices must be 1 to 12 bits, not {bits}")
    if not values:
        raise InputError("choices must name at least one number of bits, such as (2, 3, 4, 6, 8)")
    return tuple(sorted(set(values)))


def _has_torch() -> bool:
    return find_spec("torch") is not None


@dataclass(frozen=True)
class _Choice:
    """One joint choice of a layer's bits."""

    layer: str
    realisation: str | None
    bits: tuple[tuple[str, int], ...]

    @property
    def units(self) -> dict[Unit, int]:
        """The bits by unit."""
        return {Unit(self.layer, branch): count for branch, count in self.bits}


@dataclass(frozen=True, eq=False)
class _Verified:
    """A network that was quantized and measured."""

    config: QuantConfig
    quantized: QuantModel
    costs: Costs
    loss: float
    accuracy: float | None
    origin: str
    predicted: float | None = None
    # What it was made of; None for uniform networks.
    chosen: tuple[_Choice, ...] | None = None


class _Search:
    """Everything that is tried, and what came of it."""

    def __init__(
        self,
        model: KanModel,
        calibration: npt.ArrayLike,
        data: HeldOut,
        budget: Budget,
        config: QuantConfig,
        choices: tuple[int, ...],
    ) -> None:
        self.model, self.calibration, self.data = model, calibration, data
        self.budget, self.choices, self.asked = budget, choices, config
        self.rest = max(_REST, *choices)
        self.config = with_rest(config, self.rest)
        self.verified: dict[str, _Verified | None] = {}
        self.uniform: tuple[float, int] | None = None
        # What is not ``auto`` is decided, and then one pass sees all there is.
        self.realisations: tuple[Realisation, ...] = (config.realisation,)
        if config.realisation == "auto":
            self.realisations = ("edge_table", "basis_table")
        # The pass in which a layer has a realisation (norms have none).
        self.passes: dict[tuple[str, str], Realisation] = {}
        self.layers = self._options()

    # Plans and options.

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

    def _options(self) -> list[tuple[list[_Choice], FloatArray]]:
        """Every layer's choices and what each costs; what costs the same anyway comes last."""
        middle = self.choices[len(self.choices) // 2]
        options: dict[str, list[_Choice]] = {}
        costs: dict[str, list[float]] = {}
        fixed = 0.0
        for realisation in self.realisations:
            plans = {bits: self._plan(realisation, bits) for bits in (*self.choices, self.rest)}
            first = plans[middle]
            programs: dict[int, tuple[Costs, ...]] = {}
            units = units_of(first)
            for index, (step, consumer) in enumerate(
                zip(first.steps, first.consumers, strict=True)
            ):
                key = (step.name, consumer.realisation if isinstance(step, SumStep) else "")
                if key in self.passes:
                    continue
                self.passes[key] = realisation
                if not isinstance(step, SumStep | PoolStep):
                    fixed += self._other(programs, first, index)
                    continue
                own = [unit.branch for unit in units if unit.layer == step.name]
                listed = options.setdefault(step.name, [])
                prices = costs.setdefault(step.name, [])
                counter = LayerCosts(step) if isinstance(step, SumStep) else None
                for choice in self._choices(step, consumer.realisation, own, first, index):
                    bits = dict(choice.bits).get("activation", self.rest)
                    if counter is None:
                        price = self._other(programs, plans[bits], index)
                    else:
                        config = self._with([choice], self._realised(realisation))
                        inputs = plans[bits].consumers[index].sum_inputs(counter.step)
                        try:
                            made = counter(config, inputs, _targets(first, index))
                        except InputError:
                            # No multiplier is long enough for weights so coarse.
                            continue
                        price = self.budget.cost(made)
                    listed.append(choice)
                    prices.append(price)
        layers = [(options[name], np.array(costs[name])) for name in options]
        if fixed:
            layers.append(([_Choice("", None, ())], np.array([fixed])))
        return layers

    def _other(self, programs: dict[int, tuple[Costs, ...]], plan: Plan, index: int) -> float:
        """Of a step without edges, from a network of the plan's bits."""
        bits = plan.config.activation_bits
        if bits not in programs:
            quantized = quantize_model(
                self.model, self.calibration, replace(plan.config, method="uniform")
            )
            programs[bits] = costs_by_layer(lower(quantized))
        return self.budget.cost(programs[bits][index])

    def _choices(
        self,
        step: SumStep | PoolStep,
        realisation: str,
        branches: Sequence[str],
        plan: Plan,
        index: int,
    ) -> Iterable[_Choice]:
        allowed: list[Sequence[int]] = []
        for branch in branches:
            if branch == "table":
                allowed.append(self._table_bits(plan, index))
            elif realisation == "edge_table" and branch in ("base", "spline"):
                allowed.append(self.choices[-1:])
            else:
                allowed.append(self.choices)
        kind = realisation if isinstance(step, SumStep) else None
        for bits in itertools.product(*allowed):
            yield _Choice(step.name, kind, tuple(zip(branches, bits, strict=True)))

    def _table_bits(self, plan: Plan, index: int) -> tuple[int, ...]:
        widths = set(self.choices) | {bits + _GUARD for bits in self.choices}
        if index + 1 < len(plan.steps):
            behind = plan.steps[index + 1]
            if not isinstance(behind, SumStep | PoolStep):
                widths.add(plan.consumers[index + 1].wanted[0].format.width + _GUARD)
        return tuple(sorted(bits for bits in widths if 2 <= bits <= 16))

    def _with(self, chosen: Iterable[_Choice], config: QuantConfig | None = None) -> QuantConfig:
        config = config or self.config
        layers = {name: dict(own) for name, own in config.layers.items()}
        units: dict[Unit, int] = {}
        for choice in chosen:
            if choice.realisation is not None:
                layers.setdefault(choice.layer, {})["realisation"] = choice.realisation
            units |= choice.units
        return with_bits(replace(config, layers=layers), units)

    # Losses.

    def losses(self, criterion: str) -> dict[str, Losses]:
        """What every unit adds at every number of bits, pass by pass."""
        used = {self._pass(choice) for own, _ in self.layers for choice in own if choice.bits}
        return {realisation: self._losses(criterion, realisation) for realisation in sorted(used)}

    def _pass(self, choice: _Choice) -> Realisation:
        return self.passes[choice.layer, choice.realisation or ""]

    def _loss_of(self, choice: _Choice, losses: dict[str, Losses]) -> float:
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
            return _hessian_losses(self, wanted, config)
        config = with_rest(config, self.rest)
        rows, _ = measure(self.model, self.calibration, self.data, config, wanted)
        return {(Unit(row.layer, row.branch), row.bits): max(row.increase, 0.0) for row in rows}

    # Trying.

    def verify(
        self,
        config: QuantConfig,
        origin: str,
        predicted: float | None = None,
        chosen: tuple[_Choice, ...] | None = None,
    ) -> _Verified | None:
        """Quantize and measure; None where there are no such integers."""
        key = repr(config)
        if key not in self.verified:
            try:
                quantized = quantize_model(self.model, self.calibration, config)
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
        for bits in self.choices:
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
                    self.verify(self._with(chosen), f"uniform, {bits} bits", None, chosen)

    def _spelt_out(self, config: QuantConfig) -> QuantConfig:
        """The same config with every layer's realisation and bits in ``layers``."""
        plan = make_plan(self.model, self.calibration, config)
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
                behind = _targets(plan, index)[0]
                width = behind.format.width if behind else own.activation_bits
                bits[unit] = own.table_bits or min(width + _GUARD, 16)
            else:
                bits[unit] = getattr(own, f"{unit.branch}_bits")
        config = with_bits(config, bits)
        layers = {name: {**own, **tables.get(name, {})} for name, own in config.layers.items()}
        return replace(config, layers=layers)

    def _chosen(self, config: QuantConfig) -> tuple[_Choice, ...] | None:
        """The choices of a config that spells everything out; None where one is not allowed."""
        chosen = []
        for own, _ in self.layers:
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
        for own, costs in self.layers:
            total = np.array([self._loss_of(choice, losses) for choice in own])
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
            made = self.verify(self._with(chosen), criterion, predicted, chosen)
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

    def _improved(self, best: _Verified, chosen: tuple[_Choice, ...]) -> bool:
        moves = []
        for place, (own, _) in enumerate(self.layers):
            for near in _neighbours(chosen[place], own):
                after = (*chosen[:place], near, *chosen[place + 1 :])
                made = self.verify(self._with(after), best.origin, None, after)
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
            self.verify(self._with(after), best.origin, None, after)
        now = self._best(only_chosen=True)
        return now is not None and now.loss < best.loss

    # The result.

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
                f"{self._cheapest():.6g} {self.budget.what} with choices {self.choices}; raise the "
                "budget or allow fewer bits"
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
        chosen = tuple(own[int(costs.argmin())] for own, costs in self.layers)
        made = self.verify(self._with(chosen), "cheapest", None, chosen)
        known = [made, *self.verified.values()]
        return min(self.budget.cost(one.costs) for one in known if one is not None)


def _targets(plan: Plan, index: int) -> tuple[Any, ...]:
    if index + 1 < len(plan.steps):
        return plan.consumers[index + 1].wanted
    return (None,)


def _neighbours(choice: _Choice, own: Sequence[_Choice]) -> list[_Choice]:
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


def _hessian_losses(
    search: _Search, bits: dict[str, tuple[int, ...]], config: QuantConfig
) -> Losses:
    try:
        from kanhw.quant.traces import hessian_losses
    except ImportError as error:
        raise ToolNotFound(
            "The criterion hessian needs PyTorch: pip install 'kanhw[torch]'"
        ) from error
    return hessian_losses(search.model, search.calibration, search.data.x, bits, config)


def _milp() -> Any:
    try:
        from scipy import optimize
    except ImportError as error:
        raise ToolNotFound("Bit allocation needs scipy: pip install 'kanhw[allocation]'") from error
    return optimize


def solve(
    losses: Sequence[FloatArray],
    costs: Sequence[FloatArray],
    limit: float,
    forbidden: Sequence[tuple[int, ...]] = (),
) -> tuple[int, ...] | None:
    """Choose one option in every group, with the least sum of losses within a budget.

    Exact, by integer programming (scipy's HiGHS): a binary variable for every option, one equation
    for every group, one inequality for the budget.

    Parameters
    ----------
    losses, costs
        For every group, those of its options. An option of infinite loss is never taken.
    limit
        What the costs may add up to.
    forbidden
        Solutions that are not wanted (again).

    Returns
    -------
    tuple of int
        The option of every group; None where nothing fits.
    """
    optimize = _milp()
    kept = [
        _worth_keeping(loss, cost, {solution[group] for solution in forbidden})
        for group, (loss, cost) in enumerate(zip(losses, costs, strict=True))
    ]
    if any(not len(places) for places in kept):
        return None
    group = np.repeat(np.arange(len(kept)), [len(places) for places in kept])
    loss = np.concatenate([own[places] for own, places in zip(losses, kept, strict=True)])
    cost = np.concatenate([own[places] for own, places in zip(costs, kept, strict=True)])
    option = np.concatenate(kept)
    one = (group[None] == np.arange(len(kept))[:, None]).astype(float)
    rules = [
        optimize.LinearConstraint(one, 1, 1),
        optimize.LinearConstraint(cost[None] / limit, -np.inf, 1),
    ]
    for solution in forbidden:
        same = (option == np.array(solution)[group]).astype(float)
        rules.append(optimize.LinearConstraint(same[None], -np.inf, len(kept) - 1))
    # The solver stops at differences of 1e-6, so that losses are scaled until those do not matter.
    scale = float(loss.max()) or 1.0
    best: tuple[int, ...] | None = None
    for _ in range(2):
        found = optimize.milp(
            loss / scale,
            integrality=np.ones(len(loss)),
            bounds=optimize.Bounds(0, 1),
            constraints=rules,
            options={"mip_rel_gap": 0.0},
        )
        if found.x is None:
            return best
        taken = np.flatnonzero(np.asarray(found.x) > 0.5)
        best = tuple(int(place) for place in option[taken])
        total = float(loss[taken].sum())
        if total <= 0 or total > 0.1 * scale:
            break
        scale = total
    return best


def _worth_keeping(loss: FloatArray, cost: FloatArray, banned: set[int]) -> npt.NDArray[np.int64]:
    """The options that none other beats in both; those of forbidden solutions beat nothing."""
    kept = [place for place in banned if math.isfinite(loss[place])]
    lowest = math.inf
    for place in np.lexsort((loss, cost)):
        if int(place) not in banned and loss[place] < lowest:
            lowest = float(loss[place])
            kept.append(int(place))
    return np.array(sorted(kept), np.int64)
