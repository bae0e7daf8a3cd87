"""Records by kind: what a room knows of every kind, found in one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from kanhw.errors import InputError

__all__ = ["record_of"]

_Kind = TypeVar("_Kind", bound=str | type)
_Record = TypeVar("_Record")


def record_of(table: Mapping[_Kind, _Record], kind: _Kind, what: str, home: str) -> _Record:
    """The record of a kind.

    Parameters
    ----------
    table
        The records that there are, by kind: a name, or a class.
    kind
        Whose is wanted.
    what
        What such a record is, for the message, such as ``"report"``.
    home
        Where the table stands, for the message.

    Raises
    ------
    InputError
        If there is none: a missing kind is never passed over.
    """
    record = table.get(kind)
    if record is None:
        raise InputError(
            f"There is no {what} of kind {_name(kind)!r}, only of "
            f"{', '.join(map(_name, table))}: add one to {home}"
        )
    return record


def _name(kind: str | type) -> str:
    return kind if isinstance(kind, str) else kind.__name__
