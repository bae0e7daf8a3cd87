"""The parts of hardware, counted before it is built: adders, choices, tables, memories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import zip_longest

from kanhw.gateware.parts.signals import Range
from kanhw.gateware.parts.terms import Term
from kanhw.targets.lut import LUT_INPUTS
from kanhw.targets.multipliers import Product

__all__ = [
    "PRODUCT_BITS",
    "TABLE_SIZES",
    "HardwareCosts",
    "MemoryShape",
    "choice_luts",
    "product_costs",
    "product_of",
    "table_costs",
    "table_luts",
    "tree_costs",
]

# Bits of a product from which on synthesis takes a multiplier block.
PRODUCT_BITS = 9


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
    """

    words: int
    width: int
    ports: int = 1
    written: bool = False
    registered: bool = True

    @property
    def bits(self) -> int:
        """Of all words."""
        return self.words * self.width


TABLE_SIZES = 17
"""Address bits of tables are counted one by one up to one less than this."""


@dataclass(frozen=True)
class HardwareCosts:
    """Parts of some hardware, in units that do not depend on a family of FPGAs.

    Parameters
    ----------
    adder_bits, adders
        Bits of two-input adders, and how many adders there are.
    accumulator_bits
        Bits of adders with a register that they add to, or start again.
    choice_luts
        LUT6 of multiplexers: four values a LUT and bit.
    serializer_luts
        The same of multiplexers among many registers.
    table_luts
        LUT6 of logic that is neither of these nor a table.
    table_bits
        By address bits, 0 on: bits of tables of constants that depend on as many.
    register_bits
        Bits of registers.
    products
        Products of two values that change.
    counters
        Bits of counters and comparisons.
    memories
        Every memory.
    cells, carries
        LUTs and carry cells that are instantiated.
    """

    adder_bits: int = 0
    adders: int = 0
    accumulator_bits: int = 0
    choice_luts: int = 0
    serializer_luts: int = 0
    table_luts: int = 0
    table_bits: tuple[int, ...] = ()
    register_bits: int = 0
    products: tuple[Product, ...] = ()
    counters: int = 0
    memories: tuple[MemoryShape, ...] = ()
    cells: int = 0
    carries: int = 0

    @property
    def multipliers(self) -> int:
        """Products that are worth a block of their own, in the largest there are."""
        return sum(product.result >= PRODUCT_BITS for product in self.products)

    def __add__(self, other: HardwareCosts) -> HardwareCosts:
        sums = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        sums["table_bits"] = tuple(
            one + two
            for one, two in zip_longest(self.table_bits, other.table_bits, fillvalue=0)
        )
        return HardwareCosts(**sums)

    def times(self, count: int) -> HardwareCosts:
        """``count`` of the same hardware."""
        each = {f.name: getattr(self, f.name) * count for f in fields(self)}
        each["table_bits"] = tuple(bits * count for bits in self.table_bits)
        return HardwareCosts(**each)


def table_luts(address_bits: int, width: int) -> int:
    """LUT6 of a table of ``2**address_bits`` constants of ``width`` bits."""
    return width << max(address_bits - LUT_INPUTS, 0)


def table_costs(address_bits: int, width: int) -> HardwareCosts:
    """Costs of a table of ``2**address_bits`` constants of ``width`` bits."""
    size = min(address_bits, TABLE_SIZES - 1)
    return HardwareCosts(table_bits=(*[0] * size, width))


def choice_luts(count: int, width: int) -> int:
    """LUT6 that choose one of ``count`` values of ``width`` bits, four of them in each."""
    return width * -(-(count - 1) // 3)


def product_of(one: Range, other: Range) -> Product:
    """A product of two integers, by the widths of both in two's complement and of the result."""
    widths = sorted(reach.format.width + (not reach.format.signed) for reach in (one, other))
    return Product(widths[1], widths[0], (one * other).format.width)


def product_costs(one: Range, other: Range) -> HardwareCosts:
    """Costs of a product of two integers that change.

    A product too wide for a block is that of every part of one by every part of the other.
    """
    return HardwareCosts(products=(product_of(one, other),))


def tree_costs(terms: Sequence[Term], levels: int, limit: int | None = None) -> HardwareCosts:
    """Adders and inner registers of an :class:`~kanhw.gateware.parts.adder_tree.AdderTree`.

    Where one operand has low bits that are zero, the other's go through without an adder. Bits that
    nobody reads are left out by synthesis.

    Parameters
    ----------
    terms, levels
        As for the tree.
    limit
        Bits of the sum that are read, from the lowest on; None: all.
    """
    most = limit or 1 << 30
    nodes = [(term.value_range, term.shift) for term in terms]
    depth = max(len(nodes) - 1, 0).bit_length()
    adders = registers = bits = 0
    for level in range(1, depth + 1):
        ordered = sorted(nodes, key=lambda node: max(abs(node[0].lo), abs(node[0].hi)))
        nodes = []
        for k in range(0, len(ordered) - 1, 2):
            (one, low), (other, high) = ordered[k], ordered[k + 1]
            total = one + other
            bits += max(min(total.format.width, most) - max(low, high), 0)
            adders += 1
            nodes.append((total, min(low, high)))
        nodes += ordered[len(nodes) * 2 :]
        if levels and level % levels == 0 and level < depth:
            registers += sum(
                max(min(reach.format.width, most) - low, 0) for reach, low in nodes
            )
    return HardwareCosts(adder_bits=bits, adders=adders, register_bits=registers)
