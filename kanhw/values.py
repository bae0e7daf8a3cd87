"""What counts as an integer, and what as a number, wherever a value is checked.

True and False are integers to Python; given where a count belongs they are a mistake.
"""

from __future__ import annotations

from typing import Any, TypeGuard

import numpy as np

__all__ = ["brief", "is_integer", "is_number", "plain"]

# The most characters of a value that a message quotes.
_MOST = 60


def is_integer(value: object) -> TypeGuard[int]:
    """Whether a value is an integer, and no True or False."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is an integer or a float, and no True or False."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def plain(value: Any) -> Any:
    """An integer or number of numpy as Python's; anything else as it is."""
    return value.item() if isinstance(value, np.integer | np.floating) else value


def brief(value: object) -> str:
    """A value as a message quotes it: arrays and tensors by their shape, never their numbers."""
    shape = getattr(value, "shape", None)
    if shape is not None and not isinstance(value, np.generic):
        kind = f"{type(value).__module__.partition('.')[0]}.{type(value).__name__}"
        return f"a {kind} of shape {list(shape)}"
    text = repr(plain(value))
    return text if len(text) <= _MOST else f"{text[: _MOST - 3]}..."
