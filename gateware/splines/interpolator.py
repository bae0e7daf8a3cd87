"""Curves from a few of their points, straight lines in between."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Cat, Module, Signal, Value, unsigned
from amaranth.lib.wiring import Component, In, Out

from kanhw.formats import IntArray
from kanhw.gateware.parts.costs import HardwareCosts, product_of
from kanhw.gateware.parts.parameter_memory import memory_shape, packed_words, parameter_memory
from kanhw.gateware.parts.signals import Range, delayed
from kanhw.program.functions.interpolation import Interpolation

__all__ = ["Interpolator"]


class Interpolator(Component):
    """The value of a curve at a code, one a clock: a memory and, between points, a multiplier.

    Equals :func:`kanhw.program.functions.splines.interpolated`. The memory holds a point and the
    way to the next; where every code is a point, the rounded values.

    Parameters
    ----------
    curves
        Points and widths.
    kinds
        Which of the curves there are here; from several ``kind`` chooses.

    Members
    -------
    i : In(unsigned(width))
    kind : In(unsigned), place of the curve among ``kinds``; only where there are several
    o : Out(shape of the values' range), :attr:`latency` cycles later
    """

    def __init__(self, curves: Interpolation, kinds: tuple[int, ...]) -> None:
        self._curves = curves
        self._kinds = kinds
        values = curves.values[list(kinds)]
        self.range = Range(int(values.min()), int(values.max()))
        members = {"i": In(unsigned(curves.width)), "o": Out(self.range.shape)}
        if len(kinds) > 1:
            members["kind"] = In(unsigned((len(kinds) - 1).bit_length()))
        super().__init__(members)

    @property
    def latency(self) -> int:
        """Cycles from code to value."""
        return 2 if self._curves.fraction_bits else 1

    @property
    def costs(self) -> HardwareCosts:
        """The memory; between points a product, two additions and their register."""
        between, columns = self._curves.fraction_bits, self._columns()
        ranges = [Range(int(c.min()), int(c.max())) for c in columns]
        memory = memory_shape(self._words(), sum(r.format.width for r in ranges))
        if between == 0:
            return HardwareCosts(memories=(memory,))
        width = self.range.format.width
        return HardwareCosts(
            products=(product_of(ranges[1], Range(0, (1 << between) - 1)),),
            adder_bits=2 * width + self._curves.guard_bits,
            adders=2,
            register_bits=width + between,
            memories=(memory,),
        )

    def _words(self) -> list[int]:
        """By the upper bits of codes: a point of the curve, and above it the way to the next."""
        columns = self._columns()
        widths = [Range(int(c.min()), int(c.max())).format.width for c in columns]
        parts = [packed_words(c.reshape(-1, 1), w) for c, w in zip(columns, widths, strict=True)]
        shifts = (0, widths[0])
        return [
            sum(word << shift for word, shift in zip(row, shifts, strict=False))
            for row in zip(*parts, strict=True)
        ]

    def elaborate(self, platform: object) -> Module:
        """The memory, and the line between two points."""
        m = Module()
        between = self._curves.fraction_bits
        columns = self._columns()
        ranges = [Range(int(c.min()), int(c.max())) for c in columns]
        widths = [r.format.width for r in ranges]
        # A word has a point of the curve and the way to the next one. Clock 1 reads it at the upper
        # bits of the code, clock 2 goes as much of the way as the lower bits say.
        m.submodules.memory = memory = parameter_memory(self._words(), sum(widths))
        reader = memory.read_port()
        kind = (self.kind,) if len(self._kinds) > 1 else ()
        m.d.comb += reader.addr.eq(Cat(self.i[between:], *kind))
        first = _number(reader.data[: widths[0]], ranges[0])
        if between == 0:
            m.d.comb += self.o.eq(first)
            return m
        way = _number(reader.data[widths[0] :], ranges[1])
        low = delayed(m, self.i[:between], 1, "low")
        # Half of what the shift drops is added in front of it: rounding half up.
        dropped = between + self._curves.guard_bits
        value = Signal(self.range.shape, reset_less=True)
        m.d.sync += value.eq(((first << between) + way * low + ((1 << dropped) >> 1)) >> dropped)
        m.d.comb += self.o.eq(value)
        return m

    def _columns(self) -> list[IntArray]:
        """The columns of the memory: values, or points and the ways to the next."""
        if self._curves.fraction_bits == 0:
            return [self._curves.values[list(self._kinds)].ravel()]
        tables = self._curves.tables[list(self._kinds)]
        return [tables[:, :-1].ravel(), np.diff(tables, axis=1).ravel()]


def _number(bits: Value, range: Range) -> Value:
    return bits.as_signed() if range.format.signed else bits
