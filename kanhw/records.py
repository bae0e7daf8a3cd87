"""Records by kind: what a room knows of every kind, found in one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from kanhw.errors import InputError

__all__ = ["record_of"]

_Record = TypeVar("_Record")


def record_of(table: Mapping[str, _Record], kind: str, what: str, home: str) -> _Record:
    """The record of a kind.

    Parameters
    ----------
    table
        The records that there are, by kind.
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
            f"There is no {what} of kind {kind!r}, only of {', '.join(table)}: add one to {home}"
        )
    return record
