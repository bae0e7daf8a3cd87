"""One option of every group with the least sum of losses, within a budget: exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.errors import ToolNotFound
from kanhw.formats import FloatArray

__all__ = ["check_solver", "solve"]


def check_solver() -> None:
    """Refuse to start without scipy.

    Raises
    ------
    ToolNotFound
        Saying how to install it.
    """
    _milp()


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
