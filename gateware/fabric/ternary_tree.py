"""Sums of many operands by carry chains that add three at a time."""

from __future__ import annotations

from collections.abc import Callable

from amaranth.hdl import Cat, Const, Module

from kanhw.gateware.fabric.primitives import CARRY_BITS
from kanhw.gateware.fabric.ternary_adders import Bits, PlannedAdders, bits_of_term
from kanhw.gateware.fabric.ternary_plan import plan_sum, ternary_depth
from kanhw.gateware.fabric.ternary_rows import Row, Sum
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.parts.terms import TermSum

__all__ = ["TernaryTree", "ternary_latency"]


def ternary_latency(count: int, levels: int) -> int:
    """Registers inside a tree of ``count`` operands: after every ``levels``, but not the last."""
    return max(ternary_depth(count) - 1, 0) // levels if levels else 0


class TernaryTree(TermSum):
    """``o = sum of the terms``, one sum a clock, three operands per adder; UltraScale+.

    Equals Python's ``sum((-1)**t.negative * (i << t.shift) for ...)``. A LUT6_2 gives the sum of
    three bits, and their majority to the next place, where the carry chain adds it: two bits
    vanish per LUT. Operands of one bit enter with the carry where a chain begins. There is a
    register after every ``levels`` adder levels except behind the last.

    Parameters
    ----------
    terms
        The operands; at least one.
    levels
        Adder levels between two registers; 0 means no registers.
    bound
        What is known of the sum beyond the terms' ranges.

    Members
    -------
    i0, i1, ... : In(term.range.shape)
    o : Out(shape of the sum's range)
    """

    @property
    def latency(self) -> int:
        """Cycles from operands to sum."""
        return ternary_latency(len(self._terms), self._levels)

    def plan(self) -> Sum:
        """The tree of adders."""
        rows = self._rows()
        levels = self._levels * (self.latency + 1) if self._levels else len(rows)
        return plan_sum([bits.row for bits in rows], levels, len(self.o))

    @property
    def costs(self) -> HardwareCosts:
        """A LUT a column of every adder, carry cells of eight, and the registers between levels."""
        limit = len(self.o)
        return _costs(self.plan(), self._levels * (self.latency + 1), limit, self._registers)

    def elaborate(self, platform: object) -> Module:
        """The adders of the plan."""
        m = Module()
        rows, total = self._rows(), self.plan()
        adders = PlannedAdders(m, platform, rows, len(self.o), self._registers)
        value = adders.value(total, self._levels * (self.latency + 1))
        bits = [adders.bit(value, k) for k in range(len(self.o))]
        m.d.comb += self.o.eq(Cat(*bits))
        return m

    def _registers(self, made: int, used: int) -> int:
        """Registers between the adder level that makes a value and the one that uses it."""
        if not self._levels:
            return 0
        last = self._levels * self.latency
        return sum(1 for b in range(self._levels, last + 1, self._levels) if made <= b < used)

    def _rows(self) -> list[Bits]:
        """The terms as values that are not negative, the last of them what that leaves to add."""
        rows, constant = [], 0
        for k, term in enumerate(self._terms):
            if term.range.lo == term.range.hi:
                constant += term.value_range.lo
                continue
            row, left = bits_of_term(self.operand(k), term)
            rows.append(row)
            constant += left
        constant %= 1 << len(self.o)
        if constant or not rows:
            width = max(constant.bit_length(), 1)
            bits = tuple((Const(constant >> k & 1, 1), False) for k in range(width))
            rows.append(Bits(Row(constant, 0, fixed=True), bits))
        return rows


def _costs(
    total: Sum, used: int, limit: int, registers: Callable[[int, int], int]
) -> HardwareCosts:
    """Of a planned sum in time for an adder level, and of all that it adds."""
    own = HardwareCosts()
    if not total.row.fixed:
        width = min(total.row.maximum.bit_length(), limit) - total.row.shift
        own = HardwareCosts(register_bits=max(width, 0) * registers(total.level, used))
    if not total.parts:
        return own
    columns = len(total.columns(limit))
    own += HardwareCosts(cells=columns, carries=-(-columns // CARRY_BITS))
    for part in (*total.parts, *([total.carried] if total.carried else [])):
        own += _costs(part, total.level, limit, registers)
    return own
