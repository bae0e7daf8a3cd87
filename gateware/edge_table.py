"""A layer of edge tables, unrolled: every edge a table, every output an adder tree."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Module

from kanhw.formats import IntArray
from kanhw.gateware.adder_tree import Term, tree_cost
from kanhw.gateware.address import Address
from kanhw.gateware.layer import LayerCore, Operand, constant_operand, minimise_input
from kanhw.gateware.minimise import MinimisedTable, table_cost
from kanhw.gateware.signals import Range
from kanhw.program import EdgeTableLayer, ProgramLayer
from kanhw.schedule import Schedule

__all__ = ["EdgeTableCore", "SummedTablesCore"]

# How many inputs are tried as the place of an output's constant.
HOMES = 32

# A table of an output, by branch and input.
_Tables = dict[tuple[int, int], MinimisedTable]


class SummedTablesCore(LayerCore):
    """A layer whose every accumulator is a sum of edge tables.

    Tables are minimised and shared where two outputs need the same one. What was taken out of them
    is one constant per output, which goes back into the table where it costs the fewest bits.

    Parameters
    ----------
    layer, inputs, schedule, exact
        As for :class:`~kanhw.gateware.layer.LayerCore`.
    tables
        ``[n_out, n_in, 2**width]`` of every branch.
    """

    def __init__(
        self,
        layer: ProgramLayer,
        inputs: tuple[tuple[Address, ...], ...],
        schedule: Schedule,
        tables: tuple[IntArray, ...],
        *,
        exact: tuple[bool, ...],
    ) -> None:
        # [branch][j][i]
        self._minimised = [
            [
                [minimise_input(row[i], address) for i, address in enumerate(inputs[stream])]
                for row in branch
            ]
            for branch, stream in zip(tables, layer.streams, strict=True)
        ]
        super().__init__(layer, inputs, schedule, exact=exact)

    @property
    def source_latency(self) -> int:
        """Cycles from addresses to table outputs."""
        return int(self.schedule.table_registers)

    def operand_count(self, branches: tuple[int, ...], j: int, constant: int | None) -> int:
        """How many tables of output j vary."""
        return sum(not table.constant for table in self._tables_of(branches, j).values())

    def operands(
        self, m: Module, branches: tuple[int, ...], j: int, constant: int | None
    ) -> tuple[list[Operand], int]:
        """The tables of output j, with the constant folded into one of them if there is one."""
        tables = self._tables_of(branches, j)
        taken_out = sum(
            (table.values[0] << table.shift if table.constant else 0) - table.offset
            for table in tables.values()
        )
        tables = {place: table for place, table in tables.items() if not table.constant}
        if constant is not None:
            constant, taken_out = constant + taken_out, 0
            if not tables:
                return constant_operand(constant), 0
            if constant:
                home = _cheapest_home(tables, constant)
                tables[home] = _with_constant(tables[home], constant)
        operands = [
            Operand(self.table(m, branch, i, table), _term(table))
            for (branch, i), table in tables.items()
        ]
        return operands, taken_out

    def _tables_of(self, branches: tuple[int, ...], j: int) -> _Tables:
        return {
            (branch, i): table
            for branch in branches
            for i, table in enumerate(self._minimised[branch][j])
        }


class EdgeTableCore(SummedTablesCore):
    """One layer of a table per edge; equals :class:`kanhw.program.EdgeTableLayer`."""

    def __init__(
        self,
        layer: EdgeTableLayer,
        inputs: tuple[tuple[Address, ...], ...],
        schedule: Schedule,
        *,
        exact: tuple[bool, ...],
    ) -> None:
        super().__init__(layer, inputs, schedule, (layer.tables,), exact=exact)


def _range(table: MinimisedTable) -> Range:
    return Range(min(table.outputs), max(table.outputs))


def _term(table: MinimisedTable) -> Term:
    return Term(_range(table), table.shift)


def _with_constant(table: MinimisedTable, constant: int) -> MinimisedTable:
    """The same table with a constant added to what it contributes."""
    outputs = [(value << table.shift) + constant for value in table.outputs]
    combined = int(np.bitwise_or.reduce(np.array(outputs)))
    shift = (combined & -combined).bit_length() - 1
    values = tuple(value >> shift for value in outputs)
    if table.padding is None:
        return MinimisedTable(values, shift, 0)
    return MinimisedTable(values[:-1], shift, 0, values[-1])


def _cheapest_home(tables: _Tables, constant: int) -> tuple[int, int]:
    """The place of the table that should take the constant: fewest adder and table bits."""
    changed = {place: _with_constant(table, constant) for place, table in tables.items()}
    growth = {place: _own_cost(changed[place]) - _own_cost(tables[place]) for place in tables}

    def cost(home: tuple[int, int]) -> tuple[int, tuple[int, int]]:
        terms = [_term(table) for table in {**tables, home: changed[home]}.values()]
        return tree_cost(terms) + growth[home], home

    # A whole tree for each of hundreds of inputs would take minutes.
    return min(sorted(tables, key=lambda place: (growth[place], place))[:HOMES], key=cost)


def _own_cost(table: MinimisedTable) -> int:
    mask = (1 << _range(table).format.width) - 1
    return table_cost(np.array(table.values) & mask)
