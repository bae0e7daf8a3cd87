"""Tables of basis functions, and coefficients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from kanhw.formats import CodeFormat, IntArray
from kanhw.program.checks import (
    check_table_index,
    check_weights,
)
from kanhw.program.functions.tables import basis_table_sums, constants_like
from kanhw.program.intervals import Interval, basis_table_interval
from kanhw.program.kinds.layer import TwoBranches
from kanhw.program.requantizer import Requantizer

__all__ = ["BasisTableLayer"]

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class BasisTableLayer(TwoBranches):
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
    edges: ClassVar[str] = "coefficients"

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
        self.freeze(_BASIS_TABLE_FIELDS)
        for branch, tables, index, weights in (
            ("basis", self.basis, self.basis_index, self.coefficients),
            ("base", self.base, self.base_index, self.base_weights),
        ):
            check_weights(branch, tables, weights, (self.n_out, self.n_in), self.name)
            check_table_index(branch, tables, index, self.n_in, self.name)
        self.check_joins(self.n_out)

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


_BASIS_TABLE_FIELDS = {
    "basis": 3,
    "basis_index": 1,
    "coefficients": 3,
    "base": 3,
    "base_index": 1,
    "base_weights": 3,
}
