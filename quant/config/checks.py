"""Checks of single fields of a quantization."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_args

from kanhw.errors import InputError
from kanhw.values import brief, is_integer, is_number, meant, plain

__all__ = ["check_choice", "check_integer", "check_number", "check_switch", "make_plain"]


def make_plain(config: Any) -> None:
    """Put Python's numbers in place of numpy's in the fields of a frozen record."""
    for entry in fields(config):
        object.__setattr__(config, entry.name, plain(getattr(config, entry.name)))


def check_integer(field: str, value: object, lowest: int, highest: int) -> None:
    """Refuse what is no integer of a range."""
    if not is_integer(value):
        raise TypeError(f"{field} must be an integer, not {brief(value)}")
    if not lowest <= value <= highest:
        raise InputError(f"{field} must be {lowest} to {highest}, not {value}")


def check_number(field: str, value: object) -> None:
    """Refuse what is no number."""
    if not is_number(value):
        raise TypeError(f"{field} must be a number, not {brief(value)}")


def check_choice(field: str, value: object, choices: object) -> None:
    """Refuse a word that is none of a ``Literal``."""
    allowed = get_args(choices)
    if value not in allowed:
        raise InputError(
            f"{field} must be one of {', '.join(allowed)}, not {brief(value)}"
            f"{meant(value, allowed)}"
        )


def check_switch(field: str, value: object) -> None:
    """Refuse what is neither True nor False."""
    if not isinstance(value, bool):
        raise TypeError(f"{field} must be True or False, not {brief(value)}")
