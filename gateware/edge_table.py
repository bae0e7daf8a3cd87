"""A layer of edge tables, unrolled: every edge a table, every output an adder tree."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Module

from kanhw.gateware.adder_tree import Term, tree_cost
from kanhw.gateware.address import Address
from kanhw.gateware.layer import LayerCore, Operand, constant_operand
from kanhw.gateware.minimise import MinimisedTable, minimise_table, table_cost
from kanhw.gateware.signals import Range
from kanhw.program import EdgeTableLayer
from kanhw.schedule import Schedule

__all__ = ["EdgeTableCore"]

# How many inputs are tried as the place of an output's constant.
HOMES = 32


class EdgeTableCore(LayerCore):
    """One layer of a table per edge; equals :class:`kanhw.program.EdgeTableLayer`.

    Tables are minimised and shared where two outputs need the same one. What was taken out of them
    is one constant per output, which goes back into the table where it costs the fewest bits.
    """

    layer: EdgeTableLayer

    def __init__(
        self,
        layer: EdgeTableLayer,
        inputs: tuple[tuple[Address, ...], ...],
        schedule: Schedule,
        *,
        last: bool,
    ) -> None:
        addresses = inputs[layer.stream]
        self._minimised = [
            [
                minimise_table(layer.tables[j, i][address.entries], address.lo, address.hi)
                for i, address in enumerate(addresses)
            ]
            for j in range(layer.n_out)
        ]
        super().__init__(layer, inputs, schedule, last=last)

    @property
    def source_latency(self) -> int:
        """Cycles from addresses to table outputs."""
        return int(self.schedule.table_registers)

    def operand_count(self, branch: int, j: int, constant: int | None) -> int:
        """How many tables of output j vary."""
        return sum(not table.constant for table in self._minimised[j])

    def operands(
        self, m: Module, branch: int, j: int, constant: int | None
    ) -> tuple[list[Operand], int]:
        """The tables of output j, with the constant folded into one of them if there is one."""
        taken_out = sum(
            (table.values[0] << table.shift if table.constant else 0) - table.offset
            for table in self._minimised[j]
        )
        tables = {i: t for i, t in enumerate(self._minimised[j]) if not t.constant}
        if constant is None:
            return [self._operand(m, i, table) for i, table in tables.items()], taken_out
        constant += taken_out
        if not tables:
            return constant_operand(constant), 0
        if constant:
            i = _cheapest_home(tables, constant)
            tables[i] = _with_constant(tables[i], constant)
        return [self._operand(m, i, table) for i, table in tables.items()], 0

    def _operand(self, m: Module, i: int, table: MinimisedTable) -> Operand:
        value = self.table(m, 0, i, table.values)
        return Operand(value, _term(table))


def _range(table: MinimisedTable) -> Range:
    return Range(min(table.values), max(table.values))


def _term(table: MinimisedTable) -> Term:
    return Term(_range(table), table.shift)


def _with_constant(table: MinimisedTable, constant: int) -> MinimisedTable:
    """The same table with a constant added to what it contributes."""
    values = tuple((value << table.shift) + constant for value in table.values)
    combined = int(np.bitwise_or.reduce(np.array(values)))
    shift = (combined & -combined).bit_length() - 1
    return MinimisedTable(tuple(value >> shift for value in values), shift, 0)


def _cheapest_home(tables: dict[int, MinimisedTable], constant: int) -> int:
    """The input whose table should take the constant: fewest adder and table bits."""
    changed = {i: _with_constant(table, constant) for i, table in tables.items()}
    growth = {i: _own_cost(changed[i]) - _own_cost(tables[i]) for i in tables}

    def cost(home: int) -> tuple[int, int]:
        terms = [_term(table) for table in {**tables, home: changed[home]}.values()]
        return tree_cost(terms) + growth[home], home

    # A whole tree for each of hundreds of inputs would take minutes.
    return min(sorted(tables, key=lambda i: (growth[i], i))[:HOMES], key=cost)


def _own_cost(table: MinimisedTable) -> int:
    mask = (1 << _range(table).format.width) - 1
    return table_cost(np.array(table.values) & mask)
