"""The parts of hardware, counted before it is built: adders, choices, tables, memories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from kanhw.gateware.parts.multiplier import CHUNK_BITS, WHOLE_BITS
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.parts.terms import Term
from kanhw.targets.lut import LUT_INPUTS

__all__ = [
    "PRODUCT_BITS",
    "HardwareCosts",
    "MemoryShape",
    "choice_luts",
    "product_costs",
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
    """

    words: int
    width: int
    ports: int = 1
    written: bool = False

    @property
    def bits(self) -> int:
        """Of all words."""
        return self.words * self.width


@dataclass(frozen=True)
class HardwareCosts:
    """Parts of some hardware, in units that do not depend on a family of FPGAs.

    Parameters
    ----------
    adder_bits
        Bits of two-input adders.
    accumulator_bits
        Bits of adders with a register that they add to, or start again.
    choice_luts
        LUT6 of multiplexers: four values a LUT and bit.
    serializer_luts
        The same of multiplexers among many registers.
    table_luts
        LUT6 of tables of constants.
    register_bits
        Bits of registers.
    multipliers
        Products that are worth a block of their own.
    counters
        Bits of counters and comparisons.
    memories
        Every memory.
    """

    adder_bits: int = 0
    accumulator_bits: int = 0
    choice_luts: int = 0
    serializer_luts: int = 0
    table_luts: int = 0
    register_bits: int = 0
    multipliers: int = 0
    counters: int = 0
    memories: tuple[MemoryShape, ...] = ()

    def __add__(self, other: HardwareCosts) -> HardwareCosts:
        return HardwareCosts(
            *(getattr(self, f.name) + getattr(other, f.name) for f in fields(self))
        )

    def times(self, count: int) -> HardwareCosts:
        """``count`` of the same hardware."""
        return HardwareCosts(*(getattr(self, f.name) * count for f in fields(self)))


def table_luts(address_bits: int, width: int) -> int:
    """LUT6 of a table of ``2**address_bits`` constants of ``width`` bits."""
    return width << max(address_bits - LUT_INPUTS, 0)


def choice_luts(count: int, width: int) -> int:
    """LUT6 that choose one of ``count`` values of ``width`` bits, four of them in each."""
    return width * -(-(count - 1) // 3)


def product_costs(one: Range, other: Range) -> HardwareCosts:
    """Costs of a product of two integers that change: multiplier blocks, or a table if small.

    A product too wide for a block is that of every part of one by every part of the other.
    """
    width = (one * other).format.width
    if width < PRODUCT_BITS:
        return HardwareCosts(table_luts=table_luts(one.format.width + other.format.width, width))
    # A block's operands are signed: without their signs they have a bit less.
    narrow, wide = sorted(reach.format.width - reach.format.signed for reach in (one, other))
    across, along = (max(-(-narrow // (CHUNK_BITS - 1)), 1), max(-(-wide // (WHOLE_BITS - 1)), 1))
    return HardwareCosts(multipliers=across * along)


def tree_costs(terms: Sequence[Term], levels: int) -> HardwareCosts:
    """Adders and inner registers of an :class:`~kanhw.gateware.parts.adder_tree.AdderTree`.

    Where one operand has low bits that are zero, the other's go through without an adder.
    """
    nodes = [(term.value_range, term.shift) for term in terms]
    depth = max(len(nodes) - 1, 0).bit_length()
    adders = registers = 0
    for level in range(1, depth + 1):
        ordered = sorted(nodes, key=lambda node: max(abs(node[0].lo), abs(node[0].hi)))
        nodes = []
        for k in range(0, len(ordered) - 1, 2):
            (one, low), (other, high) = ordered[k], ordered[k + 1]
            total = one + other
            adders += total.format.width - max(low, high)
            nodes.append((total, min(low, high)))
        nodes += ordered[len(nodes) * 2 :]
        if levels and level % levels == 0 and level < depth:
            registers += sum(reach.format.width - low for reach, low in nodes)
    return HardwareCosts(adder_bits=adders, register_bits=registers)
