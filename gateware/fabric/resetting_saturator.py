"""Saturation by the set and reset of flip-flops."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib.wiring import Component, In, Out

from kanhw.gateware.parts.address import Address
from kanhw.gateware.parts.signals import Range

__all__ = ["ResettingSaturator", "code_bits", "flagged"]

# Up to here words are compared one by one, which is one LUT.
MANY = 32


def flagged(address: Address) -> bool:
    """True where the top bit of an address alone says that the code is its largest."""
    return address.offset == address.first and address.width == code_bits(address) + 1


def code_bits(address: Address) -> int:
    """Bits of the codes that an address may stand for, from the first of them on."""
    return max((address.highest - address.first).bit_length(), 1)


class ResettingSaturator(Component):
    """From a sum to a table address, the registers of which are set or reset to saturate.

    With ``p = (i + base) >> shift`` the output is ``clamp(p, 0, 2**width - 1)``. For a flagged
    address it is any word from ``2**(width - 1)`` where p is no smaller than that: the consumer's
    tables hand out the same for all of these, so only p < 0 needs a reset here. An output of the
    network cannot be set and reset in one clock: then there are two.

    Parameters
    ----------
    sum_range
        Of the input.
    base
        What is still to be added to it, a multiple of half the address's range. An odd multiple
        means that the top bit of the code counts inverted, as in two's complement.
    shift
        Low bits that rounding drops.
    address
        What to hand out.
    cycles
        Of latency: 2 lets both ends saturate at the cost of 1.

    Members
    -------
    i : In(sum_range.shape)
    o : Out(unsigned(address.width))
    """

    def __init__(
        self, sum_range: Range, base: int, shift: int, address: Address, *, cycles: int = 1
    ) -> None:
        self._range = sum_range
        self._base = base
        self._shift = shift
        self._address = address
        self._flagged = flagged(address)
        self._width = address.width - self._flagged
        self._cycles = cycles
        super().__init__({"i": In(sum_range.shape), "o": Out(unsigned(address.width))})

    @property
    def latency(self) -> int:
        """Cycles from sum to code."""
        return self._cycles

    def elaborate(self, platform: object) -> Module:
        """The low bits in registers, and what their upper neighbours say about them."""
        m = Module()
        width = self._width
        # Whether the sum is below or above the range is told by the bits above the code, compared
        # with what the base adds there: no adder is needed for the base.
        word, base = self._word()
        inverted = base >> (width - 1) & 1
        place = width - inverted
        first, last = ((end >> self._shift) - self._start for end in _ends(self._range))
        reach = range(first >> place, (last >> place) + 1)
        lowest = -base >> place
        below = _among(word[place:], reach, range(lowest))
        above = _among(word[place:], reach, range(lowest + (2 if inverted else 1), reach.stop))
        top = inverted << (width - 1)
        low, high = Const(top, width), Const(((1 << width) - 1) ^ top, width)
        code = word[:width] if below is None else Mux(below, low, word[:width])
        # Below the range the registers are reset. Above it: a flag tells the next layer's tables;
        # or the registers are set, in the same clock, or in the next.
        if self._flagged:
            flag = Const(0, 1) if above is None else above
            result = _registered(m, Cat(code, flag), "address")
        elif self._cycles == 1:
            result = _registered(m, code if above is None else Mux(above, high, code), "code")
        else:
            result = _registered(m, code, "code")
            if above is not None:
                result = Mux(_registered(m, above, "above"), high, result)
            result = _registered(m, result, "saturated")
        m.d.comb += self.o.eq(result ^ top)
        return m

    @property
    def _start(self) -> int:
        """The amount taken off a signed input, after which it is no longer negative."""
        if self._range.lo >= 0:
            return 0
        return -(1 << (max(len(self.i) - self._shift, self._width + 2) - 1))

    def _word(self) -> tuple[Value, int]:
        """The rounded sum as an unsigned word, and what to add to it."""
        rounded = Value.cast(self.i)[self._shift :]
        base = (self._base >> self._shift) + self._start
        if self._start == 0:
            return Cat(rounded, Const(0, max(self._width + 1 - len(rounded), 1))), base
        sign = self.i[-1]
        missing = self._start.bit_length() - len(rounded)
        return Cat(rounded[:-1], [sign] * missing, ~sign), base


def _ends(range: Range) -> tuple[int, int]:
    return range.lo, range.hi


def _registered(m: Module, value: Value, name: str) -> Value:
    register = Signal(len(value), name=name, reset_less=True)
    m.d.sync += register.eq(value)
    return register


def _among(word: Value, reach: range, members: range) -> Value | None:
    """A bit: the word, which is within ``reach``, is one of the members; None if it never is."""
    # Both may hold more words than could ever be counted.
    wanted = range(max(reach.start, members.start), min(reach.stop, members.stop))
    if wanted.start >= wanted.stop:
        return None
    for place, bit in enumerate(word):
        same = _tells(place, reach, wanted)
        if same is not None:
            return bit if same else ~bit
    if wanted.stop - wanted.start > MANY:
        return (word >= wanted.start) & (word <= wanted.stop - 1)
    return Cat(*(word == k for k in wanted)).any()


def _tells(place: int, reach: range, wanted: range) -> bool | None:
    """Whether one bit of a word says that it is wanted (True) or that it is not (False).

    None where it says neither: it, or being wanted, changes alone somewhere in the reach.
    """
    first, last = reach.start, reach.stop - 1
    if (last >> place) - (first >> place) > 2:
        return None  # the bit changes more often than a range begins and ends
    changes = [k << place for k in range((first >> place) + 1, (last >> place) + 1)]
    changes += [end for end in (wanted.start, wanted.stop) if first < end <= last]
    seen = {bool(k >> place & 1) == (k in wanted) for k in (first, *changes)}
    return seen.pop() if len(seen) == 1 else None
