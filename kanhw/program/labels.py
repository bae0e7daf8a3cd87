"""What inputs and outputs are called, and in which units they are: for people, not for numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from kanhw.entries import Entry
from kanhw.errors import InputError

__all__ = ["Labels"]

MOST_LETTERS = 64
# They part names from one another and from formats.
_PARTING = ",=:"


@dataclass(frozen=True)
class Labels:
    """Names and units of a network's inputs and outputs; None for what has none.

    Parameters
    ----------
    inputs, outputs
        A name for every input, and for every output of the last layer: printable text of at most
        64 letters without ``,``, ``=`` and ``:``, each another.
    input_units, output_units
        A unit for each, which may be empty; or one for all.
    """

    inputs: tuple[str, ...] | None = None
    outputs: tuple[str, ...] | None = None
    input_units: tuple[str, ...] | None = None
    output_units: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            given = getattr(self, field.name)
            if given is None:
                continue
            texts = tuple(_text(each, field.name) for each in given)
            object.__setattr__(self, field.name, texts)
            if not field.name.endswith("units"):
                _check_names(texts, field.name)

    def checked(self, n_in: int, n_out: int) -> Labels:
        """The same for a network of these sizes, a unit for all given to each.

        Raises
        ------
        InputError
            If there are not as many.
        """
        found: dict[str, Any] = {}
        for field in fields(self):
            texts = getattr(self, field.name)
            count, unit = n_in if "input" in field.name else n_out, field.name.endswith("units")
            if texts is not None and unit and len(texts) == 1:
                texts = texts * count
            if texts is not None and len(texts) != count:
                raise InputError(
                    f"{_what(field.name)} must be {count}{' or one for all' if unit else ''}, not "
                    f"{len(texts)}: {', '.join(texts[:4])}"
                )
            found[field.name] = texts
        return Labels(**found)

    def input(self, number: int) -> str:
        """An input as people read it: ``3``, or ``pressure (Pa)``."""
        return _shown(number, self.inputs, self.input_units)

    def output(self, number: int) -> str:
        """An output, likewise."""
        return _shown(number, self.outputs, self.output_units)

    def to_json(self) -> dict[str, list[str]]:
        """Those that there are, as plain JSON values."""
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: list(texts) for name, texts in own.items() if texts is not None}

    @classmethod
    def from_json(cls, entry: Entry | None) -> Labels:
        """The inverse of :meth:`to_json`; none where there is no entry."""
        if entry is None:
            return cls()
        own = {field.name: entry.list(field.name, None) for field in fields(cls)}
        entry.finish()
        return cls(**{name: None if texts is None else tuple(texts) for name, texts in own.items()})


def _shown(number: int, names: Sequence[str] | None, units: Sequence[str] | None) -> str:
    name = names[number] if names else str(number)
    unit = units[number % len(units)] if units else ""
    return f"{name} ({unit})" if unit else name


def _what(field: str) -> str:
    return {
        "inputs": "Names of inputs",
        "outputs": "Names of outputs",
        "input_units": "Units of inputs",
        "output_units": "Units of outputs",
    }[field]


def _text(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{_what(field)} must be text, not {value!r}")
    if not value.isprintable() or len(value) > MOST_LETTERS:
        raise InputError(
            f"{_what(field)} must be printable text of at most {MOST_LETTERS} letters, not "
            f"{value!r}"
        )
    return value.strip()


def _check_names(names: tuple[str, ...], field: str) -> None:
    for k, name in enumerate(names):
        if not name or any(letter in name for letter in _PARTING) or name in names[:k]:
            raise InputError(
                f"{_what(field)} must be texts without {' '.join(_PARTING)}, each another, not "
                f"{name!r}"
            )
