"""Two tables for every edge, one for each branch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import CodeFormat, IntArray
from kanhw.program.functions.tables import clamped_tables, constants_like, edge_table_sums
from kanhw.program.intervals import Interval, edge_table_interval
from kanhw.program.kinds.layer import TwoBranches
from kanhw.program.requantizer import Requantizer

__all__ = ["BranchEdgeTableLayer"]

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class BranchEdgeTableLayer(TwoBranches):
    """Two tables per edge, for branches that read different codes.

    ``acc_spline[j] = sum_i spline_tables[j, i][a_i]`` and
    ``acc_base[j] = sum_i base_tables[j, i][a'_i]``: FastKAN's basis reads a normalised input and
    its base branch the raw one.

    Parameters
    ----------
    spline_tables, base_tables
        ``[n_out, n_in, 2**width]`` and ``[n_out, n_in, 2**width']`` integers.
    requantizers
        One for every stream of codes that the next layer wants.
    name
        For messages and reports.
    spline_stream, base_stream
        Which stream of the layer before addresses each branch.
    accumulator_formats
        Declared widths of the two accumulators; None derives them.
    """

    kind: ClassVar[str] = "branch_edge_table"
    edges: ClassVar[str] = "spline_tables"

    spline_tables: IntArray
    base_tables: IntArray
    requantizers: tuple[Requantizer, ...]
    name: str = "layer"
    spline_stream: int = 0
    base_stream: int = 0
    accumulator_formats: tuple[CodeFormat, ...] | None = None

    def __post_init__(self) -> None:
        self.freeze(dict.fromkeys(("spline_tables", "base_tables"), 3))
        if self.spline_tables.shape[:2] != self.base_tables.shape[:2]:
            raise InputError(
                f"Layer {self.name!r}: spline tables {self.spline_tables.shape} and base tables "
                f"{self.base_tables.shape} are for different edges"
            )
        self.check_joins(self.n_out)

    @property
    def depths(self) -> tuple[int, ...]:
        """Table entries of each branch."""
        return (int(self.spline_tables.shape[2]), int(self.base_tables.shape[2]))

    @property
    def active(self) -> BoolArray:
        """Which edges exist, ``[n_out, n_in]``."""
        return np.asarray(
            (self.spline_tables != 0).any(axis=2) | (self.base_tables != 0).any(axis=2)
        )

    def accumulate(self, addresses: tuple[Any, ...]) -> tuple[Any, ...]:
        """Both accumulators ``[N, n_out]``; see :func:`edge_table_sums`."""
        spline, base = addresses
        return (
            edge_table_sums(constants_like(self.spline_tables, spline), spline),
            edge_table_sums(constants_like(self.base_tables, base), base),
        )

    def accumulator_intervals(self, addresses: tuple[Interval, ...]) -> tuple[Interval, ...]:
        """Exact bounds of each edge's branch, added up."""
        spline, base = addresses
        return (
            edge_table_interval(self.spline_tables, spline, None),
            edge_table_interval(self.base_tables, base, None),
        )

    def clamped(self, addresses: tuple[Interval, ...]) -> BranchEdgeTableLayer:
        """The same layer of addresses that are limited to these: its tables contain the limits."""
        spline, base = addresses
        return replace(
            self,
            spline_tables=clamped_tables(self.spline_tables, spline.lo, spline.hi),
            base_tables=clamped_tables(self.base_tables, base.lo, base.hi),
        )

    def tensors(self) -> dict[str, IntArray]:
        """The integers to store, by field name."""
        return {"spline_tables": self.spline_tables, "base_tables": self.base_tables}
