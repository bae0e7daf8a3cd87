"""Edge tables made smaller before they become logic: fewer bits, and a constant offset.

Everything here is exact: entries change only at addresses that interval analysis proves
unreachable, and what is taken out as a constant is given back by the adder tree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanhw.formats import IntArray
from kanhw.gateware.parts.counting.support import support_of
from kanhw.targets.lut import LUT_INPUTS

__all__ = [
    "MinimisedTable",
    "bit_supports",
    "minimise_table",
    "projected",
    "support_of",
    "table_cost",
]

# How many offsets of a table are tried at most, and how many entries that may take.
OFFSETS, OFFSET_ENTRIES = 64, 1 << 14


@dataclass(frozen=True)
class MinimisedTable:
    """``original[a] = values[a] * 2**shift - offset`` at every reachable address a.

    ``values`` are not negative. A table that adds a constant has a single distinct value. For an
    input that may be absent, ``padding`` is the value with which it adds nothing.
    """

    values: tuple[int, ...]
    shift: int
    offset: int
    padding: int | None = None

    @property
    def outputs(self) -> tuple[int, ...]:
        """Everything that the table may hand out."""
        return self.values if self.padding is None else (*self.values, self.padding)

    @property
    def constant(self) -> bool:
        """True where the table always hands out the same."""
        return len(set(self.outputs)) == 1


def minimise_table(
    table: IntArray, lowest: int, highest: int, *, padded: bool = False
) -> MinimisedTable:
    """Reduce a table to the fewest and cheapest bits.

    Parameters
    ----------
    table
        ``[2**n]`` integers.
    lowest, highest
        The addresses that can occur.
    padded
        Whether the input may be absent.
    """
    filled = table.copy()
    # An unreachable entry repeats its nearest reachable neighbour: that cannot add a bit.
    filled[:lowest], filled[highest + 1 :] = table[lowest], table[highest]
    # Adding nothing is one entry more, without an address.
    outputs = np.append(filled, 0) if padded else filled
    base = int(outputs.min())
    shift = _common_shift(outputs - base)
    top = (int(outputs.max()) - base) >> shift
    values, extra = _cheapest_offset((filled - base) >> shift, top)
    padding = (-base >> shift) + extra if padded else None
    return MinimisedTable(tuple(values.tolist()), shift, (extra << shift) - base, padding)


def _common_shift(steps: IntArray) -> int:
    """The number of low bits that are zero in every entry."""
    combined = int(np.bitwise_or.reduce(steps))
    return (combined & -combined).bit_length() - 1 if combined else 0


def _cheapest_offset(values: IntArray, top: int) -> tuple[IntArray, int]:
    """Add the constant that makes the bits cheapest without widening a table up to ``top``."""
    if top == 0:
        return values, 0
    room = (1 << top.bit_length()) - 1 - top
    count = min(room + 1, OFFSETS, max(OFFSET_ENTRIES // values.shape[0], 1))
    # Ties go to the smallest constant, which argmin finds first.
    best = int(np.argmin(_costs(values + np.arange(count)[:, None])))
    return values + best, best


def table_cost(values: IntArray) -> int:
    """LUT6 of a table, bit by bit: 1 up to 6 address bits, doubling beyond, less where it can.

    A bit costs nothing when it is constant, one of the address bits, or a copy of another bit, and
    counts only the address bits that it depends on.

    Parameters
    ----------
    values
        ``[2**n]`` integers, none of them negative.
    """
    return _costs(values[None])[0]


def _costs(tables: IntArray) -> list[int]:
    """:func:`table_cost` of every row of ``[tables, 2**n]``."""
    depth = tables.shape[1]
    address_bits = depth.bit_length() - 1
    positions = np.arange(max(int(tables.max()).bit_length(), 1))[:, None]
    # [tables, positions, depth]; starting every column with 0 makes a bit and its complement equal.
    columns = ((tables[:, None] >> positions) & 1).astype(bool)
    columns ^= columns[:, :, :1]
    costs = 1 << np.maximum(_support(columns, address_bits) - LUT_INPUTS, 0)
    free = ((np.arange(depth) >> np.arange(address_bits)[:, None]) & 1).astype(bool)
    patterns = {bytes(depth), *(column.tobytes() for column in free)}
    totals = []
    for table, bit_costs in zip(columns, costs.tolist(), strict=True):
        bits = {column.tobytes(): cost for column, cost in zip(table, bit_costs, strict=True)}
        totals.append(sum(cost for bit, cost in bits.items() if bit not in patterns))
    return totals


def _support(columns: npt.NDArray[np.bool_], address_bits: int) -> IntArray:
    """The number of address bits that each column ``[tables, positions, depth]`` depends on."""
    support = np.zeros(columns.shape[:2], np.int64)
    if address_bits <= LUT_INPUTS:
        return support  # whatever it is, one LUT holds the bit
    for bit in range(address_bits):
        halves = columns.reshape(*columns.shape[:2], -1, 2, 1 << bit)
        support += (halves[:, :, :, 0] != halves[:, :, :, 1]).any(axis=(2, 3))
    return support


def projected(values: IntArray, support: tuple[int, ...]) -> IntArray:
    """The entries ``[2**len(support)]`` over some address bits, where all others are 0."""
    small = np.arange(1 << len(support))
    address = sum(((small >> k & 1) << bit for k, bit in enumerate(support)), np.zeros_like(small))
    return values[address]


def bit_supports(values: IntArray) -> tuple[int, ...]:
    """Of every bit of entries ``[2**n]`` that are not negative, the address bits it depends on."""
    places = np.arange(int(values.max()).bit_length())
    columns = values >> places[:, None] & 1
    counts = np.zeros(len(places), np.int64)
    for bit in range(len(values).bit_length() - 1):
        halves = columns.reshape(len(places), len(values) >> bit + 1, 2, 1 << bit)
        counts += (halves[:, :, 0] != halves[:, :, 1]).any(axis=(1, 2))
    return tuple(counts.tolist())
