"""B-splines by arithmetic: a layer for codes that are too wide for tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import CodeFormat, IntArray
from kanhw.program.functions.interpolation import Interpolation
from kanhw.program.functions.spline_arithmetic import SplineArithmetic
from kanhw.program.functions.splines import spline_sums
from kanhw.program.functions.tables import constants_like
from kanhw.program.intervals import (
    Interval,
    basis_table_interval,
    check_magnitude,
    edge_table_interval,
)
from kanhw.program.kinds.layer import TwoBranches
from kanhw.program.requantizer import Requantizer

__all__ = ["SplineEvaluatorLayer"]

BoolArray = npt.NDArray[np.bool_]

# float64 is exact below.
_EXACT = 2.0**53


@dataclass(frozen=True, eq=False)
class SplineEvaluatorLayer(TwoBranches):
    """Evaluated bases times coefficients, and an interpolated base activation times weights.

    ``acc_spline[j] = sum_i sum_r coefficients[j,i,k] V_r(a_i)`` with k = cell(a_i) - p + r where
    there is such a function, and ``acc_base[j] = sum_i base_weights[j,i] base_i(a'_i)``. What is
    stored of the splines are their coefficients.

    Parameters
    ----------
    coefficients
        ``[n_out, n_in, K]``.
    splines
        From codes to cells and functions.
    base
        From codes to the base activation.
    base_weights
        ``[n_out, n_in, 1]``.
    requantizers
        One for every stream of codes that the next layer wants.
    name
        For messages and reports.
    spline_stream, base_stream
        Which stream of the layer before addresses each branch.
    errors
        Largest distances from the exact functions in LSBs of the values, by name: ``basis`` and
        ``base`` over all codes, ``basis_bound`` as proved from the constants. For reports.
    note
        What the grid did not allow; may be empty. For reports.
    accumulator_formats
        Declared widths of the two accumulators; None derives them.
    """

    kind: ClassVar[str] = "spline_evaluator"
    edges: ClassVar[str] = "coefficients"

    coefficients: IntArray
    splines: SplineArithmetic
    base: Interpolation
    base_weights: IntArray
    requantizers: tuple[Requantizer, ...]
    name: str = "layer"
    spline_stream: int = 0
    base_stream: int = 0
    errors: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    accumulator_formats: tuple[CodeFormat, ...] | None = None

    def __post_init__(self) -> None:
        self.freeze(dict.fromkeys(("coefficients", "base_weights"), 3))
        object.__setattr__(self, "errors", dict(self.errors))
        expected = (self.n_out, self.n_in, 1)
        if self.base_weights.shape != expected:
            raise InputError(
                f"Layer {self.name!r}: the base branch's weights have shape "
                f"{self.base_weights.shape}, not {expected}"
            )
        for what, count in (("splines", self.splines.n_in), ("base", len(self.base.index))):
            if count != self.n_in:
                raise InputError(
                    f"Layer {self.name!r}: its {what} are those of {count} inputs, not {self.n_in}"
                )
        if self.count <= self.splines.order:
            raise InputError(
                f"Layer {self.name!r}: splines of order {self.splines.order} need at least "
                f"{self.splines.order + 1} coefficients an edge, not {self.count}"
            )
        self.check_joins(self.n_out)

    @classmethod
    def stored(
        cls,
        *,
        multipliers: IntArray,
        offsets: IntArray,
        base: IntArray,
        base_index: IntArray,
        splines: Mapping[str, int],
        interpolation: Mapping[str, int],
        table: IntArray | None = None,
        **fields: Any,
    ) -> SplineEvaluatorLayer:
        """The layer of :meth:`tensors` and :meth:`attributes`."""
        arithmetic = SplineArithmetic(
            multipliers=multipliers, offsets=offsets, table=table, **splines
        )
        curves = Interpolation(base, base_index, **interpolation)
        return cls(splines=arithmetic, base=curves, **fields)

    @property
    def count(self) -> int:
        """Functions of an input, K."""
        return int(self.coefficients.shape[2])

    @property
    def depths(self) -> tuple[int, ...]:
        """Codes of each branch."""
        return (1 << self.splines.width, 1 << self.base.width)

    @property
    def active(self) -> BoolArray:
        """Which edges exist, ``[n_out, n_in]``: those with a weight that is not zero."""
        return np.asarray(
            (self.coefficients != 0).any(axis=2) | (self.base_weights != 0).any(axis=2)
        )

    def basis_values(self, i: int) -> IntArray:
        """The functions of input i at every code, ``[2**width, K]``."""
        return self.splines.values(i, self.count)

    def base_values(self, i: int) -> IntArray:
        """The base activation of input i at every code, ``[2**width']``."""
        values: IntArray = self.base.values[self.base.index[i]]
        return values

    def accumulate(self, addresses: tuple[Any, ...], present: Any = None) -> tuple[Any, ...]:
        """Both accumulators ``[N, n_out]``; see :func:`spline_sums`, :func:`interpolated`."""
        spline, base = addresses
        cells, pieces = self.splines(spline)
        coefficients = constants_like(self.coefficients, spline)
        weights = constants_like(self.base_weights, base)
        total = 0
        for i, values in enumerate(self.base(base)):
            kept = values if present is None else values * present[:, i]
            total = total + kept[:, None] * weights[:, i].T
        return spline_sums(coefficients, cells, pieces, present), total

    def accumulator_intervals(
        self, addresses: tuple[Interval, ...], missing: BoolArray | None = None
    ) -> tuple[Interval, ...]:
        """Exact bounds of each edge's branch, added up; a ``missing`` input may add 0."""
        spline, base = addresses
        zero = np.zeros(self.n_out, np.int64)
        total = Interval(zero, zero)
        # Input by input: the functions of all of them at every code may take gigabytes.
        for i in range(self.n_in):
            lo, hi = int(spline.lo[i]), int(spline.hi[i])
            functions = self.splines.distinct_values(i, self.count, lo, hi)
            total = total + edge_table_interval(
                _products(self.coefficients[:, i], functions)[:, None],
                Interval(np.zeros(1, np.int64), np.full(1, len(functions) - 1)),
                None if missing is None else missing[i : i + 1],
            )
        curves = self.base.values[:, :, None]
        return (
            total,
            basis_table_interval(curves, self.base.index, self.base_weights, base, missing),
        )

    def tensors(self) -> dict[str, IntArray]:
        """The integers to store, by name; a table only where there is one."""
        values = {
            "coefficients": self.coefficients,
            "base_weights": self.base_weights,
            "multipliers": self.splines.multipliers,
            "offsets": self.splines.offsets,
            "base": self.base.tables,
            "base_index": self.base.index,
        }
        return values if self.splines.table is None else values | {"table": self.splines.table}

    def attributes(self) -> dict[str, Any]:
        """Single values to store, by name."""
        splines = ("width", "order", "shift", "fraction_bits", "scale", "guard_bits")
        curves = ("width", "fraction_bits", "guard_bits")
        return {
            **super().attributes(),
            "splines": {name: getattr(self.splines, name) for name in splines},
            "interpolation": {name: getattr(self.base, name) for name in curves},
            "errors": dict(self.errors),
            "note": self.note,
        }


def _products(weights: IntArray, functions: IntArray) -> IntArray:
    """Weights ``[n_out, K]`` times functions ``[M, K]``: ``[n_out, M]``, exact."""
    real, transposed = weights.astype(np.float64), functions.T.astype(np.float64)
    largest = np.abs(real).sum(axis=1).max() * np.abs(transposed).max(initial=0.0)
    check_magnitude(np.array([largest]))
    # float64 holds such sums, and multiplies much faster.
    if largest < _EXACT:
        return (real @ transposed).astype(np.int64)
    products: IntArray = weights @ functions.T
    return products
