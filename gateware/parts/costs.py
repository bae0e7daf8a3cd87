"""The parts of hardware, counted before it is built: adders, choices, tables, memories."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import zip_longest
from typing import NamedTuple

import numpy as np

from kanhw.formats import IntArray
from kanhw.gateware.parts.counting.partial_products import rows_of_bits
from kanhw.gateware.parts.counting.table_pieces import all_different
from kanhw.gateware.parts.signals import Range
from kanhw.targets.lut import LUT_INPUTS
from kanhw.targets.multipliers import Addend, Product, Rows

__all__ = [
    "PRODUCT_BITS",
    "TABLE_SIZES",
    "Chain",
    "HardwareCosts",
    "MemoryContent",
    "MemoryShape",
    "choice_luts",
    "delay_costs",
    "product_costs",
    "product_of",
    "products_of",
    "table_costs",
    "table_luts",
    "wide_choices",
]

# Bits of a product from which on synthesis takes a multiplier block.
PRODUCT_BITS = 9


@dataclass(frozen=True)
class MemoryContent:
    """The constants of a memory, if it is made a table of them.

    Parameters
    ----------
    table_bits, table_pieces
        As of :class:`HardwareCosts`.
    varying
        Different bits of a word that are not always the same: those that a register keeps.
    """

    table_bits: tuple[int, ...]
    table_pieces: tuple[int, ...]
    varying: int


@dataclass(frozen=True)
class MemoryShape:
    """A memory: ``words`` of ``width`` bits, and how it is used.

    Parameters
    ----------
    words, width
        Its size.
    ports
        Read ports.
    written
        Whether it is written as well, so that no table of constants can stand for it.
    registered
        Whether a word comes a clock after its address.
    content
        What is in it, where it is small enough for a table; None: unknown, or it is not.
    """

    words: int
    width: int
    ports: int = 1
    written: bool = False
    registered: bool = True
    content: MemoryContent | None = None

    @property
    def bits(self) -> int:
        """Of all words."""
        return self.words * self.width


class Chain(NamedTuple):
    """A carry chain of some places.

    In ``both`` of them two bits meet, in ``passing`` one meets a constant or the carry alone;
    places below are there as well where sums of more operands are mapped. ``silent`` places give a
    carry and no sum.
    """

    places: int
    both: int
    passing: int
    silent: int


# Fields that are added up entry by entry.
_BY_SIZE = ("table_bits", "table_pieces", "reset_bits", "reset_pieces")
TABLE_SIZES = 17
"""Address bits of tables are counted one by one up to one less than this."""


@dataclass(frozen=True)
class HardwareCosts:
    """Parts of some hardware, in units that do not depend on a family of FPGAs.

    Parameters
    ----------
    adder_bits, passing_bits, adders
        Bits of two-input adders in which two bits meet; those through which the carry goes alone;
        and how many adders there are.
    inverted_bits
        Those of them that are taken off.
    compressor_bits
        Adders of sums of more operands before they are two: 4 a full one, 3 a half one, which has
        two outputs as well.
    accumulator_bits
        Bits of adders with a register that they add to, or start again.
    choice_luts
        LUT6 of multiplexers: four values a LUT and bit.
    wide_choices
        Multiplexers of two values that such LUTs are more than one of each.
    serializer_luts
        The same of multiplexers among many registers.
    table_luts
        LUT6 of logic that is neither of these nor a table.
    table_bits
        By address bits, 0 on: bits of tables of constants that depend on as many.
    table_pieces
        Of those whose bits depend on more address bits than a LUT reads: pieces, multiplexers and
        gates (:mod:`kanhw.gateware.parts.counting.table_pieces`).
    reset_bits, reset_pieces, reset_signals
        What changes of ``table_bits`` and ``table_pieces`` where registers behind tables are set
        and reset in the place of a part of them, and LUTs that do it
        (:mod:`kanhw.gateware.parts.counting.resets`).
    chains
        The adders one by one, of sums that are counted as synthesis makes them.
    register_bits
        Bits of registers.
    delays
        Clocks, and bits, of what only waits: registers in a row, which may be shift registers.
    products
        Products of two values that change.
    counters
        Bits of counters and comparisons.
    controls
        Buffers of streams: what decides whether they take, give and start again.
    memories
        Every memory.
    cells, carries
        LUTs and carry cells that are instantiated.
    """

    adder_bits: int = 0
    passing_bits: int = 0
    adders: int = 0
    inverted_bits: int = 0
    compressor_bits: int = 0
    accumulator_bits: int = 0
    choice_luts: int = 0
    wide_choices: int = 0
    serializer_luts: int = 0
    table_luts: int = 0
    table_bits: tuple[int, ...] = ()
    table_pieces: tuple[int, ...] = ()
    reset_bits: tuple[int, ...] = ()
    reset_pieces: tuple[int, ...] = ()
    reset_signals: int = 0
    chains: tuple[Chain, ...] = ()
    register_bits: int = 0
    delays: tuple[tuple[int, int], ...] = ()
    products: tuple[Product, ...] = ()
    counters: int = 0
    controls: int = 0
    memories: tuple[MemoryShape, ...] = ()
    cells: int = 0
    carries: int = 0

    @property
    def registers(self) -> int:
        """Bits of registers, those in a row among them."""
        return self.register_bits + sum(clocks * bits for clocks, bits in self.delays)

    @property
    def multipliers(self) -> int:
        """Products that are worth a block of their own, in the largest there are."""
        return sum(product.result >= PRODUCT_BITS for product in self.products)

    def __add__(self, other: HardwareCosts) -> HardwareCosts:
        sums = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        for name in _BY_SIZE:
            both = zip_longest(getattr(self, name), getattr(other, name), fillvalue=0)
            sums[name] = tuple(one + two for one, two in both)
        return HardwareCosts(**sums)

    def times(self, count: int) -> HardwareCosts:
        """``count`` of the same hardware."""
        each = {f.name: getattr(self, f.name) * count for f in fields(self)}
        for name in _BY_SIZE:
            each[name] = tuple(bits * count for bits in getattr(self, name))
        return HardwareCosts(**each)


def table_luts(address_bits: int, width: int) -> int:
    """LUT6 of a table of ``2**address_bits`` constants of ``width`` bits."""
    return width << max(address_bits - LUT_INPUTS, 0)


def table_costs(address_bits: int, width: int) -> HardwareCosts:
    """Costs of a table of ``2**address_bits`` constants of ``width`` bits."""
    size = min(address_bits, TABLE_SIZES - 1)
    return HardwareCosts(
        table_bits=(*[0] * size, width), table_pieces=all_different(address_bits, width)
    )


def delay_costs(clocks: int, bits: int) -> HardwareCosts:
    """Costs of ``bits`` that wait for some clocks."""
    return HardwareCosts(delays=((clocks, bits),)) if clocks > 0 and bits > 0 else HardwareCosts()


def wide_choices(count: int, width: int) -> int:
    """Multiplexers of two in a choice among values, less the LUTs of :func:`choice_luts`."""
    return width * (count - 1) - choice_luts(count, width) if count else 0


def choice_luts(count: int, width: int) -> int:
    """LUT6 that choose one of ``count`` values of ``width`` bits, four of them in each."""
    return width * -(-(count - 1) // 3)


def product_of(one: Range, other: Range, added: Range | None = None) -> Product:
    """A product of two integers, by the widths of both in two's complement and of the result.

    Parameters
    ----------
    one, other
        Ranges of the factors.
    added
        Of what is added to the product before a register; None: nothing is.
    """
    formats = sorted(
        (r.format.width + (not r.format.signed), r.format.signed) for r in (one, other)
    )
    (narrow, below), (wide, sign) = formats
    known = addend = None
    for constant, factor in ((one, other), (other, one)):
        if constant.lo == constant.hi:
            known = _constant_rows(constant.lo, factor)
    if added is not None:
        format = added.format
        addend = Addend(format.width, format.signed, (one * other + added).format.width)
    result = (one * other).format.width
    return Product(wide, narrow, result, (sign, below), known, addend=addend)


def products_of(factors: IntArray, reach: Range, values: Range) -> tuple[Product, ...]:
    """Products of values and of factors from a memory, one for every column of it.

    Parameters
    ----------
    factors
        ``[words, columns]``; a bit that none of a column has is no row in logic, and one that all
        of it have no gates, but a block is taken before synthesis knows it.
    reach
        Of all factors.
    values
        Of the other factor.
    """
    every, format = product_of(reach, values), values.format
    places, found = np.arange(reach.format.width), []
    for column in factors.T:
        if (column == column[0]).all():
            known = _constant_rows(int(column[0]), values)
        else:
            bits = (column[:, None] >> places) & 1
            known = rows_of_bits(bits, reach.format.signed, format.width, format.signed)
        found.append(replace(every, known=known))
    return tuple(found)


def _constant_rows(constant: int, factor: Range) -> Rows:
    """A row for every bit of a constant that is 1; its sign is no logic."""
    size = abs(constant)
    places = tuple(place for place in range(size.bit_length()) if size >> place & 1)
    return Rows(factor.format.width, factor.format.signed, places, False, 0)


def product_costs(one: Range, other: Range) -> HardwareCosts:
    """Costs of a product of two integers that change.

    A product too wide for a block is that of every part of one by every part of the other.
    """
    return HardwareCosts(products=(product_of(one, other),))
