"""The tables of a layer in LUT6_2 cells, and in flip-flops that are set and reset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value

from kanhw.formats import IntArray
from kanhw.gateware.fabric.coding import bit_luts
from kanhw.gateware.fabric.interface import Place, TableBank
from kanhw.gateware.fabric.primitives import lut6_2
from kanhw.gateware.parts.minimise import MinimisedTable, bit_supports, projected, support_of
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.parts.table import Table

__all__ = ["PairedTables", "paired_luts", "table_luts", "table_supports"]

PAIR_INPUTS = 5
# Bits of one table at most, as its words are int64.
_WIDEST = 62

# (address bit, its value)
_Literal = tuple[int, int]


# An address bit as every table sees it: stream, input, and which bit of its address.
_Source = tuple[int, int, int]


@dataclass(eq=False)
class _Bit:
    """An output bit of tables: the address bits that matter, in order, and its truth table."""

    support: tuple[_Source, ...]
    function: tuple[int, ...]
    value: Signal = field(default_factory=Signal)

    @classmethod
    def of(cls, sources: tuple[_Source, ...], column: IntArray) -> _Bit:
        """Of its truth table over all address bits."""
        order = tuple(sorted(support_of(column), key=lambda place: sources[place]))
        support = tuple(sources[place] for place in order)
        return cls(support, tuple(projected(column, order).tolist()))

    @property
    def key(self) -> tuple[object, ...]:
        """The same of the same bits."""
        return self.support, self.function


@dataclass(frozen=True, eq=False)
class _LookedUp:
    """What LUTs look up of a table ``[2**n]``, and where flip-flops are set and reset instead."""

    shape: Shape
    inside: IntArray
    literals: tuple[_Literal, ...]
    constant: int

    @classmethod
    def of(cls, table: MinimisedTable, *, registered: bool) -> _LookedUp:
        shape = Range(min(table.outputs), max(table.outputs)).shape
        values = np.array(table.values, np.int64)
        literals, constant = _exception(values) if registered else ((), 0)
        return cls(shape, _elsewhere(values, literals), literals, constant)

    def bits(self, sources: tuple[_Source, ...]) -> Iterator[_Bit]:
        """Every bit of what is handed out."""
        return (_Bit.of(sources, self.inside >> k & 1) for k in range(self.shape.width))


@dataclass(frozen=True, eq=False)
class _Plan:
    """Which bits share a LUT.

    ``free`` ones are an address bit or its complement, ``large`` ones depend on more address bits
    than two bits of a LUT may, the same ones in every group.
    """

    free: tuple[_Bit, ...]
    large: tuple[list[_Bit], ...]
    pairs: tuple[tuple[_Bit, _Bit], ...]
    alone: tuple[_Bit, ...]

    @classmethod
    def of(cls, bits: Iterable[_Bit]) -> _Plan:
        free: list[_Bit] = []
        large: dict[tuple[_Source, ...], list[_Bit]] = {}
        small: dict[tuple[tuple[int, int], ...], list[_Bit]] = {}
        for bit in bits:
            if len(bit.support) > PAIR_INPUTS:
                large.setdefault(bit.support, []).append(bit)
            elif len(bit.support) > 1:
                inputs = tuple(dict.fromkeys(source[:2] for source in bit.support))
                small.setdefault(inputs, []).append(bit)
            else:
                free.append(bit)
        pairs: list[tuple[_Bit, _Bit]] = []
        left = [bit for own in small.values() for bit in _paired(own, pairs)]
        alone = _paired_apart(left, pairs)
        return cls(tuple(free), tuple(large.values()), tuple(pairs), tuple(alone))

    @property
    def luts(self) -> float:
        """Of all of them."""
        large = sum(bit_luts(len(group[0].support)) * len(group) for group in self.large)
        return len(self.pairs) + len(self.alone) + large


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
        self._wires: dict[_Source, Value] = {}
        self._bits: dict[tuple[object, ...], _Bit] = {}

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
        sources = _sources(input)
        for place, source in enumerate(sources):
            self._wires.setdefault(source, address[place])
        looked_up = _LookedUp.of(table, registered=self._registered)
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

    def _known(self, bit: _Bit) -> _Bit:
        """The first that was asked for of all that are the same."""
        return self._bits.setdefault(bit.key, bit)

    def finish(self, m: Module, platform: object) -> None:
        """Make the LUTs of everything that was asked for."""
        plan = _Plan.of(self._bits.values())
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

    def _lut(self, m: Module, platform: object, first: _Bit, second: _Bit) -> None:
        support = tuple(sorted({*first.support, *second.support}))
        inputs = [self._wires[source] for source in support]
        upper, lower = lut6_2(
            m, platform, inputs, _truth(first, support), _truth(second, support)
        )
        m.d.comb += [first.value.eq(upper), second.value.eq(lower)]

    def _large(self, m: Module, bits: list[_Bit]) -> None:
        """Bits that depend on the same six or more address bits."""
        words = sum(np.array(bit.function) << k for k, bit in enumerate(bits))
        table = Table(tuple(np.atleast_1d(words).tolist()), registered=False)
        m.submodules += table
        wires = Cat(*(self._wires[source] for source in bits[0].support))
        m.d.comb += [table.i.eq(wires), Cat(*(bit.value for bit in bits)).eq(table.o)]


def paired_luts(
    tables: Mapping[Place, Sequence[MinimisedTable]], *, registered: bool
) -> float:
    """The LUTs of a :class:`PairedTables` of some tables, by what they read.

    Where one of two address bits sets or resets flip-flops, that is a LUT too.
    """
    bits: dict[tuple[object, ...], _Bit] = {}
    signals: set[tuple[tuple[_Source, int], ...]] = set()
    for place, own in tables.items():
        sources = _sources(place)
        for table in own:
            looked_up = _LookedUp.of(table, registered=registered)
            if len(looked_up.literals) > 1:
                signals.add(tuple((sources[bit], value) for bit, value in looked_up.literals))
            for bit in looked_up.bits(sources):
                bits.setdefault(bit.key, bit)
    return _Plan.of(bits.values()).luts + len(signals)


def table_luts(table: MinimisedTable, *, registered: bool) -> float:
    """About how many LUTs a table takes in a :class:`PairedTables`."""
    return sum(bit_luts(count) for count in table_supports(table, registered=registered))


def table_supports(table: MinimisedTable, *, registered: bool) -> tuple[int, ...]:
    """Of every bit of a table the address bits that its LUTs in a :class:`PairedTables` read."""
    values = np.array(table.values, np.int64)
    if registered:
        values = _elsewhere(values, _exception(values)[0])
    return bit_supports(values)


def _elsewhere(values: IntArray, literals: tuple[_Literal, ...]) -> IntArray:
    """The entries where none of the literals holds, wherever it holds too."""
    for bit, value in literals:
        halves = values.reshape(-1, 2, 1 << bit)
        values = np.repeat(halves[:, 1 - value : 2 - value], 2, axis=1).reshape(-1)
    return values


def _sources(place: Place) -> tuple[_Source, ...]:
    """The address bits that a table reads."""
    return tuple((r.branch, r.input, bit) for r in place for bit in r.bits)


def _paired(bits: list[_Bit], pairs: list[tuple[_Bit, _Bit]]) -> list[_Bit]:
    """Pairs of bits of the same inputs are added; gives those that are left."""
    waiting, alone = sorted(bits, key=lambda bit: -len(bit.support)), []
    while waiting:
        first = waiting.pop(0)
        second = next((bit for bit in waiting if _fits(first, bit)), None)
        if second is None:
            alone.append(first)
            continue
        waiting.remove(second)
        pairs.append((first, second))
    return alone


def _paired_apart(bits: list[_Bit], pairs: list[tuple[_Bit, _Bit]]) -> list[_Bit]:
    """Pairs of bits whatever they read are added; gives those that are left."""
    twos = [bit for bit in bits if len(bit.support) == 2]
    threes = [bit for bit in bits if len(bit.support) == 3]
    while twos and len(threes) + len(twos) > 1:
        pairs.append((threes.pop() if threes else twos.pop(), twos.pop()))
    return [*twos, *threes, *(bit for bit in bits if len(bit.support) > 3)]


def _fits(first: _Bit, second: _Bit) -> bool:
    return len({*first.support, *second.support}) <= PAIR_INPUTS


def _truth(bit: _Bit, support: tuple[_Source, ...]) -> int:
    """The truth table of a bit over more address bits than it depends on, as a number."""
    places = [support.index(source) for source in bit.support]
    address = np.arange(1 << len(support))
    own = sum(
        ((address >> place & 1) << k for k, place in enumerate(places)), np.zeros_like(address)
    )
    return _number(np.array(bit.function)[own].tolist())


def _number(function: Sequence[int]) -> int:
    return sum(value << k for k, value in enumerate(function))


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
