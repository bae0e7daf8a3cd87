"""A quantized layer whose edges share shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from kanhw.formats import FloatArray, IntArray
from kanhw.quant.quantizers.quantizer import WeightQuantizer

if TYPE_CHECKING:
    from kanhw.quant.record.model import Join

__all__ = ["QuantCodebook"]


@dataclass(frozen=True, eq=False)
class QuantCodebook:
    """A layer of shapes that edges share, each with a gain and perhaps a bias, branches apart.

    Parameters
    ----------
    name
        Of the float layer.
    base
        The quantized base weights; zeros where the shapes contain the branch.
    spline
        The integer gains ``[n_out, n_in]``, and the real units of the spline branch's sums.
    shapes
        ``[K, 2**width]`` integers.
    index
        ``[n_out, n_in]``: which shape an edge has.
    base_tables
        ``[n_in, 2**width']`` integers.
    joins
        One per quantizer that reads this layer.
    biases, offsets
        ``[n_out, n_in]`` and ``[n_in, 2**width]`` integers: what edges add of their input's
        offsets. None, both of them: nothing.
    spline_stream, base_stream
        Which quantizer of the layer before addresses each branch.
    edges, weights_per_edge
        Active edges of the float layer, and their weights: what storage is counted for.
    """

    name: str
    base: WeightQuantizer
    spline: WeightQuantizer
    shapes: IntArray
    index: IntArray
    base_tables: IntArray
    joins: tuple[Join, ...]
    biases: IntArray | None = None
    offsets: IntArray | None = None
    spline_stream: int = 0
    base_stream: int = 0
    edges: int = 0
    weights_per_edge: int = 0

    passes: ClassVar[tuple[int, ...]] = ()

    def sums(
        self,
        streams: tuple[FloatArray, ...],
        lowest: tuple[int, ...],
        present: npt.NDArray[np.bool_] | None = None,
    ) -> tuple[FloatArray, ...]:
        """The spline and base sums ``[N, n_out]`` of code streams ``[N, n_in]``."""
        spline_address, base_address = (
            (streams[stream] - lowest[stream]).astype(np.int64)
            for stream in (self.spline_stream, self.base_stream)
        )
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
        base_sum: FloatArray = activation @ self.base.codes.astype(np.float64).T
        return spline_sum, base_sum
