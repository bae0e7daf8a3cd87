"""The stages of a training for the fabric: starts, the ramp with its snapshots, the finish."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from kanhw.quant.fabric.fitting import FittedState, Fitter
from kanhw.quant.fabric.front import standard_error
from kanhw.quant.fabric.learned.freezing import freeze
from kanhw.quant.fabric.parts import Part, epoch_order
from kanhw.quant.fabric.settings import FabricSettings

__all__ = ["RunState", "Snapshot", "Stages"]

# The learning rate falls along a cosine to this share of where it began.
_LAST_RATE = 0.15
# Finishing: shares of the learning rate, and of the pressure's end, with frozen widths.
_TUNING_RATE, _REFIT_RATE, _TUNING_PRESSURE = 0.4, 0.6, 0.2
# Epochs of a start and of tuning are this part of the ramp, those of a refit so many times that.
_SHORT, _REFIT = 20, 4
# Steps of a ramp where nothing is said.
_STEPS = 12_000
# Snapshots are looked for so many times on a ramp, at most.
_LOOKS = 200


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A network on its way down the ramp: the best of its seed within a band of cost.

    ``pressure`` is the weight that the cost had then.
    """

    seed: int
    band: int
    merit: float
    cost: float
    pressure: float
    row: Tensor


@dataclass(eq=False)
class RunState:
    """How far a training is; what is written down so that it can go on.

    Parameters
    ----------
    stage, epoch
        What is being done, and how many of its epochs are.
    fitted
        The networks of the stage.
    snapshots
        By seed and band.
    merits
        ``[S]``: of the networks when their widths were frozen and tuned, before a refit.
    average
        ``[S, size]``: the mean of networks with frozen widths over the epochs of the stage's end.
    """

    stage: str
    epoch: int
    fitted: FittedState
    snapshots: dict[tuple[int, int], Snapshot] = field(default_factory=dict)
    merits: Tensor | None = None
    average: Tensor | None = None


class Stages:
    """A whole training.

    Parameters
    ----------
    fitter
        Trains on the training part.
    everything
        Trains on all data.
    parts
        Of every seed: what it is trained on and chosen by.
    settings
        What was asked for.
    pressure
        The weight of the cost at both ends of the ramp, in the cost's own unit.
    """

    def __init__(
        self,
        fitter: Fitter,
        everything: Fitter,
        parts: Sequence[Part],
        settings: FabricSettings,
        pressure: tuple[float, float],
    ) -> None:
        self.fitter, self.everything = fitter, everything
        self.settings, self.pressure = settings, pressure
        self.rates = fitter.networks.layout.each("rate")
        self.seeds = tuple(settings.seeds)
        self.parts = dict(zip(self.seeds, parts, strict=True))
        ramp = settings.epochs or -(-_STEPS // fitter.steps)
        short = max(ramp // _SHORT, 1)
        refit = _REFIT * short if settings.refit else 0
        self.epochs = {"starts": short, "ramp": ramp, "tuning": short, "refit": refit}

    def begin(self) -> RunState:
        """All starts of all seeds."""
        layout, count = self.fitter.networks.layout, self.settings.starts
        rows = [layout.start(seed, k) for seed in self.seeds for k in range(count)]
        return RunState("starts", 0, FittedState.of(torch.stack(rows)))

    def run(self, state: RunState) -> Iterator[RunState]:
        """Go on to the end, an epoch at a time; the state is changed in place."""
        stages: dict[str, tuple[Callable[[RunState], None], Callable[[RunState], None]]] = {
            "starts": (self._starts, self._choose),
            "ramp": (self._ramp, self._freeze),
            "tuning": (self._tuning, self._measure),
            "refit": (self._refit, self._done),
        }
        while state.stage in stages:
            epoch, finish = stages[state.stage]
            if state.epoch >= self.epochs[state.stage]:
                finish(state)
                continue
            epoch(state)
            state.epoch += 1
            yield state

    def _rate(self, state: RunState) -> float:
        """The learning rate of an epoch."""
        done = state.epoch / self.epochs[state.stage]
        share = _LAST_RATE + (1 - _LAST_RATE) * (1 + math.cos(math.pi * done)) / 2
        return self.settings.learning_rate * share

    def _order(self, state: RunState, seeds: list[int], *, all_data: bool = False) -> list[Tensor]:
        """The samples of an epoch: the same for all networks of a seed, new in every epoch."""
        stage = list(self.epochs).index(state.stage)
        made: dict[int, Tensor] = {}
        for seed in dict.fromkeys(seeds):
            number = (seed * len(self.epochs) + stage) * 1_000_003 + state.epoch
            own = self.parts[seed]
            rows = torch.cat([own.trained, own.held_out]) if all_data else own.trained
            made[seed] = epoch_order(
                rows, number, self.everything.count, jitter=self.settings.jitter > 0
            )
        return [made[seed] for seed in seeds]

    def _starts(self, state: RunState) -> None:
        seeds = [seed for seed in self.seeds for _ in range(self.settings.starts)]
        order = self._order(state, seeds)
        betas = [self.pressure[0]] * self.fitter.steps
        self.fitter.epoch(state.fitted, order, self.rates * self.settings.learning_rate, betas)

    def _choose(self, state: RunState) -> None:
        """The best start of every seed goes on."""
        rows = state.fitted.rows
        seeds = [seed for seed in self.seeds for _ in range(self.settings.starts)]
        merits = self._merits(rows, seeds).reshape(len(self.seeds), -1)
        best = merits.argmax(1) + torch.arange(len(self.seeds)) * merits.shape[1]
        state.stage, state.epoch = "ramp", 0
        state.fitted = FittedState.of(rows[best])

    def _ramp(self, state: RunState) -> None:
        steps, low = self.fitter.steps, self.pressure[0]
        total, rise = steps * self.epochs["ramp"], math.log(self.pressure[1] / low)
        done = steps * state.epoch
        betas = [low * math.exp(rise * (done + k) / total) for k in range(steps)]
        order = self._order(state, list(self.seeds))
        self.fitter.epoch(state.fitted, order, self.rates * self._rate(state), betas)
        if (state.epoch + 1) % max(self.epochs["ramp"] // _LOOKS, 1) == 0:
            self._look(state, betas[-1])

    def _merits(self, rows: Tensor, seeds: Sequence[int]) -> Tensor:
        """``[S]``: of networks of some seeds, each on what its seed has held out."""
        groups: dict[int, tuple[Tensor, list[int]]] = {}
        for k, seed in enumerate(seeds):
            held_out = self.parts[seed].held_out
            groups.setdefault(id(held_out), (held_out, []))[1].append(k)
        merits = torch.zeros(len(rows), dtype=torch.float64)
        for held_out, places in groups.values():
            merits[places] = self.fitter.merit(rows[places], held_out)
        return merits

    def _look(self, state: RunState, pressure: float) -> None:
        """Keep networks that are the best of their seed and band."""
        rows = state.fitted.rows
        merits = self._merits(rows, self.seeds).tolist()
        costs = self.fitter.costs(rows).tolist()
        for seed, merit, cost, row in zip(self.seeds, merits, costs, rows, strict=True):
            band = math.floor(math.log(max(cost, 1e-6)) / math.log(self.settings.spacing))
            known = state.snapshots.get((seed, band))
            if known is None or merit > known.merit:
                own = Snapshot(seed, band, merit, cost, pressure, row.clone())
                state.snapshots[seed, band] = own

    def _freeze(self, state: RunState) -> None:
        """Whole widths, of snapshots that no cheaper one of their seed is clearly better than.

        Clearly is by more than the standard error: the best of many looks is better by chance.
        """
        if not state.snapshots:
            self._look(state, self.pressure[1])
        kept: dict[tuple[int, int], Snapshot] = {}
        for key in sorted(state.snapshots, key=lambda key: (key[0], key[1])):
            own = state.snapshots[key]
            cheaper = [s.merit for s in kept.values() if s.seed == own.seed]
            if not cheaper or own.merit > max(cheaper) - self._chance(own.seed, max(cheaper)):
                kept[key] = own
        state.snapshots = kept
        rows = torch.stack([own.row for own in kept.values()])
        frozen = freeze(self.fitter.networks, rows)
        state.stage, state.epoch, state.fitted = "tuning", 0, FittedState.of(frozen.rows)

    def _chance(self, seed: int, merit: float) -> float:
        """How far two networks of a seed can be apart and be equally good."""
        return standard_error(self.fitter.task.metric, merit, len(self.parts[seed].held_out))

    def _tuning(self, state: RunState) -> None:
        self._frozen_epoch(state, _TUNING_RATE)

    def _refit(self, state: RunState) -> None:
        self._frozen_epoch(state, _REFIT_RATE, all_data=True)

    def _frozen_epoch(self, state: RunState, share: float, *, all_data: bool = False) -> None:
        fitter = self.everything if all_data else self.fitter
        learned = freeze(fitter.networks, state.fitted.rows).learned
        seeds = [seed for seed, _ in state.snapshots]
        order = self._order(state, seeds, all_data=all_data)
        # More than it was found under would take what that has left.
        most = self.pressure[1] * _TUNING_PRESSURE
        weights = [min(own.pressure, most) for own in state.snapshots.values()]
        betas = torch.tensor(weights, dtype=torch.float64)[:, None].expand(-1, fitter.steps)
        rates = learned * self.rates * (self._rate(state) * share)
        fitter.epoch(state.fitted, order, rates, betas)
        self._average(state)

    def _average(self, state: RunState) -> None:
        """The mean of the networks behind the epochs of the second half of a stage."""
        first = self.epochs[state.stage] // 2
        rows = state.fitted.rows
        if state.epoch <= first or state.average is None:
            state.average = rows.clone()
        else:
            state.average += (rows - state.average) / (state.epoch - first + 1)

    def _averaged(self, state: RunState) -> Tensor:
        """What a stage with frozen widths ends with."""
        rows = state.fitted.rows if state.average is None else state.average
        state.average = None
        return rows

    def _measure(self, state: RunState) -> None:
        """What tuned networks reach; those that a cheaper one of their seed beats are left."""
        keys, rows = list(state.snapshots), self._averaged(state)
        merits = self._merits(rows, [seed for seed, _ in keys])
        costs = self.fitter.costs(rows).tolist()
        best: dict[int, float] = {}
        kept = []
        for k in sorted(range(len(keys)), key=lambda k: (keys[k][0], costs[k], -float(merits[k]))):
            seed, merit = keys[k][0], float(merits[k])
            if merit > best.get(seed, -math.inf):
                best[seed] = merit
                kept.append(k)
        state.snapshots = {keys[k]: state.snapshots[keys[k]] for k in kept}
        state.merits = merits[kept]
        state.stage, state.epoch = "refit", 0
        state.fitted = FittedState.of(rows[kept])

    def _done(self, state: RunState) -> None:
        frozen = freeze(self.fitter.networks, self._averaged(state))
        state.stage, state.epoch, state.fitted = "done", 0, FittedState.of(frozen.rows)
