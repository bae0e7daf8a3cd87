"""JSON from outside: parsed without surprises, and read entry by entry, each of its type."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, ItemsView, Mapping
from pathlib import Path
from typing import Any

from kanhw.errors import InputError
from kanhw.values import brief, is_integer, is_number

__all__ = ["Entry", "Reader", "parse_json", "read_json_object", "typed"]

# What reads the value of a key as its type.
Reader = Callable[["Entry", str], Any]


def parse_json(text: str | bytes, where: str) -> Any:
    """The value of a JSON text.

    Parameters
    ----------
    text
        What is parsed.
    where
        What it is, for the message: a path, or the name of an option.

    Raises
    ------
    InputError
        If it is no JSON, is nested deeper than Python can read, or holds an integer of thousands of
        digits.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise InputError(f"{where} is not readable JSON: it is nested too deep") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{where} is not readable JSON: it holds no text") from error
    except ValueError as error:
        raise InputError(f"{where} is not readable JSON: {error}") from error


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises
    ------
    InputError
        If the file cannot be read or holds anything else.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} is not readable JSON: {error.strerror}") from error
    data = parse_json(content, str(path))
    if not isinstance(data, dict):
        raise InputError(f"{path} must hold a JSON object, not {_named(data)}")
    return data


class Entry:
    """One object of a JSON text, whose keys are all asked for in the end.

    Every method gives the value of a key, and raises :class:`InputError` with the place of the
    value if it is missing or of another type. A default is given back as it is.

    Parameters
    ----------
    values
        The object.
    place
        Where it stands, as messages name it.
    """

    def __init__(self, values: Any, place: str) -> None:
        if not isinstance(values, Mapping):
            raise InputError(f"{place} must be a JSON object, not {_named(values)}")
        self._values = values
        self._asked: set[str] = set()
        self.place = place

    def get(self, key: str, *default: Any) -> Any:
        """The value of a key, whatever it is."""
        self._asked.add(key)
        if key not in self._values and not default:
            raise InputError(f"{self.place} lacks {key!r}")
        return self._values.get(key, *default)

    def items(self) -> ItemsView[str, Any]:
        """All keys and their values, whatever they are; they count as asked for."""
        self._asked |= set(self._values)
        return self._values.items()

    def child(self, key: str) -> Entry:
        """Another object."""
        return Entry(self.get(key), f"{self.place}.{key}")

    def optional_child(self, key: str) -> Entry | None:
        """Another object; None where it is missing, or null."""
        value = self.get(key, None)
        return None if value is None else Entry(value, f"{self.place}.{key}")

    def children(self, key: str, *default: list[Any]) -> list[Entry]:
        """A list of objects."""
        return [
            Entry(each, f"{self.place}.{key}.{index}")
            for index, each in enumerate(self.list(key, *default))
        ]

    def list(self, key: str, *default: Any) -> Any:
        """A list of anything."""
        return self._typed(key, "a list", lambda value: isinstance(value, list), *default)

    def integers(self, key: str, *default: None) -> Any:
        """A list of integers, as a tuple."""
        values = self.list(key, *default)
        if values is None:
            return None
        if not all(is_integer(each) for each in values):
            raise InputError(f"{self.place}.{key} must hold integers, not {_named(values)}")
        return tuple(values)

    def numbers(self, key: str) -> tuple[float, ...]:
        """A list of numbers, as a tuple; empty where it is missing."""
        return tuple(Entry({key: each}, self.place).number(key) for each in self.list(key, []))

    def text(self, key: str, *default: str | None) -> Any:
        """A string."""
        return self._typed(key, "a string", lambda value: isinstance(value, str), *default)

    def number(self, key: str, *default: float) -> float:
        """A finite number that a float can hold."""
        value = self._typed(key, "a number", is_number, *default)
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise InputError(f"{self.place}.{key} must be a finite number, not {_named(value)}")
        return number

    def integer(self, key: str, *default: int | None) -> Any:
        """An integer."""
        return self._typed(key, "an integer", is_integer, *default)

    def boolean(self, key: str, *default: bool) -> bool:
        """True or false; not the text of either."""
        value = self._typed(key, "true or false", lambda value: isinstance(value, bool), *default)
        return bool(value)

    def choice(self, key: str, allowed: tuple[str, ...], *default: str) -> str:
        """One of some strings."""
        value = self.get(key, *default)
        if not isinstance(value, str) or value not in allowed:
            raise InputError(
                f"{self.place}.{key} must be one of {', '.join(allowed)}, not {_named(value)}"
            )
        return value

    def counts(self, key: str, *default: Mapping[str, int]) -> Any:
        """An object of integers, as a dict."""
        values = self.get(key, *default)
        entry = Entry(values, f"{self.place}.{key}")
        return {name: entry.integer(name) for name in values}

    def texts(self, key: str, *default: tuple[str, ...]) -> tuple[str, ...]:
        """A list of strings, as a tuple."""
        values = self.get(key, *default)
        if not isinstance(values, list | tuple) or not all(isinstance(v, str) for v in values):
            raise InputError(f"{self.place}.{key} must hold strings, not {_named(values)}")
        return tuple(values)

    def finish(self) -> None:
        """Refuse keys that nobody asked for: they would be left out."""
        unknown = sorted(set(self._values) - self._asked)
        if unknown:
            raise InputError(f"{self.place} has no {unknown[0]!r}: is the name right?")

    def _typed(self, key: str, kind: str, is_one: Any, *default: Any) -> Any:
        value = self.get(key, *default)
        if is_one(value) or (default and value is default[0]):
            return value
        raise InputError(f"{self.place}.{key} must be {kind}, not {_named(value)}")


def typed(entry: Entry, readers: Mapping[str, Reader]) -> dict[str, Any]:
    """The values of those keys that are there, each read as its type; null is of every type."""
    keys = [key for key in readers if entry.get(key, None) is not None]
    return {key: readers[key](entry, key) for key in keys}


def _named(value: Any) -> str:
    """A value as messages quote it; as JSON has it, where Python has another word."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return brief(value)
