"""A space from a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kanhw.errors import InputError
from kanhw.exploration.space.configuration import HARDWARE, quantize_fields
from kanhw.exploration.space.space import Axis, Space
from kanhw.files import missing
from kanhw.values import brief, meant

__all__ = ["read_space", "space_of"]

_TABLES = ("quantize", "train", "hardware", "axis")
_AXIS_KEYS = ("fields", "values", "only")


def read_space(path: str | Path) -> Space:
    """The space of a TOML file; docs/explore.md is its reference.

    Raises
    ------
    InputError
        If the file cannot be read, is no TOML, or says what no space is.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(missing(path))
    try:
        return space_of(tomllib.loads(path.read_text(encoding="utf-8")), str(path))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no TOML: {error}") from error


def space_of(tables: Mapping[str, Any], where: str = "the space") -> Space:
    """The space of tables as TOML has them.

    Parameters
    ----------
    tables
        ``quantize``, ``train``, ``hardware`` and ``axis``.
    where
        For messages.

    Raises
    ------
    InputError
        If a name is unknown, or a value is none.
    """
    if not isinstance(tables, Mapping):
        raise InputError(f"{where} must be tables by their names, not {brief(tables)}")
    for name, table in tables.items():
        if name not in _TABLES:
            raise InputError(
                f"{where} has a table {name!r}{meant(name, _TABLES) or ';'} there are "
                f"{', '.join(_TABLES)}"
            )
        if not isinstance(table, Mapping):
            raise InputError(f"{where}: {name} must be a table, [{name}], not {brief(table)}")
    try:
        axes = [
            *_fields(tables.get("quantize", {}), "quantize", quantize_fields()),
            *_fields(tables.get("train", {}), "train", ("epochs",)),
            *_fields(tables.get("hardware", {}), "hardware", HARDWARE),
            *(_axis(name, table) for name, table in tables.get("axis", {}).items()),
        ]
        return Space(tuple(axes))
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _fields(table: Mapping[str, Any], what: str, known: tuple[str, ...]) -> list[Axis]:
    """An axis a key; a table in it holds a group's fields."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            flat.update({f"{name}.{inner}": own for inner, own in value.items()})
        else:
            flat[name] = value
    for name in flat:
        if name not in known:
            raise InputError(
                f"[{what}] has no {name!r}{meant(name, known) or ';'} there are {', '.join(known)}"
            )
    return [Axis(name, _values(value), (name,)) for name, value in flat.items()]


def _axis(name: str, table: Any) -> Axis:
    if not isinstance(table, Mapping):
        raise InputError(f"[axis.{name}] must be a table with fields and values, not {table!r}")
    for key in table:
        if key not in _AXIS_KEYS:
            raise InputError(f"[axis.{name}] has no {key!r}; there are {', '.join(_AXIS_KEYS)}")
    for key in _AXIS_KEYS[:2]:
        if key not in table:
            raise InputError(f"[axis.{name}] lacks {key}")
    fields, only = table["fields"], table.get("only", {})
    if not isinstance(fields, list | tuple) or not all(isinstance(each, str) for each in fields):
        raise InputError(f"[axis.{name}] fields must be a list of names, not {brief(fields)}")
    if not isinstance(only, Mapping):
        raise InputError(
            f"[axis.{name}] only must be a table, as in {{realisation = 'edge_table'}}, not "
            f"{brief(only)}"
        )
    allowed = {key: _values(value) for key, value in only.items()}
    return Axis(name, _values(table["values"]), tuple(fields), allowed)


def _values(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)
