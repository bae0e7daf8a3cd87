"""Products too wide for one multiplier block, as a row of blocks that hand their sums on."""

from __future__ import annotations

from dataclasses import replace

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from kanhw.formats import IntArray
from kanhw.gateware.parts.costs import HardwareCosts, product_of, products_of
from kanhw.gateware.parts.signals import Range

__all__ = ["CHUNK_BITS", "WHOLE_BITS", "Multiplier"]

# What a DSP block multiplies, in two's complement (a DSP48E2; smaller blocks take part of it).
WHOLE_BITS, CHUNK_BITS = 27, 18


def _signed_width(range: Range) -> int:
    return range.format.width + (not range.format.signed)


class Multiplier(Component):
    """``o = a * b + c``, one result a clock, exact.

    b is cut into unsigned chunks of 17 bits and a signed one: block k adds its product to the sum
    of block k - 1 without the 17 bits that are already right, which is what DSP blocks have
    cascades for. There is a register behind every block. An ``a`` of more than 27 bits is cut as
    well, into two multipliers whose results are added.

    Parameters
    ----------
    a, b, c
        Ranges of the operands; no c is 0.
    output
        Of the result, if more is known than follows from the operands.

    Members
    -------
    a, b, c : In(shape of their range)
    o : Out(output.shape)
    """

    def __init__(
        self, a: Range, b: Range, c: Range | None = None, *, output: Range | None = None
    ) -> None:
        c = c or Range(0, 0)
        self._ranges = (a, b, c)
        self._output = output or a * b + c
        super().__init__(
            {"a": In(a.shape), "b": In(b.shape), "c": In(c.shape), "o": Out(self._output.shape)}
        )

    @property
    def range(self) -> Range:
        """Of the result."""
        return self._output

    @property
    def latency(self) -> int:
        """Cycles from operands to result: the number of chunks, and one to add two halves."""
        a, b, _ = self._ranges
        return len(_chunks(b)) + (_signed_width(a) > WHOLE_BITS)

    @property
    def costs(self) -> HardwareCosts:
        """A product a block; what it is added to, and what waits for the blocks."""
        a, b, c = self._ranges
        if _signed_width(a) > WHOLE_BITS:
            bits = WHOLE_BITS - 1
            low = Multiplier(Range(0, (1 << bits) - 1), b, c)
            high = Multiplier(Range(a.lo >> bits, a.hi >> bits), b)
            width = self._output.format.width
            joined = HardwareCosts(adder_bits=width - bits, adders=1, register_bits=width)
            return low.costs + high.costs + joined
        total, carried = HardwareCosts(), c
        chunks = _chunks(b)
        for index, chunk in enumerate(chunks):
            done = (CHUNK_BITS - 1) * index
            last = index == len(chunks) - 1
            added = a * chunk + carried
            if last:
                added = Range(self._output.lo >> done, self._output.hi >> done)
            width, adds = added.format.width, carried != Range(0, 0)
            waiting = done + (0 if last else _signed_width(b) - done + a.format.width)
            product = product_of(a, chunk, carried if adds else None)
            if product.addend is not None:
                product = replace(product, addend=replace(product.addend, total=width))
            total += HardwareCosts(products=(product,), register_bits=width + waiting)
            carried = Range(added.lo >> (CHUNK_BITS - 1), added.hi >> (CHUNK_BITS - 1))
        return total

    def costs_of(self, factors: IntArray) -> HardwareCosts:
        """The same where all values of ``a`` are known, if one block makes the product."""
        own = self.costs
        if len(own.products) != 1:
            return own
        (made,), (known,) = own.products, products_of(factors[:, None], *self._ranges[:2])
        return replace(own, products=(replace(made, known=known.known),))

    def elaborate(self, platform: object) -> Module:
        """The blocks of one row, or two rows and their sum."""
        m = Module()
        a, b, c = self._ranges
        if _signed_width(a) > WHOLE_BITS:
            low_bits = WHOLE_BITS - 1
            low = Range(0, (1 << low_bits) - 1)
            high = Range(a.lo >> low_bits, a.hi >> low_bits)
            m.submodules.low = low_row = Multiplier(low, b, c)
            m.submodules.high = high_row = Multiplier(high, b)
            result = Signal(self._output.shape, reset_less=True)
            m.d.comb += [
                low_row.a.eq(self.a[:low_bits]),
                high_row.a.eq(self.a.shift_right(low_bits)),
                low_row.b.eq(self.b),
                high_row.b.eq(self.b),
                low_row.c.eq(self.c),
                self.o.eq(result),
            ]
            m.d.sync += result.eq(low_row.o + (high_row.o << low_bits))
            return m
        m.d.comb += self.o.eq(self._row(m))
        return m

    def _row(self, m: Module) -> Value:
        a_range, b_range, total = self._ranges
        whole, rest, carried = self.a, self.b, self.c
        carrying = total != Range(0, 0)
        finished: list[Value] = []
        chunks = _chunks(b_range)
        for index, chunk_range in enumerate(chunks):
            last = index == len(chunks) - 1
            chunk = rest if last else rest[: CHUNK_BITS - 1]
            total = a_range * chunk_range + total
            if last:
                # What is known of the whole result is known of its upper part.
                known = self._output
                done = (CHUNK_BITS - 1) * index
                total = Range(known.lo >> done, known.hi >> done)
            accumulated = Signal(total.shape, name=f"block{index}", reset_less=True)
            product = whole * chunk
            m.d.sync += accumulated.eq(product + carried if carrying else product)
            finished = [_registered(m, f, f"done{index}_{k}") for k, f in enumerate(finished)]
            if last:
                finished.append(accumulated)
                break
            rest = _registered(m, rest.shift_right(CHUNK_BITS - 1), f"rest{index}")
            whole = _registered(m, whole, f"whole{index}")
            finished.append(accumulated[: CHUNK_BITS - 1])
            carried, carrying = accumulated.shift_right(CHUNK_BITS - 1), True
            total = Range(total.lo >> (CHUNK_BITS - 1), total.hi >> (CHUNK_BITS - 1))
        result = Cat(finished)
        return result.as_signed() if self._output.format.signed else result


def _chunks(b: Range) -> list[Range]:
    chunks = []
    while _signed_width(b) > CHUNK_BITS:
        chunks.append(Range(0, (1 << (CHUNK_BITS - 1)) - 1))
        b = Range(b.lo >> (CHUNK_BITS - 1), b.hi >> (CHUNK_BITS - 1))
    return [*chunks, b]


def _registered(m: Module, value: Value, name: str) -> Value:
    register = Signal(value.shape(), name=name, reset_less=True)
    m.d.sync += register.eq(value)
    return register
