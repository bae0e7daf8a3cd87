"""Hardware of any family: what synthesis infers from plain expressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from amaranth.hdl import Module, Value

from kanhw.formats import CodeFormat
from kanhw.gateware.fabric.counted_tables import bits_of_tables
from kanhw.gateware.fabric.interface import Fabric, Place, Summands, TableBank, Window
from kanhw.gateware.parts.adder_tree import AdderTree, tree_cost, tree_costs, tree_latency
from kanhw.gateware.parts.address import Address, output_address
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.parts.minimise import MinimisedTable, bit_supports, table_cost
from kanhw.gateware.parts.saturator import Saturator, saturator_costs
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.parts.table import Table
from kanhw.gateware.parts.terms import Term

__all__ = ["PlainTables", "Portable"]

# How many inputs are tried as the place of an output's constant.
HOMES = 32


class PlainTables(TableBank):
    """Every table a memory that is never written."""

    def __init__(self, *, registered: bool) -> None:
        self._registered = registered
        self._outputs: dict[tuple[object, ...], Value] = {}

    def output(
        self, m: Module, input: Place, address: Value, table: MinimisedTable, pad: Value | None
    ) -> Value:
        """Output of a table, made once however many ask for it."""
        key = (input, table.values, table.padding)
        if key not in self._outputs:
            unit = Table(table.values, registered=self._registered, padding=table.padding)
            name = "_".join(str(reading.input) for reading in input)
            m.submodules[f"table{len(self._outputs)}_input{name}"] = unit
            m.d.comb += unit.i.eq(address)
            if table.padding is not None:
                m.d.comb += unit.pad.eq(pad)
            self._outputs[key] = unit.o
        return self._outputs[key]

    def finish(self, m: Module, platform: object) -> None:
        """Nothing is left to do."""


class Portable(Fabric):
    """Adders of two operands, saturation in LUTs, tables as they are."""

    def tree_latency(self, count: int, levels: int) -> int:
        """As :func:`~kanhw.gateware.parts.adder_tree.tree_latency`."""
        return tree_latency(count, levels)

    def tree(self, terms: list[Term], levels: int, bound: Range | None) -> AdderTree:
        """Two operands per adder."""
        return AdderTree(terms, levels=levels)

    def tree_costs(
        self, terms: list[Term], levels: int, bound: Range | None, unread: int = 0
    ) -> tuple[HardwareCosts, int, Range]:
        """Its adders, and the registers between them."""
        total = Range(0, 0)
        for term in terms:
            total = total + term.value_range
        # Bits above what the sum can be are read by nobody.
        limit = bound.format.width if bound else None
        return tree_costs(terms, levels, limit, unread), tree_latency(len(terms), levels), total

    def address(
        self, lo: int, hi: int, format: CodeFormat, *, last: bool, codes: tuple[int, int] | None
    ) -> Address:
        """The saturated code, or a narrow sum as it is."""
        return output_address(lo, hi, format, last=last, codes=codes)

    def saturator_latency(self, address: Address, *, last: bool, outputs: int) -> int:
        """One."""
        return 1

    def saturator(
        self, sums: Range, base: int, shift: int, address: Address, cycles: int
    ) -> Saturator:
        """Multiplexers in front of a register."""
        return Saturator(sums, shift, address.width)

    def saturator_costs(
        self, sums: Range, base: int, shift: int, address: Address, cycles: int
    ) -> HardwareCosts:
        """The multiplexers, of an end that the sum can be beyond, and the register."""
        return saturator_costs(sums, shift, address.width)

    def window(self, address: Address, shift: int, *, signed: bool) -> Window | None:
        """None: the whole constant is added."""
        return None

    def summands(
        self,
        tables: Mapping[Place, MinimisedTable],
        constant: int | None,
        window: Window | None,
        *,
        registered: bool,
    ) -> Summands:
        """The tables, with the constant in the one where it costs the fewest bits."""
        remaining = -sum(table.offset for table in tables.values())
        if constant is None:
            return Summands(tuple(tables.items()), 0, remaining)
        changed, total = dict(tables), constant + remaining
        if total:
            home = _cheapest_home(tables, total)
            changed[home] = _with_constant(tables[home], total)
        return Summands(tuple(changed.items()), 0, 0)

    def table_costs(
        self, tables: Mapping[Place, Sequence[MinimisedTable]], *, registered: bool
    ) -> HardwareCosts:
        """Every bit of them by itself."""
        each = (bits_of_tables(own, registered=registered) for own in tables.values())
        return sum(each, HardwareCosts())

    def supports(self, table: MinimisedTable, *, registered: bool) -> tuple[int, ...]:
        """Those of its bits."""
        return bit_supports(np.array(table.values))

    def bank(self, *, registered: bool) -> PlainTables:
        """Memories."""
        return PlainTables(registered=registered)


def _term(table: MinimisedTable) -> Term:
    return Term(_range(table), table.shift)


def _range(table: MinimisedTable) -> Range:
    return Range(min(table.outputs), max(table.outputs))


def _with_constant(table: MinimisedTable, constant: int) -> MinimisedTable:
    """The same table with a constant added to what it contributes."""
    outputs = [(value << table.shift) + constant for value in table.outputs]
    combined = int(np.bitwise_or.reduce(np.array(outputs)))
    shift = (combined & -combined).bit_length() - 1
    values = tuple(value >> shift for value in outputs)
    if table.padding is None:
        return MinimisedTable(values, shift, 0)
    return MinimisedTable(values[:-1], shift, 0, values[-1])


def _cheapest_home(tables: Mapping[Place, MinimisedTable], constant: int) -> Place:
    """The place of the table that should take the constant: fewest adder and table bits."""
    changed = {place: _with_constant(table, constant) for place, table in tables.items()}
    growth = {place: _own_cost(changed[place]) - _own_cost(tables[place]) for place in tables}

    def cost(home: Place) -> tuple[int, Place]:
        terms = [_term(table) for table in {**tables, home: changed[home]}.values()]
        return tree_cost(terms) + growth[home], home

    # A whole tree for each of hundreds of inputs would take minutes.
    return min(sorted(tables, key=lambda place: (growth[place], place))[:HOMES], key=cost)


def _own_cost(table: MinimisedTable) -> int:
    mask = (1 << _range(table).format.width) - 1
    return table_cost(np.array(table.values) & mask)
