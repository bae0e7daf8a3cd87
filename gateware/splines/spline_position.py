"""The place of a code on a uniform grid: multiply by a constant, add, drop bits."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Signal, unsigned
from amaranth.lib.wiring import Component, In, Out

from kanhw.errors import InputError
from kanhw.formats import IntArray
from kanhw.gateware.parts.adder_tree import AdderTree, tree_costs
from kanhw.gateware.parts.constant_digits import signed_digits
from kanhw.gateware.parts.costs import HardwareCosts, table_costs
from kanhw.gateware.parts.multiplier import Multiplier
from kanhw.gateware.parts.signals import Range, delayed
from kanhw.gateware.parts.table import Table
from kanhw.gateware.parts.terms import Term

__all__ = ["SplinePosition"]


class SplinePosition(Component):
    """``o = (multiplier * i + offset) >> shift``, one a clock.

    Equals the position P of :func:`kanhw.program.functions.splines.spline_position`. With one pair
    of constants it is a tree of shifted additions, a single one where the multiplier is a power of
    two; with several, from which ``kind`` chooses, a multiplier.

    Parameters
    ----------
    width
        Bits of a code.
    kinds
        ``[T, 2]``: the pairs of multiplier and offset.
    shift
        Bits that are dropped.
    levels
        Adder levels between two registers.

    Members
    -------
    i : In(unsigned(width))
    kind : In(unsigned), which pair; only where there are several
    o : Out(shape of the positions' range), :attr:`latency` cycles later
    """

    def __init__(self, width: int, kinds: IntArray, shift: int, *, levels: int = 1) -> None:
        if kinds.ndim != 2 or kinds.shape[1] != 2:
            raise InputError(f"kinds must have the shape [T, 2], not {list(kinds.shape)}")
        self._code = Range(0, (1 << width) - 1)
        self._kinds = [(int(m), int(c)) for m, c in kinds]
        self._shift, self._levels = shift, levels
        wholes = [self._code * Range(m, m) + Range(c, c) for m, c in self._kinds]
        self._whole = Range(min(r.lo for r in wholes), max(r.hi for r in wholes))
        self.range = Range(self._whole.lo >> shift, self._whole.hi >> shift)
        members = {"i": In(unsigned(width)), "o": Out(self.range.shape)}
        self._tree = self._multiplier = None
        if len(self._kinds) == 1:
            self._tree = self._additions(*self._kinds[0], levels)
        else:
            members["kind"] = In(unsigned((len(self._kinds) - 1).bit_length()))
            # Of tables, whose filling is 0.
            factors = [Range(min(0, *v), max(0, *v)) for v in zip(*self._kinds, strict=True)]
            self._multiplier = Multiplier(self._code, *factors)
        super().__init__(members)

    def _additions(self, multiplier: int, offset: int, levels: int) -> AdderTree:
        terms = [Term(self._code, d.shift, d.negative) for d in signed_digits(multiplier)]
        if offset:
            terms.append(Term(Range(offset, offset)))
        return AdderTree(terms, levels=levels)

    @property
    def latency(self) -> int:
        """Cycles from code to position."""
        if self._tree is not None:
            return self._tree.latency + 1
        # The pair is looked up, multiplied and added, and what is dropped is known behind it.
        return 1 + (self._multiplier.latency if self._multiplier else 0)

    @property
    def costs(self) -> HardwareCosts:
        """The additions and their register; or tables of both constants, and the multiplier."""
        if self._tree is not None:
            own = tree_costs(self._tree.terms, self._levels)
            return own + HardwareCosts(register_bits=self.range.format.width)
        multiplier = self._multiplier
        total = HardwareCosts() if multiplier is None else multiplier.costs
        bits = (len(self._kinds) - 1).bit_length()
        for values in zip(*self._kinds, strict=True):
            width = Range(min(0, *values), max(0, *values)).format.width
            total += table_costs(bits, width) + HardwareCosts(register_bits=width)
        return total + HardwareCosts(register_bits=self._code.format.width)

    def elaborate(self, platform: object) -> Module:
        """The additions and their register, or tables and a multiplier."""
        m = Module()
        if self._tree is not None:
            m.submodules.tree = tree = self._tree
            for k, term in enumerate(tree.terms):
                fixed = term.range.lo if term.range.lo == term.range.hi else None
                value = self.i if fixed is None else Const(fixed, term.range.shape)
                m.d.comb += tree.operand(k).eq(value)
            position = Signal(self.range.shape, reset_less=True)
            m.d.sync += position.eq(tree.o.shift_right(self._shift))
            m.d.comb += self.o.eq(position)
        # Inputs of different grids share the hardware: their constants M and C are looked up by
        # kind in a clock, for which the code waits.
        if self._multiplier is not None:
            m.submodules.multiplier = multiplier = self._multiplier
            filling = (0,) * ((1 << len(self.kind)) - len(self._kinds))
            for name, values in zip("bc", zip(*self._kinds, strict=True), strict=True):
                table = Table((*values, *filling))
                m.submodules[f"table_{name}"] = table
                m.d.comb += [table.i.eq(self.kind), getattr(multiplier, name).eq(table.o)]
            m.d.comb += [
                multiplier.a.eq(delayed(m, self.i, 1, "code")),
                self.o.eq(multiplier.o.shift_right(self._shift)),
            ]
        return m
