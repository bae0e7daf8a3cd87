"""The two sums of a layer normalisation, one code a clock."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib.wiring import Component, In, Out

from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.parts.signals import Range
from kanhw.targets.multipliers import Product

__all__ = ["NormSums"]


class NormSums(Component):
    """``sum = sum of q``, ``squares = sum of q**2`` over vectors of codes, one code a clock.

    Latency: ``done`` is 1 in the third cycle after the one that takes a vector's last code. The
    sums are those of the vector in that cycle; the next may already follow.

    Parameters
    ----------
    count
        Codes of a vector.
    codes
        Range of every code.

    Members
    -------
    valid : In(1)
        Whether there is a code.
    first, last : In(1)
        Whether it is a vector's first, its last.
    i : In(codes.shape)
    done : Out(1)
    sum : Out(sum_range.shape)
    squares : Out(square_range.shape)
    """

    def __init__(self, count: int, codes: Range) -> None:
        self._codes = codes
        self.sum_range = Range(count * codes.lo, count * codes.hi)
        self.square_range = Range(0, count * max(codes.lo**2, codes.hi**2))
        super().__init__(
            {
                "valid": In(1),
                "first": In(1),
                "last": In(1),
                "i": In(codes.shape),
                "done": Out(1),
                "sum": Out(self.sum_range.shape),
                "squares": Out(self.square_range.shape),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from the last code to ``done``."""
        return 3

    @property
    def costs(self) -> HardwareCosts:
        """A square, two accumulators, and the registers in front of them."""
        sums = self.sum_range.format.width + self.square_range.format.width
        code = self._codes.format.width
        most = max(self._codes.lo**2, self._codes.hi**2)
        return HardwareCosts(
            products=(Product(code + 1, code + 1, most.bit_length(), square=True),),
            accumulator_bits=sums,
            register_bits=sums + 4 * code + 7,
        )

    def elaborate(self, platform: object) -> Module:
        """Registers around the squarer, as a DSP block has them, then the accumulators."""
        m = Module()
        codes = self._codes
        code = Signal(codes.shape, reset_less=True)
        delayed_code = Signal.like(code, reset_less=True)
        square = Signal(unsigned(max(codes.lo**2, codes.hi**2).bit_length()), reset_less=True)
        total = Signal(self.sum_range.shape, reset_less=True)
        squares = Signal(self.square_range.shape, reset_less=True)
        valid, last = Signal(2), Signal(3)
        first = Signal(2, reset_less=True)
        # Clock 1 registers the code, clock 2 its square, clock 3 adds both up: the marks are as
        # many clocks behind, and the code waits a clock for its square.
        m.d.sync += [
            code.eq(self.i),
            delayed_code.eq(code),
            square.eq(code * code),
            valid.eq((valid << 1) | self.valid),
            first.eq((first << 1) | self.first),
            last.eq((last << 1) | (self.valid & self.last)),
        ]
        with m.If(valid[1]):
            m.d.sync += [
                total.eq(Mux(first[1], 0, total) + delayed_code),
                squares.eq(Mux(first[1], 0, squares) + square),
            ]
        m.d.comb += [self.done.eq(last[2]), self.sum.eq(total), self.squares.eq(squares)]
        return m
