"""Saturation of a rounded sum to a table address."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib.wiring import Component, In, Out

from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.parts.signals import Range

__all__ = ["Saturator", "saturator_costs"]

# Upper bits that a LUT of six inputs compares, besides what the LUT before it says.
_COMPARED = 5


def saturator_costs(sums: Range, shift: int, width: int) -> HardwareCosts:
    """The costs of a :class:`Saturator`.

    A LUT a bit where the sum can be beyond either end, and those that compare the bits above the
    code with it; and the register.
    """
    lo, hi = sums.lo >> shift, sums.hi >> shift
    register = HardwareCosts(register_bits=width)
    if hi < 0 or lo >= 1 << width:
        return HardwareCosts()
    if lo >= 0 and hi < 1 << width:
        return HardwareCosts(register_bits=max(hi.bit_length(), 1))
    above = max(hi.bit_length() - width, 0)
    compared = -(-(above - 1) // _COMPARED) if above > 1 else 0
    return register + HardwareCosts(table_luts=width + compared)


class Saturator(Component):
    """``o = clamp(i >> shift, 0, 2**width - 1)``: from a sum to a table address, one a clock.

    With ``2**(shift-1) - (lo << shift)`` added to the sum beforehand this equals
    :func:`kanhw.program.functions.tables.requantize` minus the smallest code lo. Ends that the
    range of the sum cannot reach cost nothing. Latency is 1 cycle: the result is registered.

    Parameters
    ----------
    sum_range
        Of the input.
    shift
        Low bits that rounding drops, >= 0.
    width
        Of the address, in bits.

    Members
    -------
    i : In(sum_range.shape)
    o : Out(unsigned(width))
    """

    def __init__(self, sum_range: Range, shift: int, width: int) -> None:
        self._sum_range = sum_range
        self._shift = shift
        self._width = width
        super().__init__({"i": In(sum_range.shape), "o": Out(unsigned(width))})

    @property
    def sum_range(self) -> Range:
        """Of the input."""
        return self._sum_range

    @property
    def latency(self) -> int:
        """Cycles from sum to code."""
        return 1

    def elaborate(self, platform: object) -> Module:
        """The clamped address and its register."""
        m = Module()
        register = Signal(self._width, reset_less=True)
        m.d.sync += register.eq(self._address(self.i.shift_right(self._shift), self._width))
        m.d.comb += self.o.eq(register)
        return m

    def _address(self, rounded: Value, width: int) -> Value:
        """The clamped table address, ``width`` bits, of the sum without its dropped bits."""
        lo, hi = self._sum_range.lo >> self._shift, self._sum_range.hi >> self._shift
        signed = self._sum_range.format.signed
        if hi < 0:
            return Const(0, width)
        if lo >= 1 << width:
            return Const((1 << width) - 1, width)
        address = Cat(rounded, Const(0, max(width - len(rounded), 0)))[:width]
        if signed and len(rounded) <= width:
            # Too few bits to run over the top; the sign bit is not part of the address.
            address = Cat(rounded[:-1], Const(0, width - len(rounded) + 1))
        if hi >= 1 << width:
            above = rounded[width : len(rounded) - 1] if signed else rounded[width:]
            address = Cat(bit | above.any() for bit in address)
        if lo < 0:
            address = Mux(rounded[-1], Const(0, width), address)
        return address
