"""What counts as an integer, and what as a number, wherever a value is checked.

True and False are integers to Python; given where a count belongs they are a mistake.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from typing import Any, TypeGuard

import numpy as np

__all__ = [
    "brief",
    "brief_repr",
    "in_one_line",
    "is_integer",
    "is_number",
    "meant",
    "plain",
    "shown",
]

# The most characters of a value that a message quotes.
_MOST = 60
# Words as alike as this may be meant: letters that they share, 0 to 1.
_NEAR = 0.7
_LARGEST = 10**_MOST
# The most characters of a whole message.
_LONGEST = 2000


def is_integer(value: object) -> TypeGuard[int]:
    """Whether a value is an integer, and no True or False."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is an integer or a float, and no True or False."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def plain(value: Any) -> Any:
    """A number of numpy as Python's, and a row of its integers as a tuple; all else as it is."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "iu":
        return tuple(value.tolist())
    return type(value)(map(plain, value)) if type(value) in (list, tuple) else value


def shown(text: str, most: int = _LONGEST) -> str:
    """A text from outside as terminals and messages show it: printable, and not too long.

    Control characters, and halves of characters that nothing can encode, become escapes as Python
    writes them; line ends stay. Of a longer text the middle is left out.

    Parameters
    ----------
    text
        Anything.
    most
        Letters that are shown at most.
    """
    if len(text) > most:
        text = f"{text[: most // 2]} ... {text[-(most // 2) :]}"
    return "".join(
        letter if letter.isprintable() or letter == "\n" else ascii(letter)[1:-1]
        for letter in text
    )


def in_one_line(text: str) -> str:
    """A text from outside as one line of a message, printable and not too long."""
    return " ".join(shown(text).split())


def brief(value: object) -> str:
    """A value as a message quotes it: arrays and tensors by their shape, never their numbers."""
    shape = getattr(value, "shape", None)
    if shape is not None and not isinstance(value, np.generic):
        kind = f"{type(value).__module__.partition('.')[0]}.{type(value).__name__}"
        return f"a {kind} of shape {list(shape)}"
    if is_dataclass(value) and not isinstance(value, type):
        return _named(value)
    if isinstance(value, Mapping | list | tuple | set):
        text = f"a {type(value).__name__} of {len(value)}"
        # What holds arrays would print them.
        plainly = all(isinstance(entry, int | float | str | type(None)) for entry in value)
        if isinstance(value, Mapping) or not plainly:
            return text
    if is_integer(value) and abs(value) >= _LARGEST:
        return f"an integer of {value.bit_length()} bits"  # Python writes out no longer ones
    text = repr(plain(value))
    return text if len(text) <= _MOST else f"{text[: _MOST - 3]}..."


def brief_repr(self: Any) -> str:
    """A ``__repr__`` for records that hold arrays: every field as :func:`brief` has it."""
    parts = []
    for entry in fields(self):
        value = getattr(self, entry.name)
        if isinstance(value, tuple) and value and all(map(is_dataclass, value)):
            text = f"({', '.join(map(_named, value))})"
        else:
            text = brief(value)
        parts.append(f"{entry.name}={text}")
    return f"{type(self).__name__}({', '.join(parts)})"


def meant(word: object, known: Iterable[str]) -> str:
    """The end of a message about a word that is not known: the nearest that is, or nothing.

    Parameters
    ----------
    word
        What was given.
    known
        What there is.
    """
    names = {name.lower(): name for name in known}
    near = get_close_matches(str(word).lower(), names, 1, _NEAR)
    return f"; did you mean {names[near[0]]!r}?" if near else ""


def _named(record: Any) -> str:
    """A record by its type, and its name if it has one."""
    name = getattr(record, "name", None)
    return f"{type(record).__name__}({name!r})" if isinstance(name, str) else type(record).__name__
