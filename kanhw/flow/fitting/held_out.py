"""Splitting data into a part to train on and one to measure on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.values import is_number

__all__ = ["split_off"]

Arrays = dict[str, npt.NDArray[Any]]


def split_off(
    arrays: Mapping[str, npt.ArrayLike], share: float, seed: int
) -> tuple[Arrays, Arrays]:
    """Two parts of the rows of arrays, at random: what is left, and what is split off.

    Parameters
    ----------
    arrays
        Of as many rows each, by name.
    share
        Of the rows that are split off, above 0 and below 1; at least one is on either side.
    seed
        The same one gives the same rows.

    Raises
    ------
    InputError
        If the share is out of its range, the arrays differ in rows, or there are fewer than 2.
    """
    given = {name: np.asarray(array) for name, array in arrays.items()}
    counts = {name: len(array) if array.ndim else 0 for name, array in given.items()}
    if len(set(counts.values())) != 1:
        text = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise InputError(f"The arrays must have as many rows each, but {text}")
    count = next(iter(counts.values()))
    if not is_number(share) or not 0 < share < 1:
        raise InputError(f"The share that is split off must be above 0 and below 1, not {share}")
    if count < 2:
        raise InputError(f"A part can be split off 2 samples or more, not {count}")
    order = np.random.default_rng(seed).permutation(count)
    size = min(max(round(share * count), 1), count - 1)
    # In the order of the file, on either side.
    taken, left = np.sort(order[:size]), np.sort(order[size:])
    return (
        {name: array[left] for name, array in given.items()},
        {name: array[taken] for name, array in given.items()},
    )
