"""Adders of three operands, column by column, before anything is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

__all__ = ["Column", "Row", "Sum", "columns_of", "luts_of"]


@dataclass(frozen=True, order=True)
class Row:
    """An operand that is not negative: a multiple of ``2**shift`` up to ``maximum``.

    ``fixed`` says that it is always ``maximum``, a constant.
    """

    maximum: int
    shift: int = 0
    fixed: bool = False

    def has(self, column: int) -> bool:
        """True where the bit of weight ``2**column`` may be set."""
        if self.fixed:
            return bool(self.maximum >> column & 1)
        return self.shift <= column < self.maximum.bit_length()


@dataclass(frozen=True)
class Column:
    """One bit of an adder: ``operands`` are the places of those with a bit here.

    ``side`` tells that a side carry (the majority of three operands one column below, or the bit
    that is carried in) enters; ``hands_on`` that the column makes one for the next.
    """

    place: int
    operands: tuple[int, ...]
    side: bool
    hands_on: bool


def columns_of(rows: Sequence[Row], carried: Row | None, limit: int) -> tuple[Column, ...]:
    """The columns of an adder that need a LUT, which are neighbours.

    Columns below them have one operand at most; of the one above them, if the sum has one, the
    value is a carry.

    Parameters
    ----------
    rows
        The operands, at most three of which have a bit in the same column.
    carried
        One bit more, which must have the weight of the first column with a LUT.
    limit
        Columns from here on do not matter.
    """
    top = sum(row.maximum for row in rows) + (carried.maximum if carried else 0)
    width = min(top.bit_length(), limit)
    highest = max(row.maximum.bit_length() for row in rows)
    columns: list[Column] = []
    side = chain = False
    for place in range(width):
        operands = tuple(k for k, row in enumerate(rows) if row.has(place))
        if not columns:
            side = carried is not None and carried.shift == place
            if len(operands) < 2 and not side:
                continue
        # Behind nothing but side carries, the last of them is the sum's bit as it is.
        if not operands and place >= highest and not (side and chain):
            break
        hands_on = len(operands) == 3 or (len(operands) == 2 and side)
        columns.append(Column(place, operands, side, hands_on))
        chain = chain or side or len(operands) == 2
        side = hands_on
    return tuple(columns)


def luts_of(rows: Sequence[Row], limit: int) -> int:
    """The number of columns of :func:`columns_of` without a bit carried in; many times as fast."""
    if any(row.fixed for row in rows):
        return len(columns_of(rows, None, limit))
    spans = [(row.shift, row.maximum.bit_length()) for row in rows]
    width = min(sum(row.maximum for row in rows).bit_length(), limit)
    highest = max(top for _, top in spans)
    luts = 0
    side = chain = False
    for place in range(sorted(spans)[1][0] if len(spans) > 1 else width, width):
        count = 0
        for bottom, top in spans:
            if bottom <= place < top:
                count += 1
        if not luts and count < 2:
            continue
        if not count and place >= highest and not (side and chain):
            break
        luts += 1
        chain = chain or side or count == 2
        side = count == 3 or (count == 2 and side)
    return luts


@dataclass(frozen=True)
class Sum:
    """A tree of adders: a leaf has an ``operand``, a node the parts that it adds.

    ``carried`` is the operand of one bit that enters with the carry. A node whose parts have no
    column in common only puts them side by side.
    """

    row: Row
    operand: int | None = None
    parts: tuple[Sum, ...] = ()
    carried: Sum | None = None

    @cached_property
    def level(self) -> int:
        """Adders on the longest way from an operand."""
        if not self.parts:
            return 0
        return max(part.level for part in self.parts) + (not self.beside)

    @property
    def beside(self) -> bool:
        """True where parts are put side by side and nothing is added."""
        tops = sorted((p.row.shift, p.row.maximum.bit_length()) for p in self.parts)
        apart = all(a[1] <= b[0] for a, b in pairwise(tops))
        return apart and self.carried is None

    def columns(self, limit: int) -> tuple[Column, ...]:
        """Those of the adder at the root."""
        rows = [part.row for part in self.parts]
        return columns_of(rows, self.carried.row if self.carried else None, limit)

    def cost(self, limit: int) -> int:
        """LUTs of all adders."""
        own = len(self.columns(limit)) if self.parts else 0
        return own + sum(part.cost(limit) for part in self.parts)
