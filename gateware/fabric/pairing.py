"""Which bits of tables share a LUT6_2, and which flip-flops are set and reset: a plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from amaranth.hdl import Shape, Signal

from kanhw.formats import IntArray
from kanhw.gateware.fabric.coding import bit_luts
from kanhw.gateware.fabric.interface import Place
from kanhw.gateware.parts.minimise import MinimisedTable, bit_supports, projected, support_of
from kanhw.gateware.parts.signals import Range

__all__ = [
    "LookedUp",
    "Pairing",
    "Source",
    "TableBit",
    "paired_luts",
    "sources_of",
    "table_luts",
    "table_supports",
]

PAIR_INPUTS = 5

# (address bit, its value)
_Literal = tuple[int, int]

Source = tuple[int, int, int]
"""An address bit as every table sees it: stream, input, and which bit of its address."""


@dataclass(eq=False)
class TableBit:
    """An output bit of tables: the address bits that matter, in order, and its truth table."""

    support: tuple[Source, ...]
    function: tuple[int, ...]
    value: Signal = field(default_factory=Signal)

    @classmethod
    def of(cls, sources: tuple[Source, ...], column: IntArray) -> TableBit:
        """Of its truth table over all address bits."""
        order = tuple(sorted(support_of(column), key=lambda place: sources[place]))
        support = tuple(sources[place] for place in order)
        return cls(support, tuple(projected(column, order).tolist()))

    @property
    def key(self) -> tuple[object, ...]:
        """The same of the same bits."""
        return self.support, self.function


@dataclass(frozen=True, eq=False)
class LookedUp:
    """What LUTs look up of a table ``[2**n]``, and where flip-flops are set and reset instead."""

    shape: Shape
    inside: IntArray
    literals: tuple[_Literal, ...]
    constant: int

    @classmethod
    def of(cls, table: MinimisedTable, *, registered: bool) -> LookedUp:
        """Of a table, which a register may follow."""
        shape = Range(min(table.outputs), max(table.outputs)).shape
        values = np.array(table.values, np.int64)
        literals, constant = _exception(values) if registered else ((), 0)
        return cls(shape, _elsewhere(values, literals), literals, constant)

    def bits(self, sources: tuple[Source, ...]) -> Iterator[TableBit]:
        """Every bit of what is handed out."""
        return (TableBit.of(sources, self.inside >> k & 1) for k in range(self.shape.width))


@dataclass(frozen=True, eq=False)
class Pairing:
    """Which bits share a LUT.

    ``free`` ones are an address bit or its complement, ``large`` ones depend on more address bits
    than two bits of a LUT may, the same ones in every group.
    """

    free: tuple[TableBit, ...]
    large: tuple[list[TableBit], ...]
    pairs: tuple[tuple[TableBit, TableBit], ...]
    alone: tuple[TableBit, ...]

    @classmethod
    def of(cls, bits: Iterable[TableBit]) -> Pairing:
        """Of all bits, each of them once."""
        free: list[TableBit] = []
        large: dict[tuple[Source, ...], list[TableBit]] = {}
        small: dict[tuple[tuple[int, int], ...], list[TableBit]] = {}
        for bit in bits:
            if len(bit.support) > PAIR_INPUTS:
                large.setdefault(bit.support, []).append(bit)
            elif len(bit.support) > 1:
                inputs = tuple(dict.fromkeys(source[:2] for source in bit.support))
                small.setdefault(inputs, []).append(bit)
            else:
                free.append(bit)
        pairs: list[tuple[TableBit, TableBit]] = []
        left = [bit for own in small.values() for bit in _paired(own, pairs)]
        alone = _paired_apart(left, pairs)
        return cls(tuple(free), tuple(large.values()), tuple(pairs), tuple(alone))

    @property
    def luts(self) -> float:
        """Of all of them."""
        large = sum(bit_luts(len(group[0].support)) * len(group) for group in self.large)
        return len(self.pairs) + len(self.alone) + large


def paired_luts(
    tables: Mapping[Place, Sequence[MinimisedTable]], *, registered: bool
) -> float:
    """The LUTs of some tables, by what they read.

    Where one of two address bits sets or resets flip-flops, that is a LUT too.
    """
    bits: dict[tuple[object, ...], TableBit] = {}
    signals: set[tuple[tuple[Source, int], ...]] = set()
    for place, own in tables.items():
        sources = sources_of(place)
        for table in own:
            looked_up = LookedUp.of(table, registered=registered)
            if len(looked_up.literals) > 1:
                signals.add(tuple((sources[bit], value) for bit, value in looked_up.literals))
            for bit in looked_up.bits(sources):
                bits.setdefault(bit.key, bit)
    return Pairing.of(bits.values()).luts + len(signals)


def table_luts(table: MinimisedTable, *, registered: bool) -> float:
    """About how many LUTs a table takes among others."""
    return sum(bit_luts(count) for count in table_supports(table, registered=registered))


def table_supports(table: MinimisedTable, *, registered: bool) -> tuple[int, ...]:
    """Of every bit of a table the number of address bits that its LUTs read."""
    values = np.array(table.values, np.int64)
    if registered:
        values = _elsewhere(values, _exception(values)[0])
    return bit_supports(values)


def _elsewhere(values: IntArray, literals: tuple[_Literal, ...]) -> IntArray:
    """The entries where none of the literals holds, wherever it holds too."""
    for bit, value in literals:
        halves = values.reshape(-1, 2, 1 << bit)
        values = np.repeat(halves[:, 1 - value : 2 - value], 2, axis=1).reshape(-1)
    return values


def sources_of(place: Place) -> tuple[Source, ...]:
    """The address bits that a table reads."""
    return tuple((r.branch, r.input, bit) for r in place for bit in r.bits)


def _paired(bits: list[TableBit], pairs: list[tuple[TableBit, TableBit]]) -> list[TableBit]:
    """Pairs of bits of the same inputs are added; gives those that are left."""
    waiting, alone = sorted(bits, key=lambda bit: -len(bit.support)), []
    while waiting:
        first = waiting.pop(0)
        second = next((bit for bit in waiting if _fits(first, bit)), None)
        if second is None:
            alone.append(first)
            continue
        waiting.remove(second)
        pairs.append((first, second))
    return alone


def _paired_apart(bits: list[TableBit], pairs: list[tuple[TableBit, TableBit]]) -> list[TableBit]:
    """Pairs of bits whatever they read are added; gives those that are left."""
    twos = [bit for bit in bits if len(bit.support) == 2]
    threes = [bit for bit in bits if len(bit.support) == 3]
    while twos and len(threes) + len(twos) > 1:
        pairs.append((threes.pop() if threes else twos.pop(), twos.pop()))
    return [*twos, *threes, *(bit for bit in bits if len(bit.support) > 3)]


def _fits(first: TableBit, second: TableBit) -> bool:
    return len({*first.support, *second.support}) <= PAIR_INPUTS


def _exception(values: IntArray) -> tuple[tuple[_Literal, ...], int]:
    """One address bit, or two, that make the table a constant, and the constant.

    The top bit is tried first and on its own, since with it go the flags of saturated addresses.
    """
    bits = len(values).bit_length() - 1
    found: tuple[tuple[_Literal, ...], int] = ((), 0)
    for top in reversed(range(bits)):
        for wanted in (1, 0):
            halves = values.reshape(-1, 2, 1 << top)
            here = halves[:, wanted]
            constant = int(here.flat[0])
            if (here != constant).any():
                continue
            if not found[0]:
                found = ((top, wanted),), constant
            for bit in reversed(range(bits)):
                for value in (1, 0):
                    if bit == top:
                        continue
                    mask = np.arange(len(values)) >> top & 1 != wanted
                    second = values[mask & ((np.arange(len(values)) >> bit & 1) == value)]
                    if (second == constant).all() and not (values == constant).all():
                        return ((top, wanted), (bit, value)), constant
    return found
