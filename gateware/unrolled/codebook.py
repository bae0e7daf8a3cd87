"""A layer of shapes that edges share, unrolled: every edge is a table of its own."""

from __future__ import annotations

from kanhw.gateware.parts.address import Address
from kanhw.gateware.unrolled.edge_table import SummedTablesCore
from kanhw.program import CodebookLayer
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
        exact: tuple[bool, ...],
    ) -> None:
        super().__init__(layer, inputs, schedule, layer.edge_tables(), exact=exact)
