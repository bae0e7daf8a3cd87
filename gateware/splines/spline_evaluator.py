"""B-splines by arithmetic: a code in, the functions that live there out."""

from __future__ import annotations

from amaranth.hdl import Module, unsigned
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from kanhw.formats import IntArray
from kanhw.gateware.parts.costs import HardwareCosts, delay_costs
from kanhw.gateware.parts.signals import Range, delayed
from kanhw.gateware.splines.spline_pieces import spline_pieces
from kanhw.gateware.splines.spline_position import SplinePosition
from kanhw.program.functions.spline_arithmetic import SplineArithmetic

__all__ = ["SplineEvaluator"]


class SplineEvaluator(Component):
    """From the code of an input to its p + 1 live B-splines, one a clock.

    Equals :class:`kanhw.program.functions.spline_arithmetic.SplineArithmetic` called with a code's
    address. Functions below 0 or above the last are among the live ones near the ends of the grid,
    and all of them beyond: there are no such functions, and their values mean nothing.

    Parameters
    ----------
    splines
        The constants.
    kinds
        ``[T, 2]``: the pairs of multiplier and offset of the inputs that it serves; several are
        chosen from at run time.
    levels
        Adder levels between two registers.

    Members
    -------
    i : In(unsigned(width))
        A code's address.
    kind : In(unsigned)
        Which pair; only where there are several.
    first : Out(signed or unsigned)
        Index of the first live function, cell - p.
    o : Out(array of p + 1 values)
        Of the functions first, first + 1 ...; both :attr:`latency` cycles later.
    """

    def __init__(self, splines: SplineArithmetic, kinds: IntArray, *, levels: int = 1) -> None:
        self._splines = splines
        self._position = SplinePosition(splines.width, kinds, splines.shift, levels=levels)
        self._pieces = spline_pieces(splines, levels=levels)
        reach, bits, order = self._position.range, splines.fraction_bits, splines.order
        self.first_range = Range((reach.lo >> bits) - order, (reach.hi >> bits) - order)
        self.range = self._pieces.range
        members = {
            "i": In(unsigned(splines.width)),
            "first": Out(self.first_range.shape),
            "o": Out(data.ArrayLayout(self.range.shape, order + 1)),
        }
        if len(kinds) > 1:
            members["kind"] = In(unsigned((len(kinds) - 1).bit_length()))
        super().__init__(members)

    @property
    def order(self) -> int:
        """Of the splines, p."""
        return self._splines.order

    @property
    def latency(self) -> int:
        """Cycles from a code to its functions."""
        return self._position.latency + self._pieces.latency

    @property
    def costs(self) -> HardwareCosts:
        """Position and functions; the cell waits for these."""
        cell = self.first_range.format.width
        waiting = HardwareCosts(adder_bits=cell, adders=1)
        waiting += delay_costs(self._pieces.latency, cell)
        return self._position.costs + self._pieces.costs + waiting

    def elaborate(self, platform: object) -> Module:
        """Position, its cell and place, and the functions of the place."""
        m = Module()
        m.submodules.position = position = self._position
        m.submodules.pieces = pieces = self._pieces
        bits = self._splines.fraction_bits
        cell = position.o.shift_right(bits)
        m.d.comb += [
            position.i.eq(self.i),
            pieces.i.eq(position.o),
            self.first.eq(delayed(m, cell, pieces.latency, "cell") - self._splines.order),
            self.o.eq(pieces.o),
        ]
        if "kind" in self.signature.members:
            m.d.comb += position.kind.eq(self.kind)
        return m
