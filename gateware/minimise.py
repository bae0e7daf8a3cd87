"""What can be taken out of an edge table before it becomes logic.

Everything here is exact: entries change only at addresses that interval analysis proves
unreachable, and what is taken out as a constant is given back by the adder tree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kanhw.formats import IntArray

__all__ = ["MinimisedTable", "minimise_table", "table_cost"]


@dataclass(frozen=True)
class MinimisedTable:
    """``original[a] = values[a] * 2**shift - offset`` at every reachable address a.

    ``values`` are not negative. A table that adds a constant has a single distinct value.
    """

    values: tuple[int, ...]
    shift: int
    offset: int

    @property
    def constant(self) -> bool:
        """Whether every entry is the same."""
        return len(set(self.values)) == 1


def minimise_table(table: IntArray, lowest: int, highest: int) -> MinimisedTable:
    """Reduce a table to the fewest and cheapest bits.

    Parameters
    ----------
    table
        ``[2**n]`` integers.
    lowest, highest
        The addresses that can occur.
    """
    filled = table.copy()
    # An unreachable entry repeats its nearest reachable neighbour: that cannot add a bit.
    filled[:lowest], filled[highest + 1 :] = table[lowest], table[highest]
    base = int(filled.min())
    steps = filled - base
    shift = _common_shift(steps)
    values, extra = _cheapest_offset(steps >> shift)
    return MinimisedTable(tuple(values.tolist()), shift, (extra << shift) - base)


def _common_shift(steps: IntArray) -> int:
    """How many low bits are zero in every entry."""
    combined = int(np.bitwise_or.reduce(steps))
    return (combined & -combined).bit_length() - 1 if combined else 0


def _cheapest_offset(values: IntArray) -> tuple[IntArray, int]:
    """Add the constant that makes the bits cheapest without widening the table."""
    top = int(values.max())
    if top == 0:
        return values, 0
    room = (1 << top.bit_length()) - 1 - top
    # Ties go to the smallest constant.
    best = min(range(room + 1), key=lambda extra: (table_cost(values + extra), extra))
    return values + best, best


def table_cost(values: IntArray) -> int:
    """LUT6 of a table, bit by bit: 1 up to 6 address bits, doubling beyond, less where it can.

    A bit costs nothing when it is constant, one of the address bits, or a copy of another bit, and
    counts only the address bits that it depends on.
    """
    depth = values.shape[0]
    address = np.arange(depth)
    bits = depth.bit_length() - 1
    patterns = {(((address >> b) & 1) ^ i).astype(bool).tobytes() for b in range(bits) for i in (0, 1)}
    cost = 0
    for position in range(int(values.max()).bit_length()):
        column = ((values >> position) & 1).astype(bool)
        if column.all() or not column.any() or column.tobytes() in patterns:
            continue
        patterns.update((column.tobytes(), (~column).tobytes()))
        support = sum(
            bool((column != column[address ^ (1 << bit)]).any()) for bit in range(bits)
        )
        cost += 1 << max(support - 6, 0)
    return cost
