"""The folds of every layer of a Program, what each takes, and those that no other beats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from kanhw.estimation.resource_model import Resources, resources_of
from kanhw.program import Program
from kanhw.schedule.budget import Budget
from kanhw.schedule.layer_fold import LayerSizes, sizes_of
from kanhw.schedule.schedule import Schedule
from kanhw.schedule.table_ranges import ranges_in_tables
from kanhw.targets.table import MODELLED

__all__ = ["FoldedLayers", "LayerFold", "LayerFolds"]

# Shorter folds that are tried besides the one that is just quick enough: memories of another depth
# may fit into fewer blocks.
MORE_BEATS = 3
# Resources that grow with the lanes of a layer. (Block RAM does not always.)
GROWING = ("lut", "dsp")


@dataclass(frozen=True)
class LayerFold:
    """One layer under one fold.

    Parameters
    ----------
    parallel
        Inputs and outputs at a time; None for a layer that cannot be folded.
    clocks
        Between two vectors or images.
    resources
        As modelled.
    """

    parallel: tuple[int, int] | None
    clocks: int
    resources: Resources


@dataclass(frozen=True)
class FoldedLayers:
    """A fold for every layer, and their resources together."""

    folds: tuple[LayerFold, ...] = ()
    resources: Resources = field(default_factory=Resources)

    @property
    def clocks(self) -> int:
        """Those of the slowest layer."""
        return max(fold.clocks for fold in self.folds)

    def with_layer(self, fold: LayerFold) -> FoldedLayers:
        """One layer more."""
        return FoldedLayers((*self.folds, fold), self.resources + fold.resources)


class LayerFolds:
    """The folds of a Program's layers, each modelled once.

    Parameters
    ----------
    program
        The network.
    schedule
        Folded; its parallel inputs and outputs mean nothing.
    target
        Whose resources are modelled.
    """

    def __init__(self, program: Program, schedule: Schedule, target: str = MODELLED) -> None:
        self._program = ranges_in_tables(program, schedule)  # once, not for every fold
        self._schedule = schedule
        self._target = target
        self._known: dict[tuple[int, tuple[int, int]], LayerFold] = {}

    def smallest(self) -> FoldedLayers:
        """An input and an output at a time everywhere."""
        return self._everywhere(lambda layer: (1, 1))

    def quickest(self) -> FoldedLayers:
        """All inputs and outputs at a time everywhere."""
        return self._everywhere(lambda layer: (self._sizes(layer).n_in, self._sizes(layer).n_out))

    def within(self, clocks: int, budget: Budget) -> list[FoldedLayers]:
        """Folds of all layers that are quick enough and that no others beat in every resource."""
        together = [FoldedLayers()]
        for layer in range(len(self._program.layers)):
            options = list(self._options(layer, clocks, budget))
            together = _unbeaten(before.with_layer(fold) for before in together for fold in options)
        return together

    def _everywhere(self, parallel: Callable[[int], tuple[int, int]]) -> FoldedLayers:
        together = FoldedLayers()
        for layer in range(len(self._program.layers)):
            together = together.with_layer(self._fold(layer, parallel(layer)))
        return together

    def _options(self, layer: int, clocks: int, budget: Budget) -> Iterator[LayerFold]:
        """The folds of a layer that are quick enough and fit by themselves."""
        sizes = self._sizes(layer)
        n_in, n_out, windows = sizes.n_in, sizes.n_out, sizes.windows
        if self._fold(layer, (1, 1)).parallel is None:
            only = self._fold(layer, (1, 1))
            if only.clocks <= clocks:
                yield only
            return
        for groups in sorted({-(-n_out // outputs) for outputs in range(1, n_out + 1)}):
            beats = min(clocks // windows // groups, n_in)
            if beats < 1:
                continue
            for inputs in _shorter(n_in, -(-n_in // beats)):
                fold = self._fold(layer, (inputs, -(-n_out // groups)))
                if fold.clocks <= clocks and budget.allows(fold.resources):
                    yield fold
                elif not budget.allows(fold.resources, GROWING):
                    break

    def _sizes(self, layer: int) -> LayerSizes:
        return sizes_of(self._program.layers[layer])

    def _fold(self, layer: int, parallel: tuple[int, int]) -> LayerFold:
        from kanhw.gateware.top.stage_costs import layer_option

        key = layer, parallel
        if key not in self._known:
            option = layer_option(self._program, layer, self._schedule, parallel)
            resources = resources_of(option.costs, self._target)
            self._known[key] = LayerFold(option.parallel, option.clocks, resources)
        return self._known[key]


def _shorter(n_in: int, inputs: int) -> list[int]:
    """The fewest inputs that take no more beats than these, and those of some shorter folds."""
    found: list[int] = []
    while len(found) <= MORE_BEATS:
        beats = -(-n_in // inputs)
        found.append(-(-n_in // beats))
        if beats == 1:
            break
        inputs = -(-n_in // (beats - 1))
    return found


def _limited(folds: FoldedLayers) -> tuple[int, int, int]:
    """What a budget can limit."""
    own = folds.resources
    return own.lut, own.bram, own.dsp


def _unbeaten(candidates: Iterable[FoldedLayers]) -> list[FoldedLayers]:
    """Those that no other beats in one resource without losing in another."""
    kept: list[FoldedLayers] = []
    for candidate in sorted(candidates, key=_limited):
        own = _limited(candidate)
        others = (_limited(other) for other in kept)
        if not any(all(b <= a for a, b in zip(own, other, strict=True)) for other in others):
            kept.append(candidate)
    return kept
