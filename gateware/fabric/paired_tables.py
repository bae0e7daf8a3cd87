"""The tables of a layer in LUT6_2 cells, and in flip-flops that are set and reset."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from kanhw.formats import IntArray
from kanhw.gateware.fabric.coding import bit_luts
from kanhw.gateware.fabric.interface import Place, TableBank
from kanhw.gateware.fabric.primitives import lut6_2
from kanhw.gateware.parts.minimise import MinimisedTable
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.parts.table import Table

__all__ = ["PairedTables", "table_luts"]

PAIR_INPUTS = 5

# (address bit, its value)
_Literal = tuple[int, int]


@dataclass(eq=False)
class _Bit:
    """One output bit: its truth table over all address bits, and which of them matter."""

    column: IntArray
    support: tuple[int, ...]
    place: int
    value: Signal = field(default_factory=Signal)


class PairedTables(TableBank):
    """Tables that share their LUTs with the others on the same input.

    Two bits that depend on five address bits together are one LUT6_2. In front of a register, where
    an address bit alone decides that a table hands out a certain entry (or either of two bits
    does), the flip-flops are set or reset and the LUTs do not read that bit.

    Parameters
    ----------
    registered
        Whether a register follows every table.
    """

    def __init__(self, *, registered: bool) -> None:
        self._registered = registered
        self._outputs: dict[tuple[object, ...], Value] = {}
        self._addresses: dict[object, Value] = {}
        self._bits: dict[object, list[_Bit]] = {}

    def output(
        self, m: Module, input: Place, address: Value, table: MinimisedTable, pad: Value | None
    ) -> Value:
        """Output of a table, made once however many ask for it; complete after :meth:`finish`.

        Parameters
        ----------
        m
            Where the registers go.
        input
            A name for the address: tables with the same name have the same.
        address, table
            The two.
        pad
            Whether the input is absent, where it may be.
        """
        key = (input, table.values, table.padding)
        if key not in self._outputs:
            self._addresses.setdefault(input, address)
            self._outputs[key] = self._table_output(m, input, address, table, pad)
        return self._outputs[key]

    def _table_output(
        self, m: Module, input: Place, address: Value, table: MinimisedTable, pad: Value | None
    ) -> Value:
        shape = Range(min(table.outputs), max(table.outputs)).shape
        values = np.array(table.values, np.int64)
        literals, constant = _exception(values) if self._registered else ((), 0)
        value: Value = Cat(*self._columns(input, values, literals, shape.width))
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

    def _columns(
        self, input: object, values: IntArray, literals: tuple[_Literal, ...], width: int
    ) -> list[Value]:
        """The bits of a table where none of the literals holds."""
        values = _elsewhere(values, literals)
        bits = []
        for place in range(width):
            column = values >> place & 1
            bits.append(_Bit(column, _support(column), place))
        self._bits.setdefault(input, []).extend(bits)
        return [bit.value for bit in bits]

    def finish(self, m: Module, platform: object) -> None:
        """Make the LUTs of everything that was asked for."""
        for input, bits in self._bits.items():
            address = self._addresses[input]
            small = [bit for bit in bits if len(bit.support) <= PAIR_INPUTS]
            large: dict[tuple[int, ...], list[_Bit]] = {}
            for bit in bits:
                if len(bit.support) > PAIR_INPUTS:
                    large.setdefault(bit.support, []).append(bit)
            for support, group in large.items():
                self._large(m, Cat(*(address[b] for b in support)), support, group)
            self._pair(m, platform, address, small)

    def _pair(self, m: Module, platform: object, address: Value, bits: list[_Bit]) -> None:
        waiting = sorted(bits, key=lambda bit: -len(bit.support))
        while waiting:
            first = waiting.pop(0)
            if len(first.support) <= 1:
                wire = address[first.support[0]] if first.support else Const(0, 1)
                m.d.comb += first.value.eq(wire ^ int(first.column[0]))
                continue
            second = next(
                (b for b in waiting if b.support and _fits(first, b)),
                None,
            )
            support = tuple(sorted({*first.support, *(second.support if second else ())}))
            inputs = [address[b] for b in support]
            if second is None:
                m.d.comb += first.value.eq(_truth(first, support, inputs))
                continue
            waiting.remove(second)
            upper, lower = lut6_2(
                m, platform, inputs, _function(first, support), _function(second, support)
            )
            m.d.comb += [first.value.eq(upper), second.value.eq(lower)]

    def _large(self, m: Module, address: Value, support: tuple[int, ...], bits: list[_Bit]) -> None:
        """Bits that depend on the same six or more address bits."""
        values = sum(_projected(bit.column, support) << k for k, bit in enumerate(bits))
        words = values if isinstance(values, np.ndarray) else np.zeros(1, np.int64)
        table = Table(tuple(int(v) for v in words), registered=False)
        m.submodules += table
        m.d.comb += [table.i.eq(address), Cat(*(bit.value for bit in bits)).eq(table.o)]


def table_luts(table: MinimisedTable, *, registered: bool) -> float:
    """About how many LUTs a table takes in a :class:`PairedTables`."""
    values = np.array(table.values, np.int64)
    if registered:
        values = _elsewhere(values, _exception(values)[0])
    width = int(values.max()).bit_length()
    return sum(bit_luts(len(_support(values >> place & 1))) for place in range(width))


def _elsewhere(values: IntArray, literals: tuple[_Literal, ...]) -> IntArray:
    """The entries where none of the literals holds, wherever it holds too."""
    for bit, value in literals:
        halves = values.reshape(-1, 2, 1 << bit)
        values = np.repeat(halves[:, 1 - value : 2 - value], 2, axis=1).reshape(-1)
    return values


def _fits(first: _Bit, second: _Bit) -> bool:
    return len(second.support) > 1 and len({*first.support, *second.support}) <= PAIR_INPUTS


def _support(column: IntArray) -> tuple[int, ...]:
    bits = len(column).bit_length() - 1
    halves = (column.reshape(-1, 2, 1 << bit) for bit in range(bits))
    return tuple(bit for bit, h in enumerate(halves) if (h[:, 0] != h[:, 1]).any())


def _projected(column: IntArray, support: tuple[int, ...]) -> IntArray:
    """The truth table over the supporting address bits only."""
    small = np.arange(1 << len(support))
    address = sum(((small >> k & 1) << bit for k, bit in enumerate(support)), np.zeros_like(small))
    return column[address]


def _function(bit: _Bit, support: tuple[int, ...]) -> int:
    return sum(int(v) << k for k, v in enumerate(_projected(bit.column, support)))


def _truth(bit: _Bit, support: tuple[int, ...], inputs: list[Value]) -> Value:
    return Const(_function(bit, support), 1 << len(support)).bit_select(Cat(*inputs), 1)


def _exception(values: IntArray) -> tuple[tuple[_Literal, ...], int]:
    """One address bit, or two, that make the table a constant, and the constant.

    The top bit is tried first and on its own, since with it go the flags of saturated addresses.
    """
    bits = len(values).bit_length() - 1
    found: tuple[tuple[_Literal, ...], int] = ((), 0)
    for top in reversed(range(bits)):
        for wanted in (1, 0):
            halves = values.reshape(-1, 2, 1 << top)
            here = halves[:, wanted]
            constant = int(here.flat[0])
            if (here != constant).any():
                continue
            if not found[0]:
                found = ((top, wanted),), constant
            for bit in reversed(range(bits)):
                for value in (1, 0):
                    if bit == top:
                        continue
                    mask = np.arange(len(values)) >> top & 1 != wanted
                    second = values[mask & ((np.arange(len(values)) >> bit & 1) == value)]
                    if (second == constant).all() and not (values == constant).all():
                        return ((top, wanted), (bit, value)), constant
    return found
