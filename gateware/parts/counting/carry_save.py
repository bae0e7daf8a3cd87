"""Sums of several operands, counted as synthesis makes them: carry-save, and one carry chain.

Yosys joins additions that no register parts and no narrow signal cuts off (``alumacc``). What
adds up two operands becomes a carry chain. More of them become rows of bits, of which every three
are two by full adders (``maccmap``), until two are left for a carry chain. A full adder is made of
LUTs, so a family takes more or less for it than for a place of a chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Summand", "SummedBits", "may_overflow", "summed_bits"]

# A bit that is always 1; all other bits are numbered.
ONE = -1
Row = dict[int, int]


@dataclass(frozen=True)
class Summand:
    """An operand: ``2**low`` times an integer of some bits, added or taken off.

    Parameters
    ----------
    low, width
        Places that are 0, and bits above them.
    signed
        Whether the last bit counts negative; it is repeated above.
    negative
        Whether the operand is taken off.
    constant
        Its value, of all bits, where it is always the same; None where it changes.
    """

    low: int
    width: int
    signed: bool = False
    negative: bool = False
    constant: int | None = None


@dataclass(frozen=True)
class SummedBits:
    """What a sum is made of.

    Parameters
    ----------
    adder
        Places of a carry chain where two bits meet.
    passing
        Its other places, where a bit meets a constant or the carry alone.
    full, half
        Full adders in front of the chain, of three bits that change and of two.
    chains
        1, or 0 where nothing is added.
    inverted
        Bits that are taken off in a chain.
    places
        Of the chain as it is mapped: of two operands from where both have bits, of more of them
        all that the sum has.
    silent
        Places of the chain that give a carry and no sum: nobody reads it, or it is that carry.
    """

    adder: int = 0
    passing: int = 0
    full: int = 0
    half: int = 0
    chains: int = 0
    inverted: int = 0
    places: int = 0
    silent: int = 0


def may_overflow(summands: Sequence[Summand], width: int) -> bool:
    """Whether synthesis cannot tell that a sum of such operands fits in so many bits.

    It does not know ranges, only how many bits every operand has.
    """
    signed = any(s.signed for s in summands)
    if any(s.negative for s in summands) and not signed:
        return True
    # Beside signed operands one that cannot be negative has a sign as well.
    most = sum((1 << (s.low + s.width + (signed and not s.signed))) - 1 for s in summands)
    return most.bit_length() > width


def summed_bits(summands: Sequence[Summand], width: int, unread: int = 0) -> SummedBits:
    """What the sum of operands, of which ``width`` bits are wanted, is made of.

    Parameters
    ----------
    summands
        The operands.
    width
        Bits of the sum.
    unread
        Lowest bits of it that nobody reads: what is rounded away.
    """
    if len(summands) < 2:
        return SummedBits()
    # A third operand of one bit is what comes into the chain.
    rest = [s for s in summands if (s.low, s.width, s.signed, s.negative) != (0, 1, False, False)]
    if len(summands) == 2 or (len(summands), len(rest)) == (3, 2):
        pair = rest if len(rest) == 2 else summands
        return _chain(pair[0], pair[1], width, unread)
    columns = _Columns(width)
    for summand in summands:
        columns.add(summand)
    return columns.reduced(unread)


def _chain(one: Summand, other: Summand, width: int, unread: int) -> SummedBits:
    """Two operands: the places below the higher one go by, unless something is taken off there."""
    pair = (one, other)
    starts = [s.low if s.constant is None else _trailing(s.constant, width) for s in pair]
    start = min([max(starts), *(low for low, s in zip(starts, pair, strict=True) if s.negative)])
    # Signs that are repeated above both are added up once.
    own = [0 if s.constant is not None else min(s.low + s.width, width) for s in pair]
    ends = [
        max(own) if s.signed and s.constant is None else end
        for s, end in zip(pair, own, strict=True)
    ]
    both = max(min(ends) - max(starts), 0)
    taken = sum(s.width for s in pair if s.negative and s.constant is None)
    places = max(width - start, 0)
    # Above operands that cannot be negative there is the carry alone.
    alone = 0 if any(s.signed or s.negative for s in pair) else max(width - max(own), 0)
    silent = min(alone + max(min(unread, width) - start, 0), places)
    return SummedBits(
        both, max(places - both, 0), chains=1, inverted=taken, places=places, silent=silent
    )


def _trailing(value: int, width: int) -> int:
    """Places below the lowest bit that is 1."""
    return (value & -value).bit_length() - 1 if value else width


class _Columns:
    """Bits by place."""

    def __init__(self, width: int) -> None:
        self._columns: list[dict[int, None]] = [{} for _ in range(width)]
        self._made: dict[tuple[int, ...], tuple[int, int]] = {}
        self._next = 0
        self._full = self._half = 0

    def add(self, summand: Summand) -> None:
        """All bits of an operand."""
        if summand.constant is not None:
            value = -summand.constant if summand.negative else summand.constant
            for place in range(len(self._columns)):
                if value >> place & 1:
                    self._insert(ONE, place)
            return
        first, self._next = self._next, self._next + summand.width
        top = len(self._columns) if summand.signed else summand.low + summand.width
        for place in range(summand.low, min(top, len(self._columns))):
            self._insert(first + min(place - summand.low, summand.width - 1), place)
        if summand.negative:
            # Inverted, also where it has no bits: that is 1 there, and 1 more in the last place.
            for place in (*range(summand.low), *range(top, len(self._columns)), 0):
                self._insert(ONE, place)

    def _insert(self, bit: int, place: int) -> None:
        """A bit; twice the same in one place is once in the next."""
        while place < len(self._columns) and bit in self._columns[place]:
            del self._columns[place][bit]
            place += 1
        if place < len(self._columns):
            self._columns[place][bit] = None

    def reduced(self, unread: int) -> SummedBits:
        """Rows of three are made two, until two are left."""
        rows = self._rows()
        while len(rows) > 2:
            whole = len(rows) // 3 * 3
            made = [row for k in range(0, whole, 3) for row in self._three(rows[k : k + 3])]
            rows = made + rows[whole:]
        if len(rows) < 2:
            return SummedBits(full=self._full, half=self._half)
        met = {place: (rows[0][place], rows[1][place]) for place in rows[0] if place in rows[1]}
        start = min(met, default=len(self._columns))
        # Signs that are repeated are added up once.
        both = len({pair for pair in met.values() if ONE not in pair})
        width = len(self._columns)
        passing = max(width - start - both, 0)
        top = range(max(start, unread), width)
        alone = sum(place not in rows[0] and place not in rows[1] for place in top)
        silent = alone + max(min(unread, width) - start, 0)
        return SummedBits(both, passing, self._full, self._half, 1, places=width, silent=silent)

    def _rows(self) -> list[Row]:
        rows: list[Row] = []
        for place, column in enumerate(self._columns):
            for k, bit in enumerate(column):
                if k == len(rows):
                    rows.append({})
                rows[k][place] = bit
        return rows

    def _three(self, rows: list[Row]) -> list[Row]:
        """Sums, and carries a place above."""
        sums, carries = Row(), Row()
        for place in range(len(self._columns)):
            bits = tuple(sorted(row[place] for row in rows if place in row))
            if len(bits) == 1:
                sums[place] = bits[0]
            if len(bits) < 2:
                continue
            total, carry = self._adder(bits)
            sums[place] = total
            if place + 1 < len(self._columns):
                carries[place + 1] = carry
        return [sums, carries]

    def _adder(self, bits: tuple[int, ...]) -> tuple[int, int]:
        """Sum and carry of two or three bits; the same ones are made once."""
        if bits not in self._made:
            changing = len(set(bits) - {ONE})
            self._full += changing == 3
            self._half += changing == 2
            self._made[bits] = self._next, self._next + 1
            self._next += 2
        return self._made[bits]
