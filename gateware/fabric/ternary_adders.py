"""Adders of three operands, from a plan to cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Signal, Value

from kanhw.gateware.fabric.primitives import carry_chain, lut6_2
from kanhw.gateware.fabric.ternary_rows import Column, Row, Sum
from kanhw.gateware.parts.terms import Term

__all__ = ["Bits", "PlannedAdders", "bits_of_term"]


@dataclass(frozen=True)
class Bits:
    """A value that is not negative, bit by bit: each a signal and whether it counts inverted."""

    row: Row
    bits: tuple[tuple[Value, bool], ...]

    def at(self, column: int) -> tuple[Value, bool]:
        """The bit of weight ``2**column``; constant 0 below the row."""
        place = column - self.row.shift
        return self.bits[place] if place >= 0 else (Const(0, 1), False)


def bits_of_term(port: Signal, term: Term) -> tuple[Bits, int]:
    """A term as inverted or plain bits, and the constant that makes it the same."""
    bits, constant = [(port[k], term.negative) for k in range(len(port))], 0
    lowest, highest = term.range.lo, term.range.hi
    if port.shape().signed:
        # The sign bit weighs -2**n: inverted it weighs 2**n, and 2**n are to be taken off.
        value, inverted = bits[-1]
        bits[-1] = (value, not inverted)
        half = 1 << (len(port) - 1)
        constant -= half
        lowest, highest = lowest + half, highest + half
    maximum = highest
    if term.negative:
        # All bits are inverted: 2**width - 1 - v stands for -v.
        ones = (1 << len(port)) - 1
        constant = -constant - ones
        maximum = ones - lowest
    width = max(maximum.bit_length(), 1)
    row = Row(maximum << term.shift, term.shift)
    return Bits(row, tuple(bits[:width])), constant << term.shift


class PlannedAdders:
    """Builds planned sums into a module."""

    def __init__(
        self,
        m: Module,
        platform: object,
        rows: list[Bits],
        limit: int,
        registers: Callable[[int, int], int],
    ) -> None:
        self._m = m
        self._platform = platform
        self._rows = rows
        self._limit = limit
        self._registers = registers
        self._count = 0

    def value(self, total: Sum, used: int) -> Bits:
        """The bits of a planned sum, in time for adder level ``used``."""
        made = self._rows[total.operand] if total.operand is not None else self._added(total)
        if made.row.fixed:
            return made
        for _ in range(self._registers(total.level, used)):
            plain = [
                index for index, (bit, _) in enumerate(made.bits) if not isinstance(bit, Const)
            ]
            name = f"row{self._count}"
            self._count += 1
            register = Signal(len(plain), name=name, reset_less=True)
            self._m.d.sync += register.eq(Cat(made.bits[index][0] for index in plain))
            bits = list(made.bits)
            for place, index in enumerate(plain):
                bits[index] = (register[place], bits[index][1])
            made = Bits(made.row, tuple(bits))
        return made

    def bit(self, value: Bits, column: int) -> Value:
        """A bit of a value as it counts."""
        if not value.row.has(column):
            return Const(0, 1)
        bit, inverted = value.at(column)
        return ~bit if inverted else bit

    def _added(self, total: Sum) -> Bits:
        parts = [self.value(part, total.level) for part in total.parts]
        carried = self.value(total.carried, total.level) if total.carried else None
        columns = total.columns(self._limit)
        width = min(total.row.maximum.bit_length(), self._limit)
        first = columns[0].place if columns else width
        bits = [
            next((p.at(k) for p in parts if p.row.has(k)), (Const(0, 1), False))
            for k in range(total.row.shift, first)
        ]
        side = carried.at(first) if carried else (Const(0, 1), False)
        selects, generates = [], []
        for column in columns:
            entering = side
            o6, o5 = self._column(column, parts, entering)
            selects.append(o6)
            if column.side:
                generates.append(~entering[0] if entering[1] else entering[0])
            else:
                # Three operands hand their carry on, and one alone has none.
                generates.append(o5 if len(column.operands) == 2 else Const(0, 1))
            side = (o5, False) if column.hands_on else (Const(0, 1), False)
        sums, carry = carry_chain(self._m, self._platform, selects, generates)
        # Above the chain there is a carry, or a side carry where the chain has none.
        last = side[0] if columns and columns[-1].hands_on else carry
        bits += [(bit, False) for bit in [*sums, last]]
        row = total.row
        return Bits(row, tuple(bits[: width - row.shift]))

    def _column(
        self, column: Column, parts: list[Bits], side: tuple[Value, bool]
    ) -> tuple[Value, Value]:
        """The LUT of a column: what selects the carry, and the carry to the next column.

        Of two operands without a side carry the second output is the first operand, which is what
        the chain generates where they are equal.
        """
        inputs = [parts[k].at(column.place) for k in column.operands]
        if column.side:
            inputs.append(side)
        free = [bit for bit, _ in inputs if not isinstance(bit, Const)]
        if not inputs:
            return Const(0, 1), Const(0, 1)
        upper = lower = 0
        for address in range(1 << len(free)):
            given = iter(address >> place & 1 for place in range(len(free)))
            values = [
                (bit.value if isinstance(bit, Const) else next(given)) ^ inverted
                for bit, inverted in inputs
            ]
            own = values[: len(column.operands)]
            carry = sum(own) >= 2 if column.hands_on else bool(own and own[0])
            upper |= (sum(values) & 1) << address
            lower |= carry << address
        return lut6_2(self._m, self._platform, free, upper, lower)
