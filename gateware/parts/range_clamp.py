"""The range of a value within its format: a clamp behind saturation, or behind input ports."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib.wiring import Component, In, Out

from kanhw.formats import IntArray
from kanhw.gateware.parts.costs import HardwareCosts, table_costs
from kanhw.gateware.parts.table import Table
from kanhw.targets.lut import LUT_INPUTS

__all__ = ["RangeClamp", "clamp_of"]

# Bits of a value that a LUT compares with a constant, besides what it hands to the next LUT.
CONSTANT_BITS = LUT_INPUTS - 2


class RangeClamp(Component):
    """``o = clamp(i, lo[turn], hi[turn]) - origin``: one code's address a clock.

    Equals the clamp of :func:`kanhw.program.functions.tables.requantize` to a range within the
    format. Values may take turns; ends in which they differ are then tables, addressed by a turn
    that comes a cycle before its code. Latency is 1 cycle: the result is registered.

    Parameters
    ----------
    width
        Of the address that comes, in bits.
    lo, hi
        ``[turns]``: the smallest and largest address of the value whose turn it is.
    origin
        What is taken off, at most the smallest lo.

    Members
    -------
    i : In(unsigned(width))
    turn : In(unsigned), of the code that comes at the next clock; not read where all are alike
    o : Out(unsigned), as wide as the largest hi less origin
    """

    def __init__(self, width: int, lo: IntArray, hi: IntArray, *, origin: int = 0) -> None:
        self._width = width
        self._lo, self._hi = lo, hi
        self._origin = origin
        highest = int(hi.max()) - origin
        super().__init__(
            {
                "i": In(unsigned(width)),
                "turn": In(unsigned(max((len(lo) - 1).bit_length(), 1))),
                "o": Out(unsigned(max(highest.bit_length(), 1))),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from address to address."""
        return 1

    @property
    def costs(self) -> HardwareCosts:
        """Tables by turn, and for each end a comparison and a choice.

        Ends that are always the same are compared with in a few LUTs, and chosen in one a bit.
        """
        ends = [
            end
            for end, whole in ((self._lo, 0), (self._hi, self._top))
            if not (end == whole).all()
        ]
        total = HardwareCosts(register_bits=len(self.o))
        if any((end == end[0]).all() for end in ends):
            total += HardwareCosts(table_luts=self._width)
        for end in ends:
            if (end == end[0]).all():
                total += HardwareCosts(table_luts=-(-self._width // CONSTANT_BITS))
                continue
            total += HardwareCosts(adder_bits=self._width, choice_luts=self._width)
            total += table_costs(len(self.turn), self._width)
            total += HardwareCosts(register_bits=self._width)
        return total

    def elaborate(self, platform: object) -> Module:
        """The ends that a code can be beyond, and the register."""
        m = Module()
        code: Value = self.i
        if (self._hi < self._top).any():
            highest = self._by_turn(m, "highest", self._hi)
            code = Mux(self.i > highest, highest, code)
        if (self._lo > 0).any():
            lowest = self._by_turn(m, "lowest", self._lo)
            code = Mux(self.i < lowest, lowest, code)
        register = Signal(self.o.shape(), name="clamped", reset_less=True)
        m.d.sync += register.eq(code - self._origin)
        m.d.comb += self.o.eq(register)
        return m

    @property
    def _top(self) -> int:
        return (1 << self._width) - 1

    def _by_turn(self, m: Module, name: str, values: IntArray) -> Value:
        if (values == values[0]).all():
            return Const(int(values[0]), self._width)
        filling = (1 << len(self.turn)) - len(values)
        table = Table(tuple(np.pad(values, (0, filling), mode="edge").tolist()))
        m.submodules[name] = table
        m.d.comb += table.i.eq(self.turn)
        return table.o


def clamp_of(width: int, lo: IntArray, hi: IntArray) -> RangeClamp | None:
    """The clamp of values that take turns; None where all have the whole format.

    Parameters
    ----------
    width, lo, hi
        As for :class:`RangeClamp`.
    """
    if (lo == 0).all() and (hi == (1 << width) - 1).all():
        return None
    return RangeClamp(width, lo, hi)
