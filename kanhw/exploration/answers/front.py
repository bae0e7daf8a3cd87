"""The Pareto front: points that no other beats, and the volume that they dominate."""

from __future__ import annotations

from collections.abc import Sequence

from kanhw.exploration.answers.rated import Rated
from kanhw.exploration.study.objectives import Objective

__all__ = ["dominates", "front_of", "hypervolume", "losses_of"]

Losses = tuple[float, ...]


def losses_of(point: Rated, objectives: Sequence[Objective]) -> Losses | None:
    """The figures of a point with less better; None where one is not known."""
    values = [point.figures.get(each.name) for each in objectives]
    if any(value is None for value in values):
        return None
    return tuple(
        each.loss(value)
        for each, value in zip(objectives, values, strict=True)
        if value is not None
    )


def dominates(one: Losses, other: Losses) -> bool:
    """Whether one is nowhere worse than the other, and somewhere better."""
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def front_of(points: Sequence[Rated], objectives: Sequence[Objective]) -> list[Rated]:
    """The points that keep to all limits and that no other such point beats.

    Of points with equal figures the one whose name comes first stays. They come by the first
    objective, best first.
    """
    known = [(losses_of(each, objectives), each) for each in points if each.kept]
    rated = sorted(
        ((losses, each) for losses, each in known if losses is not None),
        key=lambda pair: (pair[0], pair[1].point.name),
    )
    # Whoever beats a point comes before it in this order.
    front: list[tuple[Losses, Rated]] = []
    for losses, each in rated:
        if not any(before == losses or dominates(before, losses) for before, _ in front):
            front.append((losses, each))
    return [each for _, each in front]


def hypervolume(front: Sequence[Losses], reference: Losses) -> float:
    """The volume between points and a reference that is worse than they are.

    Points that are not better than the reference in everything add nothing. Exact, by slices along
    the last objective.

    Parameters
    ----------
    front
        Losses, less better.
    reference
        As many numbers.
    """
    inside = [each for each in front if all(a < b for a, b in zip(each, reference, strict=True))]
    if not inside:
        return 0.0
    if len(reference) == 1:
        return reference[0] - min(each[0] for each in inside)
    total = 0.0
    edges = sorted({each[-1] for each in inside})
    for edge, beyond in zip(edges, [*edges[1:], reference[-1]], strict=True):
        slab = [each[:-1] for each in inside if each[-1] <= edge]
        total += (beyond - edge) * hypervolume(slab, reference[:-1])
    return total
