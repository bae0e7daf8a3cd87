"""What an exploration found: all points, and those that no other beats."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from kanhw.exploration.answers.front import front_of
from kanhw.exploration.answers.rated import Rated, Setting
from kanhw.exploration.study.objectives import Objective
from kanhw.exploration.study.point import Point
from kanhw.exploration.study.study import Study

__all__ = ["Exploration"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Exploration:
    """What an exploration found.

    Parameters
    ----------
    folder
        Where everything lies.
    study
        Model and data.
    objectives
        What points are compared by.
    setting
        Clock, board and limits.
    points
        Every point of the folder, those of earlier runs among them.
    computed
        Jobs that this run did: points, and Programs that points share.
    """

    folder: Path
    study: Study
    objectives: tuple[Objective, ...]
    setting: Setting
    points: tuple[Rated, ...]
    computed: int = 0

    @property
    def title(self) -> str:
        """Where the model came from."""
        return self.study.model.source or "a model"

    @property
    def samples(self) -> int:
        """On how many held-out samples errors were measured."""
        return len(self.study.held_out["x"])

    @cached_property
    def front(self) -> tuple[Rated, ...]:
        """The points that keep to the limits and that no other beats, by the first objective."""
        return tuple(front_of(self.points, self.objectives))

    @property
    def failed(self) -> tuple[Point, ...]:
        """The points that have no figures."""
        return tuple(each.point for each in self.points if each.point.error)

    def to_json(self) -> dict[str, Any]:
        """The front and what it was chosen from, as plain JSON values."""
        return {
            "folder": str(self.folder),
            "objectives": [each.name for each in self.objectives],
            **self.setting.to_json(),
            "points": len(self.points),
            "kept": sum(each.kept for each in self.points),
            "failed": len(self.failed),
            "computed": self.computed,
            "front": [
                {
                    "point": each.point.short,
                    "choices": each.point.configuration.choices,
                    "figures": dict(each.figures),
                }
                for each in self.front
            ],
        }
