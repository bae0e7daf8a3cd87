"""A layer of shapes that edges share, unrolled: every edge is a table of its own."""

from __future__ import annotations

from typing import cast

from kanhw.gateware.parts.address import Address
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.unrolled.edge_table import SummedTablesCore
from kanhw.gateware.unrolled.merged_tables import merging_costs
from kanhw.gateware.unrolled.unrolled_costs import edge_table_costs, join_costs
from kanhw.program import CodebookLayer, ProgramLayer
from kanhw.schedule.schedule import Schedule

__all__ = ["CodebookCore"]


class CodebookCore(SummedTablesCore):
    """One layer of a codebook; equals :class:`kanhw.program.CodebookLayer`.

    Gain and shape are constants here, so they and the base branch become the tables of
    :meth:`~kanhw.program.CodebookLayer.edge_tables`. Where the edges of an input share their shape
    and their gains differ by a power of two, minimisation leaves them one table.
    """

    def __init__(
        self,
        layer: CodebookLayer,
        inputs: tuple[tuple[Address, ...], ...],
        schedule: Schedule,
        *,
        as_codes: tuple[bool, ...],
    ) -> None:
        super().__init__(layer, inputs, schedule, layer.edge_tables(), as_codes=as_codes)

    @classmethod
    def costs(cls, layer: ProgramLayer) -> HardwareCosts:
        """Two tables for every edge, their sums, and the joins."""
        own = cast(CodebookLayer, layer)
        spline, base = own.edge_tables()
        return edge_table_costs(spline) + edge_table_costs(base) + join_costs(layer)

    @classmethod
    def merging(cls, layer: ProgramLayer, schedule: Schedule) -> HardwareCosts:
        """What merged tables save."""
        own = cast(CodebookLayer, layer)
        return merging_costs(own.edge_tables(), schedule)

