"""The tables of a layer in LUT6_2 cells, and in flip-flops that are set and reset."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from kanhw.gateware.fabric.interface import Place, TableBank
from kanhw.gateware.fabric.pairing import LookedUp, Pairing, Source, TableBit, sources_of
from kanhw.gateware.fabric.primitives import lut6_2
from kanhw.gateware.parts.minimise import MinimisedTable
from kanhw.gateware.parts.table import Table

__all__ = ["PairedTables"]

# Bits of one table at most, as its words are int64.
_WIDEST = 62


class PairedTables(TableBank):
    """Tables that share their LUTs with one another.

    Two bits that depend on five address bits together are one LUT6_2: of the same inputs where
    there are two, else of any. The same function of the same address bits is made once. In front of
    a register, where an address bit alone decides that a table hands out a certain entry (or
    either of two bits does), the flip-flops are set or reset and the LUTs do not read that bit.

    Parameters
    ----------
    registered
        Whether a register follows every table.
    """

    def __init__(self, *, registered: bool) -> None:
        self._registered = registered
        self._outputs: dict[tuple[object, ...], Value] = {}
        self._wires: dict[Source, Value] = {}
        self._bits: dict[tuple[object, ...], TableBit] = {}

    def output(
        self, m: Module, input: Place, address: Value, table: MinimisedTable, pad: Value | None
    ) -> Value:
        """Output of a table, made once however many ask for it; complete after :meth:`finish`.

        Parameters
        ----------
        m
            Where the registers go.
        input
            What it reads: tables with the same have the same address.
        address, table
            The two.
        pad
            Whether the input is absent, where it may be.
        """
        key = (input, table.values, table.padding)
        if key not in self._outputs:
            self._outputs[key] = self._table_output(m, input, address, table, pad)
        return self._outputs[key]

    def _table_output(
        self, m: Module, input: Place, address: Value, table: MinimisedTable, pad: Value | None
    ) -> Value:
        sources = sources_of(input)
        for place, source in enumerate(sources):
            self._wires.setdefault(source, address[place])
        looked_up = LookedUp.of(table, registered=self._registered)
        shape, literals, constant = looked_up.shape, looked_up.literals, looked_up.constant
        bits = (self._known(bit) for bit in looked_up.bits(sources))
        value: Value = Cat(*(bit.value for bit in bits))
        if literals:
            away = Cat(*(address[b] if v else ~address[b] for b, v in literals)).any()
            value = Mux(away, Const(constant, shape.width), value)
        if table.padding is not None:
            value = Mux(pad, Const(table.padding, shape.width), value)
        if not self._registered:
            return value.as_signed() if shape.signed else value
        register = Signal(shape, name=f"table{len(self._outputs)}", reset_less=True)
        m.d.sync += register.eq(value)
        return register

    def _known(self, bit: TableBit) -> TableBit:
        """The first that was asked for of all that are the same."""
        return self._bits.setdefault(bit.key, bit)

    def finish(self, m: Module, platform: object) -> None:
        """Make the LUTs of everything that was asked for."""
        plan = Pairing.of(self._bits.values())
        for bit in plan.free:
            wire = self._wires[bit.support[0]] if bit.support else Const(0, 1)
            m.d.comb += bit.value.eq(wire ^ bit.function[0])
        for group in plan.large:
            for start in range(0, len(group), _WIDEST):
                self._large(m, group[start : start + _WIDEST])
        for first, second in plan.pairs:
            self._lut(m, platform, first, second)
        for bit in plan.alone:
            wires = Cat(*(self._wires[source] for source in bit.support))
            truth = Const(_number(bit.function), len(bit.function))
            m.d.comb += bit.value.eq(truth.bit_select(wires, 1))

    def _lut(self, m: Module, platform: object, first: TableBit, second: TableBit) -> None:
        support = tuple(sorted({*first.support, *second.support}))
        inputs = [self._wires[source] for source in support]
        upper, lower = lut6_2(
            m, platform, inputs, _truth(first, support), _truth(second, support)
        )
        m.d.comb += [first.value.eq(upper), second.value.eq(lower)]

    def _large(self, m: Module, bits: list[TableBit]) -> None:
        """Bits that depend on the same six or more address bits."""
        words = sum(np.array(bit.function) << k for k, bit in enumerate(bits))
        table = Table(tuple(np.atleast_1d(words).tolist()), registered=False)
        m.submodules += table
        wires = Cat(*(self._wires[source] for source in bits[0].support))
        m.d.comb += [table.i.eq(wires), Cat(*(bit.value for bit in bits)).eq(table.o)]


def _truth(bit: TableBit, support: tuple[Source, ...]) -> int:
    """The truth table of a bit over more address bits than it depends on, as a number."""
    places = [support.index(source) for source in bit.support]
    address = np.arange(1 << len(support))
    own = sum(
        ((address >> place & 1) << k for k, place in enumerate(places)), np.zeros_like(address)
    )
    return _number(np.array(bit.function)[own].tolist())


def _number(function: Sequence[int]) -> int:
    return sum(value << k for k, value in enumerate(function))
