"""A quantized layer whose edges share shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from kanhw.formats import FloatArray, IntArray
from kanhw.quant.record.branches import TwoBranches, weighted_sums

__all__ = ["QuantCodebook"]


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantCodebook(TwoBranches):
    """A layer of shapes that edges share, each with a gain and perhaps a bias, branches apart.

    ``base`` holds zeros where the shapes contain the branch; ``spline`` the integer gains
    ``[n_out, n_in]``, and the real units of the spline branch's sums.

    Parameters
    ----------
    shapes
        ``[K, 2**width]`` integers.
    index
        ``[n_out, n_in]``: which shape an edge has.
    base_tables
        ``[n_in, 2**width']`` integers.
    biases, offsets
        ``[n_out, n_in]`` and ``[n_in, 2**width]`` integers: what edges add of their input's
        offsets. None, both of them: nothing.
    edges, weights_per_edge
        Active edges of the float layer, and their weights: what storage is counted for.
    """

    shapes: IntArray
    index: IntArray
    base_tables: IntArray
    biases: IntArray | None = None
    offsets: IntArray | None = None
    edges: int = 0
    weights_per_edge: int = 0

    kind: ClassVar[str] = "codebook"

    def sums(
        self,
        streams: tuple[FloatArray, ...],
        lowest: tuple[int, ...],
        present: npt.NDArray[np.bool_] | None = None,
    ) -> tuple[FloatArray, ...]:
        """The spline and base sums ``[N, n_out]`` of code streams ``[N, n_in]``."""
        spline_address, base_address = self.addresses(streams, lowest)
        features = np.arange(self.base_tables.shape[0])
        activation = self.base_tables[features, base_address].astype(np.float64)
        spline_sum = np.zeros((len(spline_address), len(self.index)))
        gains, shapes = self.spline.codes.astype(np.float64), self.shapes.astype(np.float64)
        for i in features:
            # Every output's own table for this input, [n_out, 2**width].
            tables = gains[:, i, None] * shapes[self.index[:, i]]
            if self.biases is not None and self.offsets is not None:
                tables += np.outer(self.biases[:, i], self.offsets[i])
            values = tables[:, spline_address[:, i]].T
            spline_sum += values if present is None else values * present[:, i : i + 1]
        if present is not None:
            activation = activation * present
        return spline_sum, weighted_sums(activation, self.base)
