"""A table as a sum of tables that are cheaper than it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kanhw.formats import IntArray
from kanhw.gateware.parts.minimise import MinimisedTable

__all__ = ["FLIP_FLOP_LUTS", "Coding", "bit_luts", "codings_of"]

# LUTs of a bit by how many address bits it depends on. Up to five, a LUT holds two bits. Of seven,
# synthesis finds about this in published networks.
BIT_LUTS = (0.0, 0.0, 0.5, 0.5, 0.5, 0.5, 1.0, 1.85)
# A flip-flop, so that of two codings with the same LUTs the one with fewer bits is taken.
FLIP_FLOP_LUTS = 0.05
# How many splits by value are tried.
SPLITS = 4


def bit_luts(address_bits: int) -> float:
    """LUTs of one bit of a table."""
    if address_bits < len(BIT_LUTS):
        return BIT_LUTS[address_bits]
    return float(1 << (address_bits - 6)) * 0.95


@dataclass(frozen=True)
class Coding:
    """Tables in place of one.

    Parameters
    ----------
    luts
        About what the tables take, with something for their registers.
    bits
        How many more bits than those of the table there are to add up.
    tables
        On the same address; together they contribute what the one does.
    """

    luts: float
    bits: int
    tables: tuple[MinimisedTable, ...]

    def cost(self, adder_luts: float) -> float:
        """LUTs in all, if a bit more costs so many in the adders."""
        return self.luts + self.bits * adder_luts


def codings_of(table: MinimisedTable, *, differences: bool = True) -> tuple[Coding, ...]:
    """The table itself, and for each number of further bits the coding with the fewest LUTs.

    Two codings are tried for every address bit. *Differences*: the entries where the bit is 0 (or
    1), which do not depend on it, plus the difference to the others, which is a constant where the
    bit is 0 (or 1): what a flip-flop's set or reset gives for nothing. *Split*: the upper bits of
    the smaller of two neighbours, which do not depend on the bit, plus what they leave.

    Parameters
    ----------
    table
        Values that are not negative. Where the entries of the upper half of the addresses are all
        the same, that half is taken to be a set or reset too.
    differences
        Whether a register follows, so that set and reset are there.
    """
    values = np.array(table.values, np.int64)
    half = len(values) // 2
    flagged = differences and len(set(table.values[half:])) == 1
    core, over = (values[:half], int(values[-1])) if flagged else (values, None)
    bits = max(len(core).bit_length() - 1, 0)
    plain = Coding(_width(values) * (bit_luts(bits) + FLIP_FLOP_LUTS), 0, (table,))
    if table.padding is not None or len(values) < 4 or table.constant:
        return (plain,)
    best: dict[int, Coding] = {}
    for bit in range(bits):
        for coding in _codings(table, core, over, bit, differences=differences):
            if coding.bits not in best or coding.luts < best[coding.bits].luts - 1e-9:
                best[coding.bits] = coding
    return (plain, *best.values())


def _codings(
    table: MinimisedTable, core: IntArray, over: int | None, bit: int, *, differences: bool
) -> Iterator[Coding]:
    pairs = core.reshape(-1, 2, 1 << bit)
    for kept in (1, 0) if differences else ():
        yield _difference(table, pairs, kept, over)
    for places in range(min(SPLITS, _width(core))):
        for offset in range(1 << places):
            yield _split(table, pairs, places, offset, over)


def _difference(table: MinimisedTable, pairs: IntArray, kept: int, over: int | None) -> Coding:
    """The entries of one half of the pairs, and the gated difference to the other half."""
    base, other = pairs[:, kept], pairs[:, 1 - kept]
    step = other - base
    rest = max(0, -int(step.min()))
    gated = np.full_like(pairs, rest)
    gated[:, 1 - kept] += step
    smooth = np.stack([base, base], axis=1) - rest
    ends = [smooth.min()] + ([] if over is None else [over - rest])
    lift = -int(min(ends))
    first = _part(smooth + lift, None if over is None else over - rest + lift)
    second = _part(gated, None if over is None else rest)
    small = bit_luts(pairs.size.bit_length() - 2) + FLIP_FLOP_LUTS
    # A reset where the address bit is 0 may need an inverter.
    luts = (_width(first) + _width(second)) * small + 0.01 * (1 - kept)
    offset = table.offset + (lift << table.shift)
    parts = _tables((first, table.shift, offset), (second, table.shift, 0))
    return Coding(luts, _width(second), parts)


def _split(
    table: MinimisedTable, pairs: IntArray, places: int, lift: int, over: int | None
) -> Coding:
    """The upper bits of the smaller of each pair, and what is left of both."""
    lifted = pairs + lift
    upper = lifted.min(axis=1, keepdims=True) >> places
    lower = lifted - (upper << places)
    top = None if over is None else (over + lift) >> places
    first = _part(np.repeat(upper, 2, axis=1), top)
    second = _part(lower, None if over is None or top is None else over + lift - (top << places))
    bits = pairs.size.bit_length() - 1
    luts = _width(first) * (bit_luts(bits - 1) + FLIP_FLOP_LUTS)
    luts += _width(second) * (bit_luts(bits) + FLIP_FLOP_LUTS)
    offset = table.offset + (lift << table.shift)
    parts = _tables((first, table.shift + places, offset), (second, table.shift, 0))
    return Coding(luts, max(_width(second) - places, 0), parts)


def _part(pairs: IntArray, over: int | None) -> IntArray:
    core = pairs.reshape(-1)
    return core if over is None else np.concatenate([core, np.full_like(core, over)])


def _tables(*parts: tuple[IntArray, int, int]) -> tuple[MinimisedTable, ...]:
    return tuple(MinimisedTable(tuple(v.tolist()), shift, offset) for v, shift, offset in parts)


def _width(values: IntArray) -> int:
    return int(values.max()).bit_length()
