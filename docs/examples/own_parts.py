"""A basis and a realisation of your own: this file, and the registrations in it.

``TriangleWaves`` are functions that no library of this package has; a layer of them is quantized
and becomes hardware like any other. ``SharedTableLayer`` is a realisation that this package does
not have: all edges of an input share one table, each with a factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kanhw.formats import CodeFormat, FloatArray, IntArray
from kanhw.gateware.folded.basis_table import WeightedSums
from kanhw.gateware.folded.folded_layer import FoldedParts
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.top.registration import register_realisation
from kanhw.gateware.unrolled.edge_table import SummedTablesCore
from kanhw.gateware.unrolled.unrolled_costs import edge_table_costs, join_costs
from kanhw.model.arrays import checked_batch, input_values
from kanhw.model.bases.grids import GRIDS
from kanhw.program import Requantizer
from kanhw.program.arrays import frozen_integers
from kanhw.program.costs import counted
from kanhw.program.costs.counts import count_weighted
from kanhw.program.costs.numbers import depth_factor, numbers_of
from kanhw.program.costs.tally import Tally
from kanhw.program.functions.tables import constants_like, edge_table_sums
from kanhw.program.intervals import Interval, edge_table_interval
from kanhw.reports.kinds.kinds import LAYER_REPORTS
from kanhw.reports.kinds.record import EdgeFunctions, LayerReport
from kanhw.schedule.fold import Fold
from kanhw.schedule.schedule import Schedule

# A basis: the members of kanhw.model.bases.basis.Basis. A layer just holds one; what is told of
# its grid is a record. ---------------------------------------------------------------------------


@dataclass(frozen=True)
class TriangleWaves:
    """Triangle waves of periods 4, 2, 1 ... between -1 and 1."""

    n_in: int
    count: int
    spare: int = 0
    support: None = None

    def __call__(self, x: FloatArray) -> FloatArray:
        """[N, n_in] to [N, n_in, count]."""
        return self._waves(checked_batch(x, self.n_in, "The basis"))

    def evaluate_input(self, i: int, x: FloatArray) -> FloatArray:
        """The functions of input i at x [M]: [M, count]."""
        return self._waves(input_values(i, x, self.n_in))

    def _waves(self, x: FloatArray) -> FloatArray:
        turns = x[..., np.newaxis] * 2.0 ** np.arange(self.count) / 4
        result: FloatArray = 1 - 4 * np.abs(turns - np.round(turns))
        return result


# There is no range of x for which the waves are made. (ZeroQ asks DOMAINS in the same way.)
GRIDS[TriangleWaves] = lambda basis: None


# A realisation: the layer says what is computed, in integers; the cores make it hardware. --------


@dataclass(frozen=True, eq=False)
class SharedTableLayer:
    """``acc[j] = sum_i factors[j, i] * tables[i][a_i]``."""

    kind: ClassVar[str] = "shared_table"
    branches: ClassVar[tuple[str, ...]] = ("edge",)
    passes: ClassVar[tuple[int, ...]] = ()
    window: ClassVar[None] = None  # reads vectors; else the Window of an image

    tables: IntArray  # [n_in, 2**width]
    factors: IntArray  # [n_out, n_in]
    requantizers: tuple[Requantizer, ...]
    name: str = "shared"
    stream: int = 0
    accumulator_formats: tuple[CodeFormat, ...] | None = None

    def __post_init__(self) -> None:
        for field in ("tables", "factors"):
            value = frozen_integers(getattr(self, field), f"{self.name}.{field}", 2)
            object.__setattr__(self, field, value)

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return len(self.tables)

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return len(self.factors)

    @property
    def streams(self) -> tuple[int, ...]:
        """Which stream of the layer before addresses the tables."""
        return (self.stream,)

    @property
    def depths(self) -> tuple[int, ...]:
        """Entries of a table."""
        return (self.tables.shape[1],)

    @property
    def active(self) -> Any:
        """Which edges exist, [n_out, n_in]."""
        return (self.edge_tables() != 0).any(axis=2)

    def edge_tables(self) -> IntArray:
        """A table of every edge, [n_out, n_in, 2**width]."""
        return self.factors[:, :, np.newaxis] * self.tables

    def accumulate(self, addresses: tuple[Any, ...]) -> tuple[Any, ...]:
        """The accumulator [N, n_out], of numpy arrays and of torch tensors."""
        return (edge_table_sums(constants_like(self.edge_tables(), addresses[0]), addresses[0]),)

    def accumulator_intervals(self, addresses: tuple[Interval, ...]) -> tuple[Interval, ...]:
        """Its bounds over all addresses that can occur."""
        return (edge_table_interval(self.edge_tables(), addresses[0], None),)

    def tensors(self) -> dict[str, IntArray]:
        """The integers to store, by field name."""
        return {"tables": self.tables, "factors": self.factors}

    def attributes(self) -> dict[str, Any]:
        """Single values to store, by field name."""
        return {"stream": self.stream}


class SharedTableCore(SummedTablesCore):
    """Unrolled: a table for every edge. Those that differ by a power of two become one."""

    def __init__(
        self, layer: SharedTableLayer, inputs: Any, schedule: Any, *, as_codes: tuple[bool, ...]
    ) -> None:
        super().__init__(layer, inputs, schedule, (layer.edge_tables(),), as_codes=as_codes)

    @classmethod
    def costs(cls, layer: Any) -> HardwareCosts:
        """What a budget and the resource model count: the tables and sums, and the joins."""
        return edge_table_costs(layer.edge_tables()) + join_costs(layer)


def folded_parts(layer: SharedTableLayer, fold: Fold, schedule: Schedule) -> FoldedParts:
    """Folded: every input has a table, a basis of one function, and every edge a weight."""
    if not layer.tables.any() or not layer.factors.any():
        return ([],)  # nothing is added up
    tables, weights = layer.tables[:, :, np.newaxis], layer.factors[:, :, np.newaxis]
    return ([WeightedSums(fold, schedule, tables, np.arange(layer.n_in), weights)],)


def count(tally: Tally, layer: SharedTableLayer) -> None:
    """What is stored and done, whatever the hardware: a look-up an input, a product an edge."""
    tables, factors = numbers_of(layer.tables), numbers_of(layer.factors)
    edges = int(layer.active.sum())
    tally.store(layer.tables.size * tables.width)
    tally.store(edges * factors.width, layer.active.size * factors.width)
    tally.look_up(layer.n_in, tables.width)
    tally.unrolled_luts += layer.n_in * tables.width * depth_factor(layer.depths[0])
    count_weighted(tally, factors, tables.width)


def values(layer: SharedTableLayer, i: int) -> tuple[IntArray, ...]:
    """The edges of an input as functions of codes, [n_out, 2**width], which reports draw."""
    return (layer.edge_tables()[:, i],)


register_realisation(SharedTableLayer, SharedTableCore, costs=counted(count), folded=folded_parts)
LAYER_REPORTS["shared_table"] = LayerReport(
    plural="shared tables", functions=EdgeFunctions(values)
)
