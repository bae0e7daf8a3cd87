"""The index of the largest of several values."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Shape, Signal, Value, unsigned
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from kanhw.errors import InputError
from kanhw.gateware.parts.costs import HardwareCosts

__all__ = ["Argmax"]


class Argmax(Component):
    """Index of the largest value, the lowest among equals; a tournament, one result a clock.

    Equals :func:`kanhw.program.functions.tables.argmax`. Latency: one cycle per round of
    comparisons, ``ceil(log2(count))`` rounds.

    Parameters
    ----------
    count
        Number of values, at least 2.
    shape
        Of each value.

    Members
    -------
    i : In(array of count values)
    o : Out(unsigned(bits of count - 1))
    """

    def __init__(self, count: int, shape: Shape) -> None:
        if count < 2:
            raise InputError(f"An argmax needs at least 2 values, not {count}")
        self._count = count
        self._shape = shape
        width = (count - 1).bit_length()
        super().__init__({"i": In(data.ArrayLayout(shape, count)), "o": Out(unsigned(width))})

    @property
    def latency(self) -> int:
        """Cycles from values to index."""
        return (self._count - 1).bit_length()

    @property
    def costs(self) -> HardwareCosts:
        """A comparison, a choice and a register of every match, and of who had no opponent."""
        width, total, left = self._shape.width, HardwareCosts(), self._count
        for round in range(self.latency):
            matches, left = left // 2, -(-left // 2)
            kept = round + 1 + width * (round + 1 < self.latency)
            total += HardwareCosts(
                adder_bits=matches * width,
                adders=matches,
                table_luts=matches * kept,
                register_bits=left * kept,
            )
        return total

    def elaborate(self, platform: object) -> Module:
        """Rounds of comparisons, a register after each."""
        m = Module()
        width = (self._count - 1).bit_length()
        entrants: list[tuple[Value, Value]] = [
            (self.i[k], Const(k, width)) for k in range(self._count)
        ]
        for round in range(self.latency):
            winners = []
            for match in range(0, len(entrants), 2):
                pair = entrants[match : match + 2]
                value = Signal(self._shape, name=f"value{round}_{match}", reset_less=True)
                index = Signal(width, name=f"index{round}_{match}", reset_less=True)
                # Entrants stay in order, so on a tie the first of a pair has the lower index.
                later = pair[1][0] > pair[0][0] if len(pair) == 2 else Const(0, 1)
                m.d.sync += [
                    value.eq(Mux(later, pair[-1][0], pair[0][0])),
                    index.eq(Mux(later, pair[-1][1], pair[0][1])),
                ]
                winners.append((value, index))
            entrants = winners
        m.d.comb += self.o.eq(entrants[0][1])
        return m
