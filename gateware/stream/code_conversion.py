"""One code of a sensor to one of the network's, by multiplying, adding, shifting and saturating."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Const, Module, Value, unsigned
from amaranth.lib.wiring import Component, In, Out

from kanhw.formats import IntArray
from kanhw.gateware.parts.adder_tree import AdderTree, tree_costs
from kanhw.gateware.parts.constant_digits import signed_digits
from kanhw.gateware.parts.costs import HardwareCosts, product_costs, table_costs
from kanhw.gateware.parts.multiplier import Multiplier
from kanhw.gateware.parts.range_clamp import clamp_of
from kanhw.gateware.parts.saturator import Saturator
from kanhw.gateware.parts.signals import Range, delayed
from kanhw.gateware.parts.table import Table
from kanhw.gateware.parts.terms import Term
from kanhw.program import InputConversion, InputEncoder

__all__ = ["CodeConversion"]


class CodeConversion(Component):
    """``o = clamp((i * multiplier + bias) >> shift, lo, hi)`` on table addresses, one a clock.

    Equals :class:`kanhw.program.InputConversion` for one code of a beat. Constants that are always
    the same are shifts and additions; where features take turns they are tables, addressed by
    whose turn it is, in front of a multiplier.

    Parameters
    ----------
    conversion
        Of all features.
    input
        What comes in.
    features
        ``[turns]``: which feature the code is of; -1 for what fills up a beat.
    levels
        Adder levels between two registers, 0 for none inside the tree.

    Members
    -------
    i : In(unsigned), the code's address
    turn : In(unsigned), whose code it is; not read where all are alike
    o : Out(unsigned), as wide as the network's codes
    """

    def __init__(
        self, conversion: InputConversion, input: InputEncoder, features: IntArray, levels: int
    ) -> None:
        grid, width = conversion.codes, input.format.width
        factors, bias = conversion.multipliers[features], conversion.bias[features]
        # On addresses: of what comes in from its lowest code on, of what leaves too.
        bias = bias + factors * input.format.lo - (grid.format.lo << conversion.shift)
        lo, hi = (end[features] - grid.format.lo for end in grid.code_ends)
        constants = np.stack([factors, bias, lo, hi])
        if (constants == constants[:, :1]).all():
            constants = constants[:, :1]
        dropped = _common_zeros(constants[0], conversion.shift)
        self._factors, self._bias = constants[0] >> dropped, constants[1] >> dropped
        self._address = Range(0, (1 << width) - 1)
        self._levels = levels
        reach = [
            self._address * Range(factor, factor) + Range(b, b)
            for factor, b in zip(self._factors.tolist(), self._bias.tolist(), strict=True)
        ]
        self._sums = Range(min(r.lo for r in reach), max(r.hi for r in reach))
        self._saturator = Saturator(self._sums, conversion.shift - dropped, grid.format.width)
        self._clamp = clamp_of(grid.format.width, constants[2], constants[3])
        self._sum = self._tree() if self.turns == 1 else self._multiplier()
        super().__init__(
            {
                "i": In(unsigned(width)),
                "turn": In(unsigned(max((len(features) - 1).bit_length(), 1))),
                "o": Out(unsigned(grid.format.width)),
            }
        )

    @property
    def turns(self) -> int:
        """How many features take turns with constants of their own."""
        return len(self._factors)

    @property
    def latency(self) -> int:
        """Cycles from code to code: the tables, the sum, saturation and the range."""
        return (self.turns > 1) + self._sum.latency + 1 + (self._clamp is not None)

    @property
    def costs(self) -> HardwareCosts:
        """The sum and its registers, and what saturates it."""
        width = len(self.o)
        own = HardwareCosts(choice_luts=2 * width, register_bits=width)
        if self._clamp is not None:
            own += self._clamp.costs
        if isinstance(self._sum, AdderTree):
            return own + tree_costs(list(self._sum.terms), self._levels)
        tables = sum(
            (
                table_costs(len(self.turn), _reach(values).format.width)
                for values in (self._factors, self._bias)
            ),
            HardwareCosts(),
        )
        product = product_costs(self._address, _reach(self._factors))
        waiting = self.latency * len(self.i)
        return own + product + tables + HardwareCosts(
            adder_bits=self._sums.format.width, adders=1, register_bits=waiting
        )

    def elaborate(self, platform: object) -> Module:
        """The sum, saturation, and the range of the feature's codes."""
        m = Module()
        m.submodules.sum = self._sum
        total = self._by_constants(m) if self.turns == 1 else self._by_turns(m)
        m.submodules.saturator = self._saturator
        m.d.comb += self._saturator.i.eq(total)
        code: Value = self._saturator.o
        if self._clamp is not None:
            m.submodules.clamp = self._clamp
            m.d.comb += self._clamp.i.eq(code)
            if self.turns > 1:
                # A turn comes to the clamp a cycle before its code.
                m.d.comb += self._clamp.turn.eq(delayed(m, self.turn, self.latency - 2, "turn"))
            code = self._clamp.o
        m.d.comb += self.o.eq(code)
        return m

    def _tree(self) -> AdderTree:
        """A shifted operand for every digit of the only multiplier, and the bias."""
        terms = [
            Term(self._address, digit.shift, digit.negative)
            for digit in signed_digits(int(self._factors[0]))
        ]
        bias = int(self._bias[0])
        return AdderTree([*terms, Term(Range(bias, bias))], levels=self._levels, bound=self._sums)

    def _multiplier(self) -> Multiplier:
        wide, narrow = _reach(self._factors), self._address
        if not self._factor_is_wide:
            wide, narrow = narrow, wide
        return Multiplier(wide, narrow, _reach(self._bias), output=self._sums)

    @property
    def _factor_is_wide(self) -> bool:
        """Whether multipliers have more bits than codes: the other operand is cut for blocks."""
        return _reach(self._factors).format.width >= self._address.format.width

    def _by_constants(self, m: Module) -> Value:
        tree = self._sum
        *operands, bias = (getattr(tree, f"i{k}") for k in range(len(tree.signature.members) - 1))
        m.d.comb += [operand.eq(self.i) for operand in operands]
        m.d.comb += bias.eq(Const(int(self._bias[0]), bias.shape()))
        total: Value = tree.o
        return total

    def _by_turns(self, m: Module) -> Value:
        product = self._sum
        factor, code = ("a", "b") if self._factor_is_wide else ("b", "a")
        for name, values in ((factor, self._factors), ("c", self._bias)):
            filling = (1 << len(self.turn)) - len(values)
            table = Table(tuple(np.pad(values, (0, filling), mode="edge").tolist()))
            m.submodules[f"table_{name}"] = table
            m.d.comb += [table.i.eq(self.turn), getattr(product, name).eq(table.o)]
        m.d.comb += getattr(product, code).eq(delayed(m, self.i, 1, "code"))
        total: Value = product.o
        return total


def _reach(values: IntArray) -> Range:
    return Range(int(values.min()), int(values.max()))


def _common_zeros(factors: IntArray, most: int) -> int:
    """Low bits that are zero in all multipliers, and so add nothing to what a shift keeps."""
    together = int(np.bitwise_or.reduce(factors))
    return min((together & -together).bit_length() - 1, most) if together else most
