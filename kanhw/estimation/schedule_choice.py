"""The schedule that fits a budget: unrolled, or how many inputs and outputs of a layer at a time.

A chain takes a vector as often as its slowest layer does. So for a number of clocks every layer is
chosen by itself, among the folds that are no slower; and the fewest clocks that fit are found by
halving what is left of their range, since what fits in some clocks fits in more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from kanhw.errors import InputError
from kanhw.estimation.layer_folds import FoldedLayers, LayerFolds
from kanhw.estimation.resource_model import Resources, resources_of
from kanhw.estimation.unbuilt import unbuilt
from kanhw.program import Program
from kanhw.schedule.budget import Budget
from kanhw.schedule.layer_layouts import layout_of
from kanhw.schedule.schedule import Schedule
from kanhw.targets.table import MODELLED, model_of

__all__ = ["ScheduleChoice", "schedule_for"]


@dataclass(frozen=True)
class ScheduleChoice:
    """A schedule and what the model says about it.

    Parameters
    ----------
    schedule
        What to hand to :func:`kanhw.generate`.
    resources
        Of the whole design on the target, as modelled.
    clocks
        Between two inferences.
    """

    schedule: Schedule
    resources: Resources
    clocks: int

    def __str__(self) -> str:
        own = self.resources
        return (
            f"{own.lut} LUT, {own.bram} block RAM, {own.dsp} DSP (modelled) and {self.clocks} "
            f"clocks ({self.schedule.kind})"
        )

    def missed(self, budget: Budget) -> str:
        """The limits that it exceeds and by how much; empty if it fits."""
        return budget.exceeded(self.resources, self.clocks)


def schedule_for(
    program: Program,
    budget: Budget,
    schedule: Schedule | None = None,
    *,
    target: str = MODELLED,
) -> ScheduleChoice:
    """The schedule with the fewest clocks that fits, and of those the one with the fewest LUTs.

    Where the budget limits clocks but not LUTs, the one with the fewest LUTs.

    Parameters
    ----------
    program
        The network.
    budget
        At least one limit.
    schedule
        Registers; its kind and its parallel inputs and outputs are what is chosen. None is
        ``Schedule()``.
    target
        Whose resources the budget limits: one that the resource model was fitted for.

    Raises
    ------
    InputError
        If nothing fits: which limits are missed, by how much, and what comes nearest; or if there
        is no resource model of the target, or no bare core of a network with heads.
    TypeError
        If an argument is of another type.
    """
    if not isinstance(program, Program):
        raise TypeError(f"schedule_for needs a Program, not {type(program).__name__}")
    if not isinstance(budget, Budget):
        raise TypeError(f"budget must be a kanhw.Budget, not {type(budget).__name__}")
    model_of(target)
    with unbuilt():
        search = _Search(program, schedule or Schedule(), target)
        if budget.lut is None and budget.clocks is not None:
            found = search.cheapest(budget.clocks, budget)
        else:
            found = search.quickest(budget)
        if found is None:
            raise InputError(search.refusal(budget))
    return found


class _Search:
    def __init__(self, program: Program, schedule: Schedule, target: str) -> None:
        self._program = program
        self._target = target
        self._plain = replace(schedule, kind="unrolled", parallel_inputs=1, parallel_outputs=1)
        self._folded = replace(
            self._plain, kind="folded", handshake=True, table_registers=True, merge_tables=None
        )
        # Folded designs have a handshake; without one there is nothing to choose.
        self._folds = LayerFolds(program, self._folded, target) if schedule.handshake else None
        # Layers whose heads share a codebook are always folded.
        unrolls = all(layout_of(layer).unrolled is not None for layer in program.layers)
        self._unrolled = self._whole() if unrolls else None
        if self._folds is None and self._unrolled is None:
            raise InputError(
                "A network with heads is always folded, so its design needs a handshake: use "
                "Schedule(handshake=True)"
            )

    def quickest(self, budget: Budget) -> ScheduleChoice | None:
        """The fewest clocks within a budget."""
        if self._unrolled is not None and not self._unrolled.missed(budget):
            return self._unrolled
        if self._folds is None:
            return None
        most = self._folds.smallest().clocks
        high = most if budget.clocks is None else min(budget.clocks, most)
        low, best = 1, self.cheapest(high, budget)
        while best is not None and low < high:
            middle = (low + high) // 2
            tried = self.cheapest(middle, budget)
            if tried is None:
                low = middle + 1
            else:
                best, high = tried, tried.clocks
        return best

    def cheapest(self, clocks: int, budget: Budget) -> ScheduleChoice | None:
        """The fewest LUTs within so many clocks and a budget's other limits."""
        choices = [each for each in (self._unrolled,) if each is not None and each.clocks <= clocks]
        if self._folds is not None:
            choices += [self._choice(folds) for folds in self._folds.within(clocks, budget)]
        fitting = [choice for choice in choices if not choice.missed(budget)]
        return min(fitting, key=lambda choice: choice.resources.lut, default=None)

    def refusal(self, budget: Budget) -> str:
        """Why nothing fits, and what comes nearest."""
        nearest, what = self._nearest(budget)
        return (
            f"Nothing fits the budget {budget}: {nearest.missed(budget)} in the {what}, which "
            f"takes {nearest}"
        )

    def _nearest(self, budget: Budget) -> tuple[ScheduleChoice, str]:
        if self._folds is None:
            return self._unrolled or self._whole(), "bare core, which has no folded schedule"
        smallest = self._choice(self._folds.smallest())
        others = replace(budget, clocks=None) if len(budget.limits) > 1 else None
        if budget.clocks is None or (others is not None and smallest.missed(others)):
            return smallest, "smallest design"
        if others is not None:
            return self.quickest(others) or smallest, "quickest design within the other limits"
        quickest = self._choice(self._folds.quickest())
        each = [quickest] if self._unrolled is None else [self._unrolled, quickest]
        return min(each, key=lambda choice: choice.clocks), "quickest design"

    def _whole(self) -> ScheduleChoice:
        """Every edge with its own hardware."""
        from kanhw.gateware.top.stage_costs import stage_costs

        options = stage_costs(self._program, self._plain)
        parts = (resources_of(option.costs, self._target) for option in options)
        total = sum(parts, Resources())
        return ScheduleChoice(self._plain, total, max(option.clocks for option in options))

    def _choice(self, chosen: FoldedLayers) -> ScheduleChoice:
        names = [layer.name for layer in self._program.layers]
        pairs = [
            (name, fold.parallel)
            for name, fold in zip(names, chosen.folds, strict=True)
            if fold.parallel is not None
        ]
        schedule = replace(
            self._folded,
            parallel_inputs={name: parallel[0] for name, parallel in pairs},
            parallel_outputs={name: parallel[1] for name, parallel in pairs},
        )
        return ScheduleChoice(schedule, chosen.resources, chosen.clocks)
