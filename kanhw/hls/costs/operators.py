"""What the operators of HLS take on UltraScale+, in one table, and where the figures are from.

All are Vivado HLS 2019.1's own estimates, read from the reports (``hw/results/*/syn/*.rpt``) that
the authors of FuncCode published with their nine designs: xczu9eg-ffvb1156-2-e, 6.67 ns. The cores
of float32 arithmetic are instances with figures of their own there; a latency is what the lengths
of their pipelined loops show. What integers take follows from the widths in the same reports' lists
of expressions. At another clock or in another version of the tool they are others.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

__all__ = [
    "FLOAT32",
    "READ_REGISTERS",
    "Operator",
    "adder",
    "choice",
    "comparison",
    "divider",
    "gate",
    "multiplexer",
    "multiplexer_of",
    "product",
    "shifter",
]


@dataclass(frozen=True)
class Operator:
    """An operator, and what an instance of it takes.

    Parameters
    ----------
    name
        For people.
    lut, ff, dsp
        Of an instance.
    latency
        Clocks from its inputs to its output; 0: within a clock.
    bits
        Of what it gives.
    shared
        Whether uses of it at different times share an instance, as large operators do.
    """

    name: str
    lut: int = 0
    ff: int = 0
    dsp: int = 0
    latency: int = 0
    bits: int = 32
    shared: bool = False


FLOAT32: dict[str, Operator] = {
    own.name: own
    for own in (
        Operator("add", 208, 205, 2, 5, shared=True),
        # Where a sum waits for itself HLS takes an adder without multiplier blocks, 4 clocks long.
        Operator("accumulate", 434, 168, 0, 4, shared=True),
        Operator("multiply", 139, 143, 3, 3, shared=True),
        Operator("divide", 799, 459, 0, 10, shared=True),
        Operator("exponential", 905, 324, 7, 9, shared=True),
        Operator("root", 511, 347, 0, 8, shared=True),
        Operator("compare", 72, 66, 0, 1, 1, shared=True),
        Operator("negate", 33),
        # A comparison that decides which of two values goes on.
        Operator("choose", 32),
    )
}
"""Operators on float32 values, by name."""

READ_REGISTERS = Operator("read of registers", 55)
"""One of some 10 to 64 registers of 32 bits, chosen at run time."""

# A block multiplies 27 by 18 bits.
_BLOCK = (27, 18)
# Products of fewer partial bits are look-up tables.
_IN_LUTS = 40


@cache
def adder(bits: int) -> Operator:
    """A sum or difference of integers of so many bits."""
    lut = bits + 7 if bits > 8 else 15 if bits > 4 else 12 if bits == 4 else 11
    return Operator(f"adder {bits}", lut, bits=bits)


@cache
def comparison(bits: int) -> Operator:
    """A comparison of two integers."""
    lut = 9 if bits <= 4 else 11 if bits <= 8 else 13 if bits <= 16 else 20 if bits <= 32 else 29
    return Operator(f"comparison {bits}", lut, bits=1)


@cache
def choice(bits: int) -> Operator:
    """One of two values."""
    return Operator(f"choice {bits}", max(bits, 2), bits=bits)


@cache
def gate(bits: int = 1) -> Operator:
    """An and, or, exclusive or."""
    return Operator(f"gate {bits}", 2 if bits == 1 else bits + 1, bits=bits)


@cache
def shifter(bits: int) -> Operator:
    """A shift by a distance that is known at run time: 97 look-up tables for 32 bits."""
    return Operator(f"shifter {bits}", round(97 * bits / 32), bits=bits)


@cache
def multiplexer_of(ways: int) -> Operator:
    """One of so many values, as an operator."""
    return Operator(f"one of {ways}", multiplexer(ways))


def multiplexer(ways: int) -> int:
    """Look-up tables of a choice between so many values, as reports count them: of any width."""
    if ways < 2:
        return 0
    return 6 * ways - 3 if ways <= 5 else 3 * ways + 17 if ways <= 12 else 4 * ways + 17


@cache
def product(a: int, b: int) -> Operator:
    """A product of integers of so many bits: multiplier blocks, or look-up tables if it is small.

    The sum behind it is in the block.
    """
    wide, narrow = max(a, b), min(a, b)
    if wide * narrow < _IN_LUTS:
        return Operator(f"product {wide} x {narrow}", wide * narrow, bits=a + b)
    blocks = min(
        -(-first // _BLOCK[0]) * -(-second // _BLOCK[1])
        for first, second in ((wide, narrow), (narrow, wide))
    )
    glue = 20 if blocks > 1 else 0
    return Operator(f"product {wide} x {narrow}", glue, 0, blocks, 1, a + b)


@cache
def divider(bits: int) -> Operator:
    """A quotient or a remainder, a result a clock: 64 bits are 6,607 LUTs and 8,651 flip-flops.

    It has a row of subtractors for every bit, so it grows with the square of the bits.
    """
    square = (bits / 64) ** 2
    return Operator(
        f"divider {bits}", round(6607 * square), round(8651 * square), 0, bits + 4, bits, True
    )
