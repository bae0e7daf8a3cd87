"""What a training for the fabric gives: points from cheap to good, chosen by validation only."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any

from kanhw.errors import InputError

__all__ = ["Front", "Limit", "Point", "standard_error", "unbeaten"]


def standard_error(metric: str, merit: float, samples: int) -> float:
    """The standard error of a figure of merit: of an accuracy, or of R2 with Gaussian errors.

    Parameters
    ----------
    metric
        ``accuracy`` or ``R2``.
    merit
        The figure.
    samples
        That it was measured on.
    """
    variance = merit * (1 - merit) if metric == "accuracy" else 2 * (1 - merit) ** 2
    return math.sqrt(max(variance, 0) / samples)


@dataclass(frozen=True, kw_only=True)
class Point:
    """A network of the front.

    Parameters
    ----------
    name
        Of its file, without an ending.
    seed
        Of the training.
    cost
        What it is told to cost.
    validation
        The figure of merit on the validation part, before any refit on all data.
    edges
        That are left.
    """

    name: str
    seed: int
    cost: float
    validation: float
    edges: int


def unbeaten(points: Iterable[Point]) -> tuple[Point, ...]:
    """The points, by seed from cheap to dear, that no cheaper one of their seed is as good as."""
    found: list[Point] = []
    for own in sorted(points, key=lambda own: (own.seed, own.cost, -own.validation)):
        last = found[-1] if found else None
        if last is None or last.seed != own.seed or own.validation > last.validation:
            found.append(own)
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What all seeds reach with at most a cost: of each the best point by validation.

    Parameters
    ----------
    at_most
        The cost.
    seeds
        How many have such a point.
    cost, validation
        Means over them.
    deviation
        Standard deviation of the validation; None of a single seed.
    best
        The name of the best point of all.
    """

    at_most: float
    seeds: int
    cost: float
    validation: float
    deviation: float | None
    best: str


@dataclass(frozen=True, kw_only=True)
class Front:
    """All points of all seeds.

    Parameters
    ----------
    unit
        Of costs, such as ``LUT``.
    metric
        Of validation: accuracy or R2.
    validation_samples
        How many it was measured on.
    points
        By seed, from cheap to good.
    settings
        Of the training.
    """

    unit: str
    metric: str
    validation_samples: int
    points: tuple[Point, ...]
    settings: dict[str, Any]

    def best(self, at_most: float | None = None) -> Point:
        """The point to take: of those that are not worse than the best, the cheapest.

        Not worse is within one :func:`standard_error`.

        Parameters
        ----------
        at_most
            The most that it may cost; then it is the best by validation, the cheapest of equals.

        Raises
        ------
        InputError
            If no point is so cheap.
        """
        if at_most is not None:
            cheap = [own for own in self.points if own.cost <= at_most]
            if not cheap:
                least = min(own.cost for own in self.points)
                raise InputError(
                    f"No point costs at most {at_most:g} {self.unit}: the cheapest costs "
                    f"{least:.1f}; allow that, or train with more pressure"
                )
            return max(cheap, key=lambda own: (own.validation, -own.cost))
        top = max(own.validation for own in self.points)
        error = standard_error(self.metric, top, self.validation_samples)
        good = [own for own in self.points if own.validation >= top - error]
        return min(good, key=lambda own: (own.cost, -own.validation))

    def limits(self) -> tuple[Limit, ...]:
        """Means over seeds, for costs that rise by the spacing of the front."""
        spacing = float(self.settings["spacing"])
        seeds = sorted({own.seed for own in self.points})
        found: list[Limit] = []
        dearest = max(own.cost for own in self.points)
        limit = min(own.cost for own in self.points) * 1.0000001
        while True:
            chosen = []
            for seed in seeds:
                cheap = [p for p in self.points if p.seed == seed and p.cost <= limit]
                if cheap:
                    chosen.append(max(cheap, key=lambda own: (own.validation, -own.cost)))
            values = [own.validation for own in chosen]
            best = max(chosen, key=lambda own: (own.validation, -own.cost))
            own = Limit(
                at_most=limit,
                seeds=len(chosen),
                cost=statistics.fmean(own.cost for own in chosen),
                validation=statistics.fmean(values),
                deviation=statistics.stdev(values) if len(values) > 1 else None,
                best=best.name,
            )
            if not found or own.validation != found[-1].validation or own.seeds != found[-1].seeds:
                found.append(own)
            if limit >= dearest:
                return tuple(found)
            limit *= spacing

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "unit": self.unit,
            "metric": self.metric,
            "validation_samples": self.validation_samples,
            "points": [asdict(own) for own in self.points],
            "limits": [asdict(own) for own in self.limits()],
            "settings": self.settings,
        }

    def to_csv(self) -> str:
        """The points as rows."""
        text = io.StringIO()
        names = [own.name for own in fields(Point)]
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(own) for own in self.points)
        return text.getvalue()
