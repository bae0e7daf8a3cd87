"""Where outputs differ from the expected ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kanhw.formats import IntArray

__all__ = ["Mismatch", "first_mismatches"]


@dataclass(frozen=True)
class Mismatch:
    """One output code that is not the expected one."""

    vector: int
    output: int
    got: int
    expected: int

    def __str__(self) -> str:
        place = f"vector {self.vector}, output {self.output}"
        return f"{place}: got {self.got}, expected {self.expected}"

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def first_mismatches(
    got: IntArray, expected: IntArray, limit: int = 5
) -> tuple[int, tuple[Mismatch, ...]]:
    """Count the codes that differ, over the rows that both have, and list the first of them.

    Parameters
    ----------
    got, expected
        int64 ``[N, n_out]`` and ``[M, n_out]``.
    limit
        How many to list.
    """
    rows = min(len(got), len(expected))
    got, expected = got[:rows], expected[:rows]
    places = np.argwhere(got != expected)
    first = tuple(
        Mismatch(int(v), int(o), int(got[v, o]), int(expected[v, o])) for v, o in places[:limit]
    )
    return len(places), first
