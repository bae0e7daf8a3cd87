"""A layer of two edge tables per edge, for branches that read different codes."""

from __future__ import annotations

from typing import cast

from kanhw.gateware.parts.address import Address
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.unrolled.edge_table import SummedTablesCore
from kanhw.gateware.unrolled.merged_tables import merging_costs
from kanhw.gateware.unrolled.unrolled_costs import edge_table_costs, join_costs
from kanhw.program import BranchEdgeTableLayer, ProgramLayer
from kanhw.schedule.schedule import Schedule

__all__ = ["BranchEdgeTableCore"]


class BranchEdgeTableCore(SummedTablesCore):
    """One layer of two tables per edge; equals :class:`kanhw.program.BranchEdgeTableLayer`.

    Where both multipliers of an output are 1, its branches share one adder tree without a join.
    """

    def __init__(
        self,
        layer: BranchEdgeTableLayer,
        inputs: tuple[tuple[Address, ...], ...],
        schedule: Schedule,
        *,
        as_codes: tuple[bool, ...],
    ) -> None:
        tables = (layer.spline_tables, layer.base_tables)
        super().__init__(layer, inputs, schedule, tables, as_codes=as_codes)

    @classmethod
    def costs(cls, layer: ProgramLayer) -> HardwareCosts:
        """Two tables for every edge, their sums, and the joins."""
        own = cast(BranchEdgeTableLayer, layer)
        tables = edge_table_costs(own.spline_tables) + edge_table_costs(own.base_tables)
        return tables + join_costs(layer)

    @classmethod
    def merging(cls, layer: ProgramLayer, schedule: Schedule) -> HardwareCosts:
        """What merged tables save."""
        own = cast(BranchEdgeTableLayer, layer)
        return merging_costs((own.spline_tables, own.base_tables), schedule)

