"""A quantized layer as one integer table per edge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from kanhw.formats import FloatArray, IntArray
from kanhw.quant.quantizers.quantizer import WeightQuantizer
from kanhw.quant.record.join import Join
from kanhw.quant.record.table_sums import table_sums

__all__ = ["QuantEdgeTable"]


@dataclass(frozen=True, eq=False)
class QuantEdgeTable:
    """A layer as one integer table per edge.

    Parameters
    ----------
    name
        Of the float layer.
    base, spline
        The quantized weights, which the tables were made of.
    tables
        ``[n_out, n_in, 2**width]``.
    joins
        One per quantizer that reads this layer.
    stream
        Which quantizer of the layer before addresses the tables.
    """

    name: str
    base: WeightQuantizer
    spline: WeightQuantizer
    tables: IntArray
    joins: tuple[Join, ...]
    stream: int = 0

    kind: ClassVar[str] = "edge_table"
    passes: ClassVar[tuple[int, ...]] = ()

    def sums(
        self,
        streams: tuple[FloatArray, ...],
        lowest: tuple[int, ...],
        present: npt.NDArray[np.bool_] | None = None,
    ) -> tuple[FloatArray, ...]:
        """The edge sums ``[N, n_out]`` of code streams ``[N, n_in]``."""
        address = (streams[self.stream] - lowest[self.stream]).astype(np.int64)
        return (table_sums(self.tables, address, present),)
