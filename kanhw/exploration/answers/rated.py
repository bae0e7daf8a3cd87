"""Points with what hangs on a clock or a board, and whether they keep to the limits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kanhw.errors import InputError
from kanhw.exploration.study.objectives import Figures, Limit
from kanhw.exploration.study.point import Point
from kanhw.values import is_number

if TYPE_CHECKING:
    from kanhw.boards.catalogue.board import Board

__all__ = ["Rated", "Setting"]


@dataclass(frozen=True, kw_only=True)
class Rated:
    """A point as it is compared with others.

    Parameters
    ----------
    point
        What was computed.
    figures
        Its own, and those that hang on a clock or a board.
    kept
        Whether it has figures and keeps to all limits.
    """

    point: Point
    figures: Figures
    kept: bool


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What figures are made of beside those of points, and what points must keep to.

    Parameters
    ----------
    clock_mhz
        The clock that designs run at; None: times are not known.
    board
        Whose device they are to fit; None is none.
    limits
        What figures may be.

    Raises
    ------
    InputError
        If the clock is no such number.
    """

    clock_mhz: float | None = None
    board: Board | None = None
    limits: tuple[Limit, ...] = field(default=())

    def __post_init__(self) -> None:
        clock = self.clock_mhz
        if clock is not None and (not is_number(clock) or not 0 < clock < 10_000):
            raise InputError(f"clock_mhz must be above 0 and below 10,000 MHz, not {clock!r}")

    def rate(self, point: Point) -> Rated:
        """A point with all its figures."""
        figures = {**point.figures, **self._times(point.figures), **self._room(point.figures)}
        kept = not point.error and all(limit.kept(figures) for limit in self.limits)
        return Rated(point=point, figures=figures, kept=kept and self._fits(figures))

    def rate_all(self, points: Iterable[Point]) -> list[Rated]:
        """Several points."""
        return [self.rate(each) for each in points]

    def excess(self, rated: Rated) -> Sequence[float]:
        """By how much a point misses each limit, and the board; 0 or less where it is kept."""
        found = [limit.excess(rated.figures) for limit in self.limits]
        if self.board is not None:
            share = rated.figures.get("utilisation")
            found.append(float("inf") if share is None else share - 1.0)
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "clock_mhz": self.clock_mhz,
            "board": None if self.board is None else self.board.name,
            "limits": [str(limit) for limit in self.limits],
        }

    def _times(self, figures: Figures) -> Figures:
        clock, found = self.clock_mhz, dict[str, float]()
        latency, interval = figures.get("latency_cycles"), figures.get("interval_cycles")
        if clock is not None and latency is not None:
            found["latency_ns"] = 1e3 * latency / clock
        if clock is not None and interval is not None:
            found["inferences_per_second"] = 1e6 * clock / interval
        return found

    def _room(self, figures: Figures) -> Figures:
        """The share of the scarcest resource that a board leaves beside its link."""
        from kanhw.boards.build.schedules import room_on

        taken = [figures.get(name) for name in ("lut", "bram", "dsp")]
        if self.board is None or any(value is None for value in taken):
            return {}
        limits = room_on(self.board).limits
        shares = [
            value / limits[name] if limits[name] else float("inf") if value else 0.0
            for name, value in zip(("lut", "bram", "dsp"), taken, strict=True)
            if value is not None
        ]
        # A design that needs what the device has none of fits by no share.
        return {} if max(shares) == float("inf") else {"utilisation": max(shares)}

    def _fits(self, figures: Figures) -> bool:
        return self.board is None or (figures.get("utilisation") or 2.0) <= 1.0
