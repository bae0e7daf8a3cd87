"""The reciprocal square root of an integer, digit by digit, without a divider."""

from __future__ import annotations

import math

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib.wiring import Component, In, Out

from kanhw.errors import InputError
from kanhw.gateware.parts.costs import HardwareCosts

__all__ = ["ReciprocalRoot"]


class ReciprocalRoot(Component):
    """``root = isqrt(2**(2 fraction_bits) // variance)``, one binary digit a clock.

    With X = 2**(2F), r is the largest integer with r**2 V <= X. From the top, digit b is 1 where
    ``(r + 2**b)**2 V <= X``, that is ``X - r**2 V >= (2 r 2**b + 2**(2b)) V``. Both sides are kept
    divided by 4**b, the left as the remainder (X has no further digits to bring down), the right
    as the trial 4a + V with a = (r / 2**(b+1)) V. The next trial is twice the last, plus 3V after
    a digit 1, minus V after a 0: a subtraction and an addition in every step.

    Takes ``latency`` clocks. A variance below ``lowest`` gives some number.

    Parameters
    ----------
    fraction_bits
        F, at least 1.
    lowest, highest
        Of the variance, 1 or more.

    Members
    -------
    start : In(1)
        Begins; what was under way is forgotten.
    variance : In(unsigned)
        V, held from ``start`` until ``done``.
    done : Out(1)
        1 from ``latency`` cycles after ``start`` until the next.
    root : Out(unsigned)
        While done.
    """

    def __init__(self, fraction_bits: int, lowest: int, highest: int) -> None:
        if fraction_bits < 1 or not 1 <= lowest <= highest:
            raise InputError(
                f"A reciprocal root needs fraction_bits >= 1 and 1 <= lowest <= highest, not "
                f"{fraction_bits}, {lowest}, {highest}"
            )
        self._fraction_bits = fraction_bits
        self._highest = highest
        self.bits = max(math.isqrt((1 << (2 * fraction_bits)) // lowest).bit_length(), 1)
        super().__init__(
            {
                "start": In(1),
                "variance": In(unsigned(highest.bit_length())),
                "done": Out(1),
                "root": Out(unsigned(self.bits)),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from ``start`` to ``done``: one to prepare, one for every digit."""
        return self.bits + 1

    @property
    def costs(self) -> HardwareCosts:
        """A subtraction, an addition and their choices, three times the variance, the digits."""
        remainder, trial, triple = self._widths
        return HardwareCosts(
            adder_bits=max(remainder, trial) + trial + triple,
            adders=3,
            table_luts=remainder + trial + triple + 4,
            register_bits=remainder + trial + triple + self.bits + 1,
        )

    @property
    def _widths(self) -> tuple[int, int, int]:
        """Bits of the remainder, of the trial, and of three times the variance."""
        power, highest = self._fraction_bits, self._highest
        side = math.isqrt(highest << (2 * power)) + 1
        first = 1 << (2 * (power - self.bits + 1))
        return (
            max(first, 4 * side + 4 * highest).bit_length(),
            (2 * side + highest).bit_length(),
            (3 * highest).bit_length(),
        )

    def elaborate(self, platform: object) -> Module:
        """One step a clock, until the marker above the digits has reached the top."""
        m = Module()
        bits, power = self.bits, self._fraction_bits
        # r V <= 2**F sqrt(V), with r of all digits but the last in the last trial.
        first = 1 << (2 * (power - bits + 1))
        remainder, trial, triple = (Signal(width, reset_less=True) for width in self._widths)
        digits = Signal(bits + 1, init=1 << bits)

        # A digit a clock, without a divider: the digit is 1 where the trial fits into the
        # remainder. The difference is the next remainder, and the next trial follows by an
        # addition.
        difference = Signal(signed(max(len(remainder), len(trial)) + 1))
        digit = Signal()
        m.d.comb += [
            difference.eq(remainder - trial),
            digit.eq(~difference[-1]),
            self.done.eq(digits[-1]),
            self.root.eq(digits[:-1]),
        ]
        m.d.sync += [
            triple.eq(self.variance + (self.variance << 1)),
            remainder.eq(Mux(digit, difference, remainder) << 2),
        ]
        step = Mux(digit, triple, -self.variance)
        # `digits` starts as a marker, which every digit pushes one place up. At the top it says
        # that all digits are there, and nothing moves any more.
        with m.If(self.start):
            m.d.sync += [remainder.eq(first), trial.eq(self.variance), digits.eq(1)]
        with m.Elif(~self.done):
            m.d.sync += [trial.eq((trial << 1) + step), digits.eq((digits << 1) | digit)]
        return m
