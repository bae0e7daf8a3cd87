"""A layer of edge tables, unrolled: every edge a table, every output an adder tree."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import cast

from amaranth.hdl import Module

from kanhw.formats import IntArray
from kanhw.gateware.fabric import Place, Summands
from kanhw.gateware.parts.address import Address
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.parts.minimise import MinimisedTable
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.parts.terms import Term
from kanhw.gateware.unrolled.layer_core import LayerCore
from kanhw.gateware.unrolled.merged_tables import merging_costs, merging_of
from kanhw.gateware.unrolled.operand import Operand, constant_operand, minimise_input
from kanhw.gateware.unrolled.unrolled_costs import edge_table_costs, join_costs
from kanhw.program import EdgeTableLayer, ProgramLayer
from kanhw.schedule.schedule import Schedule

__all__ = ["EdgeTableCore", "SummedTablesCore"]

# The tables of an output, by what they read.
_Tables = dict[Place, MinimisedTable]


class SummedTablesCore(LayerCore):
    """A layer whose every accumulator is a sum of edge tables.

    Tables are minimised and shared where two outputs need the same one; those of one output are
    merged where the schedule says so. What was taken out of them is one constant per output, which
    the fabric adds where it costs the least.

    Parameters
    ----------
    layer, inputs, schedule, as_codes
        As for :class:`~kanhw.gateware.unrolled.layer_core.LayerCore`.
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
        as_codes: tuple[bool, ...],
    ) -> None:
        # [branch][j][i]
        self._minimised = [
            [
                [minimise_input(row[i], address) for i, address in enumerate(inputs[stream])]
                for row in branch
            ]
            for branch, stream in zip(tables, layer.streams, strict=True)
        ]
        self._known: dict[tuple[tuple[int, ...], int, int | None], Summands] = {}
        self._merging = merging_of(schedule)
        self._uses = Counter(
            (layer.streams[branch], i, table.values)
            for branch, rows in enumerate(self._minimised)
            for row in rows
            for i, table in enumerate(row)
        )
        super().__init__(layer, inputs, schedule, as_codes=as_codes)

    @property
    def source_latency(self) -> int:
        """Cycles from addresses to table outputs."""
        return int(self.schedule.tables_registered)

    def operand_count(self, branches: tuple[int, ...], j: int, constant: int | None) -> int:
        """The number of output j's varying tables, as the fabric makes them, and its constant."""
        summands = self._summands(branches, j, constant)
        return len(summands.tables) + (summands.constant != 0)

    def operands(
        self, m: Module, branches: tuple[int, ...], j: int, constant: int | None
    ) -> tuple[list[Operand], int]:
        """The tables of output j, as the fabric makes them, and its constant."""
        summands = self._summands(branches, j, constant)
        operands = [
            Operand(self.table(m, place, table), _term(table))
            for place, table in summands.tables
        ]
        return operands + constant_operand(summands.constant), summands.remaining

    def _summands(self, branches: tuple[int, ...], j: int, constant: int | None) -> Summands:
        key = (branches, j, constant)
        if key not in self._known:
            tables = self._tables_of(branches, j)
            fixed = sum(
                (table.values[0] << table.shift) - table.offset
                for table in tables.values()
                if table.constant
            )
            varying = {place: table for place, table in tables.items() if not table.constant}
            if self._merging is not None:
                varying = self._merging.merged(varying, self._outputs_of)
            self._known[key] = self._summands_of(varying, fixed, constant, j)
        return self._known[key]

    def _summands_of(self, varying: _Tables, fixed: int, constant: int | None, j: int) -> Summands:
        if constant is None:
            summands = self._of_fabric(varying, None, j) if varying else Summands((), 0, 0)
            return replace(summands, remaining=summands.remaining + fixed)
        if not varying:
            return Summands((), constant + fixed, 0)
        return self._of_fabric(varying, constant + fixed, j)

    def _of_fabric(self, varying: _Tables, constant: int | None, j: int) -> Summands:
        return self.fabric.summands(
            varying,
            constant,
            None if constant is None else self.window(0, j),
            registered=self.schedule.tables_registered,
        )

    def _outputs_of(self, place: Place, table: MinimisedTable) -> int:
        """The number of outputs that have a table."""
        (reading,) = place
        return self._uses[self.layer.streams[reading.branch], reading.input, table.values]

    def _tables_of(self, branches: tuple[int, ...], j: int) -> _Tables:
        return {
            self.place(branch, i): table
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
        as_codes: tuple[bool, ...],
    ) -> None:
        super().__init__(layer, inputs, schedule, (layer.tables,), as_codes=as_codes)

    @classmethod
    def costs(cls, layer: ProgramLayer) -> HardwareCosts:
        """A table for every edge, their sums, and the joins."""
        own = cast(EdgeTableLayer, layer)
        return edge_table_costs(own.tables) + join_costs(layer)

    @classmethod
    def merging(cls, layer: ProgramLayer, schedule: Schedule) -> HardwareCosts:
        """What merged tables save."""
        own = cast(EdgeTableLayer, layer)
        return merging_costs((own.tables,), schedule)


def _range(table: MinimisedTable) -> Range:
    return Range(min(table.outputs), max(table.outputs))


def _term(table: MinimisedTable) -> Term:
    return Term(_range(table), table.shift)
