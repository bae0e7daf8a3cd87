"""Who chooses the points of a space: all of them, or Optuna's samplers, seeded."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, get_args

from kanhw.errors import InputError, ToolNotFound
from kanhw.exploration.space.configuration import Configuration
from kanhw.exploration.space.space import Axis, Space
from kanhw.values import meant

__all__ = ["SAMPLERS", "Grade", "Sampler", "SamplerName", "sampler_named"]

SamplerName = Literal["grid", "nsga2", "tpe"]
SAMPLERS: tuple[str, ...] = get_args(SamplerName)

BATCH = 16
"""Points that are asked for at a time. It does not hang on the number of workers, so that the same
points are asked for whoever works, and again after a run was ended."""
# Points that were asked for before are no new ones; a space in which nothing new turns up is
# exhausted.
_PATIENCE = 40


class Grade:
    """What a sampler is told of a point.

    Parameters
    ----------
    losses
        Its figures with less better; None where one is not known, or it failed.
    excess
        By how much it misses each limit; 0 or less where it is kept.
    """

    def __init__(self, losses: Sequence[float] | None, excess: Sequence[float]) -> None:
        self.losses, self.excess = losses, excess


class Sampler(Protocol):
    """Chooses points, batch by batch."""

    @property
    def total(self) -> int:
        """How many points there will be, at most."""

    def ask(self) -> list[Configuration]:
        """The next points; none at the end."""

    def tell(self, grades: Sequence[Grade]) -> None:
        """What became of the points that were asked for last, in their order."""


def sampler_named(
    name: str, space: Space, points: int, objectives: int, *, seed: int
) -> Sampler:
    """A sampler.

    Parameters
    ----------
    name
        ``grid``, ``nsga2`` or ``tpe``.
    space
        What is chosen from.
    points
        How many different ones; a grid takes all that there are.
    objectives
        How many there are.
    seed
        Of all that is random.

    Raises
    ------
    InputError
        If there is none of that name.
    ToolNotFound
        If it needs Optuna and that is not installed.
    """
    if name not in _MAKERS:
        raise InputError(
            f"There is no sampler {name!r}{meant(name, SAMPLERS) or ';'} there are "
            f"{', '.join(SAMPLERS)}"
        )
    return _MAKERS[name](space, points, objectives, seed)


class _Grid:
    def __init__(self, space: Space) -> None:
        self._points = list(space.grid())
        self.total = len(self._points)

    def ask(self) -> list[Configuration]:
        points, self._points = self._points, []
        return points

    def tell(self, grades: Sequence[Grade]) -> None:
        """Nothing is learnt."""


class _Optuna:
    """Batches of Optuna's choices. The same seed and the same figures give the same points."""

    def __init__(self, space: Space, points: int, objectives: int, sampler: Any) -> None:
        optuna = _optuna()
        self.total = points
        self._space = space
        self._study = optuna.create_study(directions=["minimize"] * objectives, sampler=sampler)
        self._distributions = {axis.name: _distribution(optuna, axis) for axis in space.axes}
        for places in _diagonal(space):
            self._study.enqueue_trial(places)
        self._trials: list[tuple[Any, Configuration]] = []
        self._known: dict[str, Grade] = {}
        self._asked: dict[str, Configuration] = {}

    def ask(self) -> list[Configuration]:
        wanted = min(BATCH, self.total - len(self._known))
        self._asked, self._trials = {}, []
        if wanted <= 0:
            return []
        for _ in range(_PATIENCE):
            for _ in range(BATCH):
                trial = self._study.ask(self._distributions)
                point = self._space.point([trial.params[axis.name] for axis in self._space.axes])
                key = repr(point)
                if key in self._known:
                    self._tell(trial, self._known[key])
                    continue
                self._trials.append((trial, point))
                self._asked[key] = point
                if len(self._asked) >= wanted:
                    return list(self._asked.values())
            if self._asked:
                break
        return list(self._asked.values())

    def tell(self, grades: Sequence[Grade]) -> None:
        self._known.update(zip(self._asked, grades, strict=True))
        for trial, point in self._trials:
            self._tell(trial, self._known[repr(point)])

    def _tell(self, trial: Any, grade: Grade) -> None:
        from optuna.trial import TrialState

        for place, excess in enumerate(grade.excess):
            trial.set_constraint(f"limit {place}", min(excess, _FAR))
        if grade.losses is None:
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, list(grade.losses))


# In place of infinity, which no mean could be taken of.
_FAR = 1e30


def _distribution(optuna: Any, axis: Axis) -> Any:
    """Places of an axis's values: of numbers as integers, whose neighbours are alike."""
    last = len(axis.values) - 1
    if axis.ordered:
        return optuna.distributions.IntDistribution(0, last)
    return optuna.distributions.CategoricalDistribution(list(range(last + 1)))


def _diagonal(space: Space) -> list[dict[str, int]]:
    """Points to begin with: all numbers equally far along their axes, with every text.

    They are the uniform choices, from which whoever knows nothing better would take one.
    """
    ordered = [axis for axis in space.axes if axis.ordered]
    named = [axis for axis in space.axes if not axis.ordered]
    steps = max((len(axis.values) for axis in ordered), default=1)
    points = []
    for texts in itertools.product(*(range(len(axis.values)) for axis in named)):
        for step in range(steps):
            share = step / max(steps - 1, 1)
            numbers = [round(share * (len(axis.values) - 1)) for axis in ordered]
            places = zip([*named, *ordered], [*texts, *numbers], strict=True)
            points.append({axis.name: place for axis, place in places})
    return points[: 2 * BATCH]


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise ToolNotFound(
            "Sampling needs Optuna: pip install 'kanhw[explore]', or try every point with the "
            "sampler grid (--sampler grid)"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _grid(space: Space, points: int, objectives: int, seed: int) -> Sampler:
    return _Grid(space)


def _nsga2(space: Space, points: int, objectives: int, seed: int) -> Sampler:
    sampler = _optuna().samplers.NSGAIISampler(population_size=2 * BATCH, seed=seed)
    return _Optuna(space, points, objectives, sampler)


def _tpe(space: Space, points: int, objectives: int, seed: int) -> Sampler:
    sampler = _optuna().samplers.TPESampler(
        seed=seed,
        multivariate=True,
        constant_liar=True,
        n_startup_trials=2 * BATCH,
    )
    return _Optuna(space, points, objectives, sampler)


_MAKERS: dict[str, Callable[[Space, int, int, int], Sampler]] = {
    "grid": _grid,
    "nsga2": _nsga2,
    "tpe": _tpe,
}
