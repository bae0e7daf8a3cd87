"""A quantized layer as tables of basis functions and weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from kanhw.formats import FloatArray, IntArray
from kanhw.quant.record.branches import TwoBranches, weighted_sums

__all__ = ["QuantBasisTable"]


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantBasisTable(TwoBranches):
    """A layer as low-bit basis tables and integer weights, branches apart.

    Parameters
    ----------
    basis_tables
        ``[n_in, 2**width, K]`` integers.
    base_tables
        ``[n_in, 2**width']`` integers.
    """

    basis_tables: IntArray
    base_tables: IntArray

    kind: ClassVar[str] = "basis_table"

    def sums(
        self,
        streams: tuple[FloatArray, ...],
        lowest: tuple[int, ...],
        present: npt.NDArray[np.bool_] | None = None,
    ) -> tuple[FloatArray, ...]:
        """The spline and base sums ``[N, n_out]`` of code streams ``[N, n_in]``."""
        features = np.arange(self.basis_tables.shape[0])
        spline_address, base_address = self.addresses(streams, lowest)
        basis = self.basis_tables[features, spline_address].astype(np.float64)
        activation = self.base_tables[features, base_address].astype(np.float64)
        if present is not None:
            basis, activation = basis * present[:, :, None], activation * present
        return weighted_sums(basis, self.spline), weighted_sums(activation, self.base)
