"""What cells without a clock give for each of their inputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kanhw.formats import FloatArray
from kanhw.targets.cells.batch import CellKind, Words, packed
from kanhw.targets.cells.cell import Cell

__all__ = ["MOST_INPUTS", "truth_tables"]

MOST_INPUTS = 10
"""Cells of more inputs have no tables."""


def truth_tables(kind: CellKind, cells: Sequence[Cell]) -> FloatArray:
    """Tables ``[outputs, cells, 2**inputs]``, the first input lowest.

    Parameters
    ----------
    kind
        Of the cells, without a clock.
    cells
        As they are set up.
    """
    count = len(kind.inputs)
    words = max((1 << count) // 64, 1)
    places = np.arange(words * 64)
    patterns = np.stack([packed((places >> k & 1).astype(np.uint8)) for k in range(count)])
    inputs: Words = np.repeat(patterns[:, None], len(cells), axis=1)
    given = kind.make(cells, words).outputs(inputs)
    octets = np.ascontiguousarray(given.astype("<u8")).view(np.uint8)
    bits = np.unpackbits(octets, axis=-1, count=1 << count, bitorder="little")
    return bits.astype(np.float64)
