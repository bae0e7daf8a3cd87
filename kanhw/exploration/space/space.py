"""A space: axes, each with the values that it may have, and the points that they span."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kanhw.errors import InputError
from kanhw.exploration.space.configuration import Configuration, Value, check_field
from kanhw.values import brief

__all__ = ["Axis", "Space"]


@dataclass(frozen=True)
class Axis:
    """What is tried of one thing.

    Parameters
    ----------
    name
        By which it is called.
    values
        One is a choice that is made; several are tried.
    fields
        What has the value: fields of a :class:`Configuration` or of its quantization.
    only
        Where it is tried: values of other fields, by name. Elsewhere the fields keep their
        defaults.

    Raises
    ------
    InputError
        If there is no value, or a field does not take one.
    """

    name: str
    values: tuple[Value, ...]
    fields: tuple[str, ...]
    only: Mapping[str, tuple[Value, ...]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.values:
            raise InputError(f"{self.name} has no value: give one, or a list of those to try")
        if not self.fields:
            raise InputError(f"{self.name} has no fields: name those that have its value")
        for value in self.values:
            for name in self.fields:
                check_field(name, value, self.name)
        if len(set(map(repr, self.values))) < len(self.values):
            raise InputError(f"{self.name} has a value twice: {brief(list(self.values))}")
        for name, allowed in self.only.items():
            for value in allowed:
                check_field(name, value, f"{self.name}, only")

    @property
    def ordered(self) -> bool:
        """Whether its values are numbers, of which neighbours are alike."""
        return not any(isinstance(value, str | bool) for value in self.values)

    def holds(self, chosen: Mapping[str, Value]) -> bool:
        """Whether it is tried beside what was chosen."""
        return all(chosen.get(name) in allowed for name, allowed in self.only.items())


@dataclass(frozen=True)
class Space:
    """Axes; every choice of a value of each is a point.

    Parameters
    ----------
    axes
        In order; an axis may hang on those before it.

    Raises
    ------
    InputError
        If there is no axis, or two have one name or are about one field.
    """

    axes: tuple[Axis, ...]

    def __post_init__(self) -> None:
        if not self.axes:
            raise InputError("The space has no axes: give at least one value to try")
        names = [axis.name for axis in self.axes]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"The space has two axes {name}: give each a name of its own")
        for one, other in itertools.combinations(self.axes, 2):
            both = set(one.fields) & set(other.fields)
            if both and not _apart(one, other):
                raise InputError(
                    f"{one.name} and {other.name} are both about {sorted(both)[0]}: leave one out"
                )
        for index, axis in enumerate(self.axes):
            before = {name for earlier in self.axes[:index] for name in earlier.fields}
            for name in axis.only:
                if name not in before:
                    raise InputError(
                        f"{axis.name}, only: no axis before it says {name}: give that one first"
                    )

    @property
    def size(self) -> int:
        """How many choices there are at most; some may be the same point."""
        return math.prod(len(axis.values) for axis in self.axes)

    @property
    def varied(self) -> tuple[Axis, ...]:
        """The axes with several values."""
        return tuple(axis for axis in self.axes if len(axis.values) > 1)

    def point(self, places: Sequence[int]) -> Configuration:
        """The point of one value of every axis, by their places."""
        chosen: dict[str, Value] = {}
        for axis, place in zip(self.axes, places, strict=True):
            if axis.holds(chosen):
                chosen.update(dict.fromkeys(axis.fields, axis.values[place]))
        return Configuration.of(chosen)

    def grid(self) -> Iterator[Configuration]:
        """Every point, once."""
        seen: set[str] = set()
        for places in itertools.product(*(range(len(axis.values)) for axis in self.axes)):
            point = self.point(places)
            key = repr(point)
            if key not in seen:
                seen.add(key)
                yield point

    def to_json(self) -> list[dict[str, Any]]:
        """The axes as plain JSON values."""
        return [
            {
                "name": axis.name,
                "values": list(axis.values),
                "fields": list(axis.fields),
                "only": {name: list(values) for name, values in axis.only.items()},
            }
            for axis in self.axes
        ]


def _apart(one: Axis, other: Axis) -> bool:
    """Whether two axes are never tried at the same point."""
    return any(
        not set(map(repr, one.only[name])) & set(map(repr, other.only[name]))
        for name in set(one.only) & set(other.only)
    )
