"""Sums of many operands in as few bits as their ranges allow."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value

from kanhw.gateware.parts.signals import Range
from kanhw.gateware.parts.terms import Term, TermSum

__all__ = ["AdderTree", "paired", "tree_cost", "tree_latency"]


def _levels(count: int) -> int:
    return max(count - 1, 0).bit_length()


def tree_latency(count: int, levels: int) -> int:
    """Registers inside a tree of ``count`` operands: after every ``levels``, but not the last."""
    return max(_levels(count) - 1, 0) // levels if levels else 0


def paired(order: list[int], ranges: list[Range]) -> list[tuple[int, ...]]:
    """Neighbours in size, so that narrow operands meet narrow ones; the widest may wait.

    Parameters
    ----------
    order
        The operands, by their place in ``ranges``.
    ranges
        Of every operand.
    """
    ordered = sorted(order, key=lambda k: (max(abs(ranges[k].lo), abs(ranges[k].hi)), k))
    pairs: list[tuple[int, ...]] = list(zip(ordered[0::2], ordered[1::2], strict=False))
    if len(ordered) % 2:
        pairs.append((ordered[-1],))
    return pairs


def tree_cost(terms: list[Term]) -> int:
    """Bits of all adders of a tree, which is about its LUTs."""
    ranges = [term.value_range for term in terms]
    cost = 0
    while len(ranges) > 1:
        added = []
        for pair in paired(list(range(len(ranges))), ranges):
            total = ranges[pair[0]]
            if len(pair) == 2:
                total = total + ranges[pair[1]]
                cost += total.format.width
            added.append(total)
        ranges = added
    return cost


class AdderTree(TermSum):
    """``o = sum of the terms``, one sum a clock, two operands per adder.

    Equals Python's ``sum((-1)**t.negative * (i << t.shift) for ...)``. There is a register after
    every ``levels`` adder levels except behind the last level, whose user owns that register;
    0 levels means no registers.

    Parameters
    ----------
    terms
        The operands; at least one.
    levels
        Adder levels between two registers.

    Members
    -------
    i0, i1, ... : In(term.range.shape)
    o : Out(shape of the sum's range)
    """

    @property
    def latency(self) -> int:
        """Cycles from operands to sum."""
        return tree_latency(len(self._terms), self._levels)

    def elaborate(self, platform: object) -> Module:
        """Levels of adders between pairs of neighbours in size."""
        m = Module()
        # A node is (value, range of the value, whether the value is still to be negated): negation
        # waits for an adder, which does it for nothing as a subtraction.
        nodes: list[tuple[Value, Range, bool]] = []
        for k, term in enumerate(self._terms):
            scaled = self.operand(k).shift_left(term.shift)
            nodes.append((scaled, term.range.shifted_left(term.shift), term.negative))
        depth = _levels(len(nodes))
        for level in range(1, depth + 1):
            registered = bool(self._levels) and level % self._levels == 0 and level < depth
            ranges = [-r if negative else r for _, r, negative in nodes]
            nodes = [
                self._node(m, [nodes[k] for k in pair], registered, f"level{level}_{position}")
                for position, pair in enumerate(paired(list(range(len(nodes))), ranges))
            ]
        value, _, negative = nodes[0]
        m.d.comb += self.o.eq(-value if negative else value)
        return m

    @staticmethod
    def _node(
        m: Module, operands: list[tuple[Value, Range, bool]], registered: bool, name: str
    ) -> tuple[Value, Range, bool]:
        value, total, negative = operands[0]
        if len(operands) == 2:
            other, other_range, other_negative = operands[1]
            if negative == other_negative:
                value, total = value + other, total + other_range
            elif negative:
                value, total, negative = other - value, other_range + -total, False
            else:
                value, total = value - other, total + -other_range
        if not registered and len(operands) == 1:
            return value, total, negative
        node = Signal(total.shape, name=name, reset_less=True)
        domain = m.d.sync if registered else m.d.comb
        domain += node.eq(value)
        return node, total, negative
