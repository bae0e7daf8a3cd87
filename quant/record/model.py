"""QuantModel: a quantized network in float64, with the rounding and tables that are deployed.

Its activations are integers held in float64, its sums stay below 2**53, and its scale ratios are
already snapped to integers over powers of two, so it is exact, and equals its Program code by code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.quant.config import QuantConfig
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.record.basis_table import QuantBasisTable
from kanhw.quant.record.branch_edge_table import QuantBranchEdgeTable
from kanhw.quant.record.codebook import QuantCodebook
from kanhw.quant.record.convolution import QuantConvolution
from kanhw.quant.record.edge_table import QuantEdgeTable
from kanhw.quant.record.norm import QuantNorm
from kanhw.quant.record.pooling import QuantPool
from kanhw.quant.record.product import QuantProducts
from kanhw.quant.record.spline_evaluator import QuantSplineEvaluator
from kanhw.values import brief_repr

__all__ = ["QuantLayer", "QuantModel", "next_streams"]

QuantLayer = (
    QuantEdgeTable
    | QuantBranchEdgeTable
    | QuantBasisTable
    | QuantCodebook
    | QuantSplineEvaluator
    | QuantConvolution
    | QuantNorm
    | QuantProducts
    | QuantPool
)


def next_streams(
    layer: QuantLayer, streams: tuple[FloatArray, ...], lowest: tuple[int, ...]
) -> tuple[tuple[FloatArray, ...], tuple[int, ...]]:
    """The code streams behind a layer and their lowest codes, from those in front of it."""
    sums = layer.sums(streams, lowest)
    own = tuple(join(sums) for join in layer.joins)
    lows = tuple(join.target.format.lo if join.target else 0 for join in layer.joins)
    return (
        own + tuple(streams[p] for p in layer.passes),
        lows + tuple(lowest[p] for p in layer.passes),
    )


@dataclass(frozen=True, eq=False)
class QuantModel:
    """A quantized network.

    Parameters
    ----------
    input
        Quantizer of the network's features.
    layers
        In order.
    config
        What was asked for.
    source
        Where the float model came from.
    """

    input: ActivationQuantizer
    layers: tuple[QuantLayer, ...]
    config: QuantConfig
    source: str = ""

    __repr__ = brief_repr

    @property
    def n_in(self) -> int:
        """Features of a sample."""
        return len(self.input.scale)

    def __call__(self, x: npt.ArrayLike) -> FloatArray:
        """Real outputs ``[N, n_out]`` of real features ``[N, n_in]``."""
        outputs = self.activations(x)[-1][0]
        real: FloatArray = outputs * self.layers[-1].joins[0].scale
        return real

    def activations(self, x: npt.ArrayLike) -> list[tuple[FloatArray, ...]]:
        """The input codes, then every layer's code streams, integers in float64.

        The last layer's only stream holds the outputs before they are scaled.
        """
        features = np.asarray(x, np.float64)
        if features.ndim != 2 or features.shape[1] != self.n_in:
            raise InputError(f"Features must have shape [N, {self.n_in}], not {features.shape}")
        if np.isnan(features).any():
            raise InputError("Features hold NaN: remove or fill those rows")
        streams: tuple[FloatArray, ...] = (self.input.quantize(features),)
        lowest: tuple[int, ...] = (self.input.format.lo,)
        history = [streams]
        for layer in self.layers:
            streams, lowest = next_streams(layer, streams, lowest)
            history.append(streams)
        return history
