"""A table for every edge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from kanhw.formats import CodeFormat, IntArray
from kanhw.program.arrays import frozen_integers
from kanhw.program.checks import (
    check_requantizers,
    check_streams,
)
from kanhw.program.functions.tables import clamped_tables, constants_like, edge_table_sums
from kanhw.program.intervals import Interval, edge_table_interval
from kanhw.program.requantizer import Requantizer
from kanhw.windows import Window

__all__ = ["EdgeTableLayer"]

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class EdgeTableLayer:
    """A table per edge (KANELE): ``acc[j] = sum_i tables[j, i][a_i]``.

    Parameters
    ----------
    tables
        ``[n_out, n_in, 2**width]`` integers; an absent edge is all zeros.
    requantizers
        One for every stream of codes that the next layer wants.
    name
        For messages and reports.
    stream
        Which stream of the layer before addresses the tables.
    accumulator_formats
        Declared width of the accumulator; None derives it.
    """

    kind: ClassVar[str] = "edge_table"
    branches: ClassVar[tuple[str, ...]] = ("edge",)
    passes: ClassVar[tuple[int, ...]] = ()
    window: ClassVar[Window | None] = None

    tables: IntArray
    requantizers: tuple[Requantizer, ...]
    name: str = "layer"
    stream: int = 0
    accumulator_formats: tuple[CodeFormat, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "tables", frozen_integers(self.tables, f"{self.name}.tables", 3))
        object.__setattr__(self, "requantizers", tuple(self.requantizers))
        check_streams(self.streams, self.branches, self.name)
        check_requantizers(self.requantizers, self.branches, self.n_out, self.name)

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return int(self.tables.shape[1])

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return int(self.tables.shape[0])

    @property
    def streams(self) -> tuple[int, ...]:
        """Which stream of the layer before each branch is addressed by."""
        return (self.stream,)

    @property
    def depths(self) -> tuple[int, ...]:
        """Table entries of each branch."""
        return (int(self.tables.shape[2]),)

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """Which edges exist, ``[n_out, n_in]``: those with an entry that is not zero."""
        return np.asarray((self.tables != 0).any(axis=2))

    def accumulate(self, addresses: tuple[Any, ...], present: Any = None) -> tuple[Any, ...]:
        """The accumulator ``[N, n_out]``; see :func:`edge_table_sums`."""
        tables = constants_like(self.tables, addresses[0])
        return (edge_table_sums(tables, addresses[0], present),)

    def accumulator_intervals(
        self, addresses: tuple[Interval, ...], missing: BoolArray | None = None
    ) -> tuple[Interval, ...]:
        """Exact bounds of each edge, added up; an input that may be ``missing`` may add 0."""
        return (edge_table_interval(self.tables, addresses[0], missing),)

    def clamped(self, addresses: tuple[Interval, ...]) -> EdgeTableLayer:
        """The same layer of addresses that are limited to these: its tables contain the limits."""
        (ends,) = addresses
        return replace(self, tables=clamped_tables(self.tables, ends.lo, ends.hi))

    def tensors(self) -> dict[str, IntArray]:
        """The integers to store, by field name."""
        return {"tables": self.tables}

    def attributes(self) -> dict[str, Any]:
        """Single values to store, by field name."""
        return {"stream": self.stream}
