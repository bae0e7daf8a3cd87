"""The layers of a Program: which integers each holds and which sums it makes of its codes.

A layer takes one or more streams of codes (what the requantizers of the layer before it made, or
the network's input), adds up one or more accumulators per output, and hands them to its own
requantizers. To add a realisation, write such a class and put it in ``LAYER_KINDS``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import CodeFormat, IntArray
from kanhw.program.arrays import frozen_integers
from kanhw.program.checks import (
    check_requantizers,
    check_streams,
    check_table_index,
    check_weights,
)
from kanhw.program.functions.tables import basis_table_sums, constants_like, edge_table_sums
from kanhw.program.intervals import Interval, basis_table_interval, edge_table_interval
from kanhw.program.kinds.codebook import CodebookLayer
from kanhw.program.kinds.convolution import PoolingLayer
from kanhw.program.kinds.norm import NormLayer
from kanhw.program.kinds.product import ProductLayer
from kanhw.program.kinds.resident import ResidentLayer
from kanhw.program.kinds.spline_evaluator import SplineEvaluatorLayer
from kanhw.program.requantizer import Requantizer

__all__ = [
    "LAYER_KINDS",
    "BasisTableLayer",
    "BranchEdgeTableLayer",
    "EdgeTableLayer",
    "ProgramLayer",
]

BoolArray = npt.NDArray[np.bool_]


@runtime_checkable
class ProgramLayer(Protocol):
    """What every layer of a Program offers."""

    # Layers are dataclasses, so that dataclasses.replace takes them.
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    kind: ClassVar[str]

    @property
    def branches(self) -> tuple[str, ...]:
        """Names of the accumulators."""

    @property
    def passes(self) -> tuple[int, ...]:
        """Streams of the layer before that go on to the next, behind this layer's own."""

    @property
    def name(self) -> str:
        """For messages and reports."""

    @property
    def requantizers(self) -> tuple[Requantizer, ...]:
        """One for every stream of codes that the next layer wants."""

    @property
    def accumulator_formats(self) -> tuple[CodeFormat, ...] | None:
        """Declared width of every branch's accumulator; None before a Program is made."""

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """Which edges hold anything but zeros, ``[n_out, n_in]``."""

    @property
    def n_in(self) -> int:
        """Number of inputs."""

    @property
    def n_out(self) -> int:
        """Number of outputs."""

    @property
    def streams(self) -> tuple[int, ...]:
        """Which stream of the layer before each branch is addressed by."""

    @property
    def depths(self) -> tuple[int, ...]:
        """Table entries of each branch, which must be the number of codes of its stream."""

    def accumulate(self, addresses: tuple[Any, ...]) -> tuple[Any, ...]:
        """The accumulators ``[N, n_out]``, one per branch, from table addresses ``[N, n_in]``."""

    def accumulator_intervals(self, addresses: tuple[Interval, ...]) -> tuple[Interval, ...]:
        """Exact bounds of every accumulator over all reachable addresses."""

    def tensors(self) -> dict[str, IntArray]:
        """The integers to store, by field name."""

    def attributes(self) -> dict[str, Any]:
        """Single values to store, by field name."""


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

    def tensors(self) -> dict[str, IntArray]:
        """The integers to store, by field name."""
        return {"tables": self.tables}

    def attributes(self) -> dict[str, Any]:
        """Single values to store, by field name."""
        return {"stream": self.stream}


@dataclass(frozen=True, eq=False)
class BranchEdgeTableLayer:
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
    branches: ClassVar[tuple[str, ...]] = ("spline", "base")
    passes: ClassVar[tuple[int, ...]] = ()

    spline_tables: IntArray
    base_tables: IntArray
    requantizers: tuple[Requantizer, ...]
    name: str = "layer"
    spline_stream: int = 0
    base_stream: int = 0
    accumulator_formats: tuple[CodeFormat, ...] | None = None

    def __post_init__(self) -> None:
        for field in ("spline_tables", "base_tables"):
            value = frozen_integers(getattr(self, field), f"{self.name}.{field}", 3)
            object.__setattr__(self, field, value)
        object.__setattr__(self, "requantizers", tuple(self.requantizers))
        if self.spline_tables.shape[:2] != self.base_tables.shape[:2]:
            raise InputError(
                f"Layer {self.name!r}: spline tables {self.spline_tables.shape} and base tables "
                f"{self.base_tables.shape} are for different edges"
            )
        check_streams(self.streams, self.branches, self.name)
        check_requantizers(self.requantizers, self.branches, self.n_out, self.name)

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return int(self.spline_tables.shape[1])

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return int(self.spline_tables.shape[0])

    @property
    def streams(self) -> tuple[int, ...]:
        """Which stream of the layer before each branch is addressed by."""
        return (self.spline_stream, self.base_stream)

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

    def tensors(self) -> dict[str, IntArray]:
        """The integers to store, by field name."""
        return {"spline_tables": self.spline_tables, "base_tables": self.base_tables}

    def attributes(self) -> dict[str, Any]:
        """Single values to store, by field name."""
        return {"spline_stream": self.spline_stream, "base_stream": self.base_stream}


@dataclass(frozen=True, eq=False)
class BasisTableLayer:
    """Tabulated bases times coefficients, and a tabulated base activation times weights.

    ``acc_spline[j] = sum_i sum_k coefficients[j,i,k] * basis[basis_index[i], a_i, k]`` and
    ``acc_base[j] = sum_i base_weights[j,i] * base[base_index[i], a'_i]`` (KANtize's low-bit basis
    tables, with the branches of QuantKAN kept apart).

    Parameters
    ----------
    basis
        ``[T, 2**width, K]``: the distinct basis tables of the layer.
    basis_index
        ``[n_in]``: which of them input i uses.
    coefficients
        ``[n_out, n_in, K]``.
    base
        ``[T', 2**width', 1]``: the distinct tables of the base activation.
    base_index
        ``[n_in]``.
    base_weights
        ``[n_out, n_in, 1]``.
    requantizers
        One for every stream of codes that the next layer wants.
    name
        For messages and reports.
    spline_stream, base_stream
        Which stream of the layer before addresses each branch.
    accumulator_formats
        Declared widths of the two accumulators; None derives them.
    """

    kind: ClassVar[str] = "basis_table"
    branches: ClassVar[tuple[str, ...]] = ("spline", "base")
    passes: ClassVar[tuple[int, ...]] = ()

    basis: IntArray
    basis_index: IntArray
    coefficients: IntArray
    base: IntArray
    base_index: IntArray
    base_weights: IntArray
    requantizers: tuple[Requantizer, ...]
    name: str = "layer"
    spline_stream: int = 0
    base_stream: int = 0
    accumulator_formats: tuple[CodeFormat, ...] | None = None

    def __post_init__(self) -> None:
        for field, dimensions in _BASIS_TABLE_FIELDS.items():
            value = frozen_integers(getattr(self, field), f"{self.name}.{field}", dimensions)
            object.__setattr__(self, field, value)
        object.__setattr__(self, "requantizers", tuple(self.requantizers))
        for branch, tables, index, weights in (
            ("basis", self.basis, self.basis_index, self.coefficients),
            ("base", self.base, self.base_index, self.base_weights),
        ):
            check_weights(branch, tables, weights, (self.n_out, self.n_in), self.name)
            check_table_index(branch, tables, index, self.n_in, self.name)
        check_streams(self.streams, self.branches, self.name)
        check_requantizers(self.requantizers, self.branches, self.n_out, self.name)

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return int(self.coefficients.shape[1])

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return int(self.coefficients.shape[0])

    @property
    def streams(self) -> tuple[int, ...]:
        """Which stream of the layer before each branch is addressed by."""
        return (self.spline_stream, self.base_stream)

    @property
    def depths(self) -> tuple[int, ...]:
        """Table entries of each branch."""
        return (int(self.basis.shape[1]), int(self.base.shape[1]))

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """Which edges exist, ``[n_out, n_in]``: those with a weight that is not zero."""
        return np.asarray(
            (self.coefficients != 0).any(axis=2) | (self.base_weights != 0).any(axis=2)
        )

    def accumulate(self, addresses: tuple[Any, ...], present: Any = None) -> tuple[Any, ...]:
        """Both accumulators ``[N, n_out]``; see :func:`basis_table_sums`."""
        spline, base = addresses
        return (
            basis_table_sums(
                constants_like(self.basis, spline),
                self.basis_index,
                constants_like(self.coefficients, spline),
                spline,
                present,
            ),
            basis_table_sums(
                constants_like(self.base, base),
                self.base_index,
                constants_like(self.base_weights, base),
                base,
                present,
            ),
        )

    def accumulator_intervals(
        self, addresses: tuple[Interval, ...], missing: BoolArray | None = None
    ) -> tuple[Interval, ...]:
        """Exact bounds of each edge's branch, added up; a ``missing`` input may add 0."""
        spline, base = addresses
        return (
            basis_table_interval(self.basis, self.basis_index, self.coefficients, spline, missing),
            basis_table_interval(self.base, self.base_index, self.base_weights, base, missing),
        )

    def tensors(self) -> dict[str, IntArray]:
        """The integers to store, by field name."""
        return {field: getattr(self, field) for field in _BASIS_TABLE_FIELDS}

    def attributes(self) -> dict[str, Any]:
        """Single values to store, by field name."""
        return {"spline_stream": self.spline_stream, "base_stream": self.base_stream}


_BASIS_TABLE_FIELDS = {
    "basis": 3,
    "basis_index": 1,
    "coefficients": 3,
    "base": 3,
    "base_index": 1,
    "base_weights": 3,
}


# How a stored layer is made again: its class, by kind. Convolutions hold one of the table layers.
LAYER_KINDS: dict[str, Callable[..., ProgramLayer]] = {
    "edge_table": EdgeTableLayer,
    "branch_edge_table": BranchEdgeTableLayer,
    "basis_table": BasisTableLayer,
    "codebook": CodebookLayer,
    "resident": ResidentLayer.stored,
    "spline_evaluator": SplineEvaluatorLayer.stored,
    "layer_norm": NormLayer,
    "product": ProductLayer,
    "pooling": PoolingLayer,
}
