"""The verb ``explore``: points of a space computed, resumed, and compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.exploration.answers.exploration import Exploration
from kanhw.exploration.answers.front import losses_of
from kanhw.exploration.answers.known import check_known
from kanhw.exploration.answers.rated import Setting
from kanhw.exploration.running.pool import Pool
from kanhw.exploration.running.pools import pool_for
from kanhw.exploration.running.scheduler import Scheduler
from kanhw.exploration.running.store import Store, open_store
from kanhw.exploration.space.defaults import default_space, sweep_named, with_training
from kanhw.exploration.space.reading import read_space, space_of
from kanhw.exploration.space.sampling import Grade, Sampler, sampler_named
from kanhw.exploration.space.space import Space
from kanhw.exploration.study.objectives import Limit, Objective, limit_from_text, objectives_named
from kanhw.exploration.study.point import Point
from kanhw.exploration.study.study import Study, study_of
from kanhw.exploration.watching import Watch
from kanhw.model.network import KanModel
from kanhw.values import is_integer

if TYPE_CHECKING:
    from kanhw.boards.catalogue.board import Board

__all__ = ["Exploration", "explore"]

POINTS = 200


def explore(
    model: KanModel,
    data: Mapping[str, npt.ArrayLike],
    out: str | Path,
    *,
    held_out: Mapping[str, npt.ArrayLike] | None = None,
    space: Space | Mapping[str, Any] | str | Path | None = None,
    sweep: str | None = None,
    train: int | None = None,
    objectives: Iterable[str] | None = None,
    sampler: str | None = None,
    points: int = POINTS,
    at_most: Mapping[str, float] | None = None,
    at_least: Mapping[str, float] | None = None,
    fit: str | None = None,
    clock_mhz: float | None = None,
    argmax: bool = False,
    seed: int = 0,
    processes: int | None = 1,
    dask: str | None = None,
    watch: Watch | None = None,
) -> Exploration:
    """Compute points of a space of quantizations and schedules, and find those that none beats.

    What a folder holds already is not computed again, whatever ended the run that computed it.

    Parameters
    ----------
    model
        A float model.
    data
        ``x`` ``[N, n_in]`` and ``labels`` ``[N]`` or ``y`` ``[N, n_out]``: training data.
    out
        The folder: new or empty, or of an earlier exploration of the same.
    held_out
        The same arrays of other samples, on which points are measured; None splits a fifth of
        ``data`` off. Points are chosen by them, so results are reported on yet others.
    space
        What is tried: a TOML file, its tables, or a :class:`Space`; None is one that suits the
        model.
    sweep
        Instead: a space that answers one question, ``precision``.
    train
        Epochs: every quantization is also trained with its rounding for so many. Where a space is
        given, it says so itself.
    objectives
        Names of what points are compared by; None is the error, LUTs and, where schedules differ,
        clocks between inferences.
    sampler
        ``grid``, ``nsga2`` or ``tpe``; None is the grid where it has no more points than
        ``points``, else NSGA-II.
    points
        How many different points are sampled.
    at_most, at_least
        Limits, by the names of objectives.
    fit
        A board: the front holds what fits it, and schedules that fill it are tried.
    clock_mhz
        For times and rates; None is the oscillator of the board, and without one they are unknown.
    argmax
        Whether designs hand out the class index.
    seed
        Of the split and the sampler.
    processes
        On this machine; 1 is this process, None one a processor.
    dask
        The address of a dask scheduler, whose workers compute instead.
    watch
        Is told of every point; None shows nothing.

    Returns
    -------
    Exploration
        All points of the folder, and the front.

    Raises
    ------
    InputError
        If something that was given does not fit, or nothing could be computed.
    ToolNotFound
        If Optuna or dask is needed and not installed.
    """
    if space is not None and sweep is not None:
        raise InputError("sweep is a space of its own: give space or sweep, not both")
    if not is_integer(points) or points < 1:
        raise InputError(f"points must be an integer of 1 or more, not {points!r}")
    study = study_of(model, data, held_out, seed=seed, argmax=argmax)
    board = _board(fit)
    oscillator = None if board is None else board.clock_mhz
    setting = Setting(
        clock_mhz=oscillator if clock_mhz is None else clock_mhz,
        board=board,
        limits=_limits(at_most, at_least),
    )
    chosen = _space(model, space, sweep, board)
    if train is not None:
        chosen = with_training(chosen, train)
    names = _default_objectives(study, chosen, sweep) if objectives is None else objectives
    wanted = objectives_named(names)
    check_known([*wanted, *(limit.objective for limit in setting.limits)], study, setting)
    name = sampler or ("grid" if chosen.size <= points or sweep else "nsga2")
    source = sampler_named(name, chosen, points, len(wanted), seed=seed)
    watch = watch or Watch.silent()
    with open_store(out, study) as store, pool_for(store, processes, dask) as pool:
        computed = _run(store, pool, source, wanted, setting, watch)
        found = tuple(setting.rate_all(store.points()))
    result = Exploration(
        folder=Path(out),
        study=study,
        objectives=wanted,
        setting=setting,
        points=found,
        computed=computed,
    )
    _check_computed(result)
    return result


def _run(
    store: Store,
    pool: Pool,
    source: Sampler,
    objectives: Sequence[Objective],
    setting: Setting,
    watch: Watch,
) -> int:
    """Ask, compute and tell until the sampler has enough."""

    def on_point(point: Point) -> None:
        watch.point(setting.rate(point))

    scheduler = Scheduler(store, pool, on_point)
    with watch.over(source.total, objectives):
        while asked := source.ask():
            rated = setting.rate_all(scheduler.evaluate(asked))
            source.tell([Grade(losses_of(r, objectives), setting.excess(r)) for r in rated])
    return scheduler.computed


def _space(
    model: KanModel,
    given: Space | Mapping[str, Any] | str | Path | None,
    sweep: str | None,
    board: Board | None,
) -> Space:
    if sweep is not None:
        return sweep_named(sweep, model)
    if isinstance(given, Space):
        return given
    if isinstance(given, str | Path):
        return read_space(given)
    if given is not None:
        return space_of(given)
    if board is None:
        return default_space(model)
    from kanhw.boards.build.schedules import room_on

    return default_space(model, plans=(str(room_on(board)),))


def _default_objectives(study: Study, space: Space, sweep: str | None) -> tuple[str, ...]:
    error = "accuracy" if "labels" in study.held_out else "rmse_of_deviation"
    if sweep is not None:
        return (error, "parameter_bits")
    schedules = any("plan" in axis.fields for axis in space.varied)
    return (error, "lut", "interval_cycles") if schedules else (error, "lut")


def _limits(
    at_most: Mapping[str, float] | None, at_least: Mapping[str, float] | None
) -> tuple[Limit, ...]:
    return (
        *(limit_from_text(f"{name}={bound}", most=True) for name, bound in (at_most or {}).items()),
        *(limit_from_text(f"{name}={own}", most=False) for name, own in (at_least or {}).items()),
    )


def _board(name: str | None) -> Board | None:
    from kanhw.boards.catalogue.table import board_named

    return None if name is None else board_named(name)


def _check_computed(found: Exploration) -> None:
    """Refuse to call it an exploration where nothing could be computed."""
    if all(each.point.error for each in found.points):
        errors = [each.error for each in found.failed]
        raise InputError(f"No point could be computed: {errors[0] if errors else 'there is none'}")
