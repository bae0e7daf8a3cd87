"""What counts as an integer, and what as a number, wherever a value is checked.

True and False are integers to Python; given where a count belongs they are a mistake.
"""

from __future__ import annotations

from typing import TypeGuard

__all__ = ["is_integer", "is_number"]


def is_integer(value: object) -> TypeGuard[int]:
    """Whether a value is an integer, and no True or False."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is an integer or a float, and no True or False."""
    return isinstance(value, int | float) and not isinstance(value, bool)
