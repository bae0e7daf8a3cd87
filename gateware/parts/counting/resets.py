"""What the sets and resets of registers take of tables in front of them, counted as synthesis does.

A table bit that is constant where an address bit has one value is not looked up there: its register
is set or reset by that address bit, and the table is of the others (Yosys' ``opt_dff``). Address
bits are gone through from the highest on, which is how a memory of constants becomes multiplexers.
What sets or resets is an address bit as it is, or a LUT: the complement of one, or several of them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from kanhw.gateware.parts.counting.support import support_of

__all__ = ["WithResets", "with_resets"]

Bits = npt.NDArray[np.uint8]
# An address bit, and its value at which a register is set or reset.
Literal = tuple[int, int]


class WithResets:
    """The bits of the tables of one address, where registers behind them are set and reset.

    Attributes
    ----------
    sizes
        By the entries of every bit that is left to look up: on how many address bits it depends.
    signals
        LUTs that set and reset, or that are a bit of a table which is the complement of an address
        bit.
    """

    def __init__(self, columns: Iterable[bytes]) -> None:
        self.sizes: dict[bytes, int] = {}
        made: set[frozenset[Literal]] = set()
        for column in columns:
            left, literals = with_resets(np.frombuffer(column, np.uint8))
            support = support_of(left)
            if len(support) == 1 and left[0]:
                made.add(frozenset({(support[0], 0)}))
            if literals and literals != {(next(iter(literals))[0], 1)}:
                made.add(literals)
            if len(support) > 1:
                self.sizes[left.tobytes()] = len(support)
        self.signals = len(made)


def with_resets(column: Bits) -> tuple[Bits, frozenset[Literal]]:
    """What is left of a bit ``[2**n]``, and where its register is set, or where it is reset."""
    literals: set[Literal] = set()
    kept: int | None = None
    while True:
        support = support_of(column)
        if len(support) < 2:
            break
        bit = support[-1]
        halves = column.reshape(-1, 2, 1 << bit)
        for at in (0, 1):
            half = halves[:, at]
            if half.min() == half.max() and kept in (None, int(half.flat[0])):
                kept = int(half.flat[0])
                literals.add((bit, at))
                column = np.repeat(halves[:, 1 - at][:, None], 2, axis=1).reshape(-1)
                break
        else:
            break
    return column, frozenset(literals)
