"""What became of a point, and of the Program that several points share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kanhw.entries import Entry
from kanhw.errors import InputError
from kanhw.exploration.space.configuration import Configuration
from kanhw.exploration.study.objectives import OBJECTIVES, Figures

__all__ = ["Point", "Stage"]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A quantized network: what it is worth, whatever hardware it becomes.

    Parameters
    ----------
    name
        A digest of everything that made it.
    figures
        Errors on the held-out data, and parameter bits.
    output_rms
        Of every output, in its units, against ``reference``.
    reference
        ``y`` or ``float model``.
    error
        Why there is no Program; empty where there is one.
    seconds
        It took.
    """

    name: str
    figures: Figures = field(default_factory=dict)
    output_rms: tuple[float, ...] = ()
    reference: str = ""
    error: str = ""
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "stage": self.name,
            "figures": _known(self.figures),
            "output_rms": list(self.output_rms),
            "reference": self.reference,
            "error": self.error,
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], place: str) -> Stage:
        """The inverse of :meth:`to_json`.

        Raises
        ------
        InputError
            If a field is missing, unknown, or of another type; it names the place.
        """
        entry = Entry(data, place)
        read = cls(
            name=entry.text("stage"),
            figures=_figures(entry.child("figures"), list(entry.get("figures"))),
            output_rms=entry.numbers("output_rms"),
            reference=entry.text("reference"),
            error=entry.text("error"),
            seconds=entry.number("seconds"),
        )
        entry.finish()
        return read


@dataclass(frozen=True, kw_only=True)
class Point:
    """A configuration, and what was found of it.

    Parameters
    ----------
    name
        A digest of everything that made it.
    configuration
        What was chosen.
    stage
        The name of its :class:`Stage`.
    figures
        All that is known, those of the stage among them.
    schedule
        As plain JSON values; empty where there is none.
    error
        Why there are no figures; empty where there are.
    seconds
        It took, the stage aside.
    """

    name: str
    configuration: Configuration
    stage: str
    figures: Figures = field(default_factory=dict)
    schedule: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    seconds: float = 0.0

    @property
    def short(self) -> str:
        """The beginning of its name, by which people call it."""
        return self.name[:10]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "point": self.name,
            "configuration": self.configuration.to_json(),
            "stage": self.stage,
            "figures": _known(self.figures),
            "schedule": dict(self.schedule),
            "error": self.error,
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], place: str) -> Point:
        """The inverse of :meth:`to_json`.

        Raises
        ------
        InputError
            If a field is missing, unknown, or of another type; it names the place.
        """
        entry = Entry(data, place)
        read = cls(
            name=entry.text("point"),
            configuration=Configuration.from_json(entry.child("configuration")),
            stage=entry.text("stage"),
            figures=_figures(entry.child("figures"), list(entry.get("figures"))),
            schedule=dict(entry.get("schedule")),
            error=entry.text("error"),
            seconds=entry.number("seconds"),
        )
        entry.finish()
        return read


def _known(figures: Figures) -> dict[str, float]:
    return {name: value for name, value in figures.items() if value is not None}


def _figures(entry: Entry, names: list[str]) -> Figures:
    for name in names:
        if name not in OBJECTIVES:
            raise InputError(f"{entry.place} has no {name!r}: was it written by another version?")
    return {name: entry.number(name) for name in names}
