"""A quantized layer as two integer tables per edge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kanhw.formats import FloatArray, IntArray
from kanhw.quant.record.branches import TwoBranches
from kanhw.quant.record.table_sums import table_sums

__all__ = ["QuantBranchEdgeTable"]


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantBranchEdgeTable(TwoBranches):
    """A layer as two integer tables per edge, for branches that read different codes.

    Parameters
    ----------
    spline_tables, base_tables
        ``[n_out, n_in, 2**width]`` each.
    """

    spline_tables: IntArray
    base_tables: IntArray

    kind: ClassVar[str] = "branch_edge_table"

    def sums(
        self, streams: tuple[FloatArray, ...], lowest: tuple[int, ...]
    ) -> tuple[FloatArray, FloatArray]:
        """The sums of both branches ``[N, n_out]``."""
        spline, base = self.addresses(streams, lowest)
        return table_sums(self.spline_tables, spline), table_sums(self.base_tables, base)
