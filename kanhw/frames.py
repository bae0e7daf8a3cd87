"""Tables with named columns: data frames of pandas, or of what has columns as they have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kanhw.errors import InputError

__all__ = ["column_names", "in_order"]

# As many are named in a message.
_NAMED = 6


def column_names(x: object) -> tuple[str, ...] | None:
    """The names of a data frame's columns; None for arrays, and for columns without names."""
    columns = getattr(x, "columns", None)
    if columns is None or not hasattr(x, "to_numpy"):
        return None
    names = tuple(columns)
    return names if all(isinstance(name, str) for name in names) else None


def in_order(x: Any, names: Sequence[str] | None) -> Any:
    """The values of a data frame, whose columns must be those of a network; arrays as they are.

    Parameters
    ----------
    x
        A data frame, or anything that becomes an array.
    names
        Of the network's inputs, in order; None where it knows none, and nothing is compared.

    Raises
    ------
    InputError
        If columns are others, or in another order, or hold no numbers.
    """
    columns = column_names(x)
    if columns is None:
        return x
    if names is not None and columns != tuple(names):
        same = sorted(columns) == sorted(names)
        raise InputError(
            f"The columns are {_listed(columns)}, but the network's inputs are {_listed(names)}"
            + (", in another order" if same else "")
            + f": give x[[{', '.join(map(repr, names[:_NAMED]))}{', ...' * (len(names) > _NAMED)}]]"
        )
    for name in columns:
        if getattr(x[name].dtype, "kind", "O") not in "fiub":
            raise InputError(
                f"Column {name!r} holds {x[name].dtype}, no numbers: leave it out, or convert it"
            )
    return x.to_numpy()


def _listed(names: Sequence[str]) -> str:
    more = f", ... ({len(names)})" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
