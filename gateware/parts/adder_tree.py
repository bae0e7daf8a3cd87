"""Sums of many operands in as few bits as their ranges allow."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from amaranth.hdl import Module, Signal, Value

from kanhw.gateware.parts.costs import Chain, HardwareCosts
from kanhw.gateware.parts.counting.carry_save import Summand, may_overflow, summed_bits
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.parts.terms import Term, TermSum

__all__ = ["AdderTree", "paired", "sum_costs", "tree_cost", "tree_costs", "tree_latency"]


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


def tree_costs(
    terms: Sequence[Term], levels: int, limit: int | None = None, unread: int = 0
) -> HardwareCosts:
    """Adders and inner registers of an :class:`~kanhw.gateware.parts.adder_tree.AdderTree`.

    Additions that no register parts are one sum of all their operands where synthesis can tell that
    no bit is lost between them (:mod:`kanhw.gateware.parts.counting.carry_save`). Bits that nobody
    reads are left out.

    Parameters
    ----------
    terms, levels
        As for the tree.
    limit
        Bits of the sum that are read, from the lowest on; None: all.
    unread
        Of these the lowest that nobody reads, as what is rounded away.
    """
    most, known = limit or 1 << 30, set[Hashable]()
    nodes = [_Node.leaf(term) for term in terms]
    depth, total = max(len(nodes) - 1, 0).bit_length(), HardwareCosts()
    for level in range(1, depth + 1):
        ranges = [-n.range if n.negative else n.range for n in nodes]
        made = []
        for pair in paired(list(range(len(nodes))), ranges):
            node, costs = _joined([nodes[k] for k in pair], most, known)
            made.append(node)
            total += costs
        nodes = made
        if levels and level % levels == 0 and level < depth:
            total += sum((n.costs(most) for n in nodes), HardwareCosts())
            widths = (max(min(n.range.format.width, most) - n.low, 0) for n in nodes)
            kept = {n.key or object(): w for n, w in zip(nodes, widths, strict=True)}
            total += HardwareCosts(register_bits=sum(kept.values()))
            nodes = [replace(n, operands=()) for n in nodes]
    return total + sum((n.costs(most, unread) for n in nodes), HardwareCosts())


@dataclass(frozen=True)
class _Node:
    """A value of a tree, whether it is still to be negated, and the operands that it is a sum of.

    ``low`` places of it are 0. No operands: it is a register, an input of the tree, or made already
    for another sum. Nodes of the same ``key`` are the same but for ``low``.
    """

    range: Range
    low: int
    negative: bool = False
    operands: tuple[Summand, ...] = ()
    key: Hashable = None

    @classmethod
    def leaf(cls, term: Term) -> _Node:
        """An input of the tree."""
        reach = term.range.shifted_left(term.shift)
        return cls(reach, term.shift, term.negative, key=term.source)

    def alone(self, *, negative: bool) -> Summand:
        """As one operand."""
        format, constant = self.range.format, self.range.lo == self.range.hi
        width = max(format.width - self.low, 1)
        value = self.range.lo if constant else None
        return Summand(self.low, width, format.signed, negative, value)

    def merged(self, width: int, most: int, *, signed: bool, negative: bool) -> tuple[Summand, ...]:
        """The operands of a sum that is an operand of another; none where it stays by itself.

        It does where it is extended in another way than its own operands are. One of as many bits
        as the other, of those that are read, is not extended; where something is taken off, that is
        not followed.
        """
        own = self.range.format
        alike = any(s.signed for s in self.operands) == own.signed == signed
        added = not negative and not any(s.negative for s in self.operands)
        if not (added and min(own.width, most) >= min(width, most)):
            lossless = own.width == width or not may_overflow(self.operands, own.width)
            if not alike or not lossless:
                return ()
        return tuple(replace(s, negative=s.negative != negative) for s in self.operands)

    def costs(self, most: int, unread: int = 0) -> HardwareCosts:
        """Of the sum."""
        return sum_costs(self.operands, min(self.range.format.width, most), unread)


def _joined(nodes: list[_Node], most: int, known: set[Hashable]) -> tuple[_Node, HardwareCosts]:
    """The sum of two nodes, and what those cost that are not part of it; one goes on as it is.

    A sum of the same two as one of the ``known`` but for zeros below costs nothing.
    """
    if len(nodes) == 1:
        return nodes[0], HardwareCosts()
    one, other = nodes
    if one.negative and not other.negative:
        one, other = other, one
    negative, minus = one.negative, other.negative != one.negative
    total = one.range + (-other.range if minus else other.range)
    low, key = min(one.low, other.low), None
    if one.key is not None and other.key is not None:
        key = (one.key, one.low - low, other.key, other.low - low, minus)
        if key in known:
            return _Node(total, low, negative, key=key), HardwareCosts()
        known.add(key)
    width, signed = total.format.width, one.range.format.signed or other.range.format.signed
    operands, costs = list[Summand](), HardwareCosts()
    for node, taken in ((one, False), (other, minus)):
        merged = node.merged(width, most, signed=signed, negative=taken)
        operands += merged or [node.alone(negative=taken)]
        costs += HardwareCosts() if merged else node.costs(most)
    return _Node(total, low, negative, tuple(operands), key), costs


def sum_costs(operands: Sequence[Summand], width: int, unread: int = 0) -> HardwareCosts:
    """Costs of a sum of operands that no register parts.

    Parameters
    ----------
    operands, width, unread
        As for :func:`~kanhw.gateware.parts.counting.carry_save.summed_bits`.
    """
    made = summed_bits(operands, width, unread)
    chain = Chain(made.places, made.adder, made.passing, made.silent)
    return HardwareCosts(
        adder_bits=made.adder,
        passing_bits=made.passing,
        compressor_bits=4 * made.full + 3 * made.half,
        adders=made.chains,
        inverted_bits=made.inverted,
        chains=(chain,) * made.chains,
    )
