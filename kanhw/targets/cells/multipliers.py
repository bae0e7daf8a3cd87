"""Multiplier blocks: computed with integers, copy by copy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kanhw.targets.cells.batch import Batch, CellKind, Words, bits_of, integers
from kanhw.targets.cells.cell import Cell

__all__ = ["multiplier"]


class _Multipliers(Batch):
    def __init__(self, widths: tuple[int, int, int]) -> None:
        self._a, self._b, self._out = widths

    def outputs(self, inputs: Words) -> Words:
        one = integers(inputs[: self._a], signed=True)
        other = integers(inputs[self._a : self._a + self._b], signed=True)
        return bits_of(one * other, self._out)


def multiplier(
    a: Sequence[tuple[str, int]],
    b: Sequence[tuple[str, int]],
    product: Sequence[tuple[str, int]],
    check: Callable[[Cell], None],
) -> CellKind:
    """A product of two signed factors without registers.

    Parameters
    ----------
    a, b, product
        The ports, lowest bit first; 63 bits of product at most.
    check
        Raises ``InputError`` for a cell that is set up otherwise.
    """

    def make(cells: Sequence[Cell], _: int) -> Batch:
        for cell in cells:
            check(cell)
        return _Multipliers((len(a), len(b), len(product)))

    return CellKind("dsp", (*a, *b), product, make)
