"""QuantModel: a quantized network in float64, with the rounding and tables that are deployed.

Its activations are integers held in float64, its sums stay below 2**53, and its scale ratios are
already snapped to integers over powers of two, so it is exact, and equals its Program code by code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import IntArray
from kanhw.quant.config import QuantConfig
from kanhw.quant.quantizer import ActivationQuantizer, WeightQuantizer
from kanhw.quant.rounding import round_half_up

__all__ = ["Join", "QuantBasisTable", "QuantEdgeTable", "QuantLayer", "QuantModel"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Join:
    """From a layer's integer sums to the codes of one quantizer, or to scaled outputs.

    Parameters
    ----------
    multipliers
        ``[branches, n_out]`` integers: every branch's scale over the target's, times 2**shift.
    bias
        ``[n_out]`` integers, in the target's units times 2**shift; zero points included.
    shift
        Bits that rounding drops.
    target
        The quantizer of the codes; None hands out the sums.
    scale
        ``[n_out]``: real units of a code, or of the sum that is handed out.
    """

    multipliers: IntArray
    bias: IntArray
    shift: int
    target: ActivationQuantizer | None
    scale: FloatArray

    def __call__(self, sums: tuple[FloatArray, ...]) -> FloatArray:
        """Codes or outputs ``[N, n_out]``, integers in float64."""
        total = sum(
            (m * s for m, s in zip(self.multipliers, sums, strict=True)), start=np.float64(0)
        )
        total = total + self.bias
        if self.target is None:
            return np.asarray(total)
        codes = round_half_up(total / 2.0**self.shift)
        return np.asarray(codes.clip(self.target.format.lo, self.target.format.hi))


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

    def sums(self, streams: tuple[FloatArray, ...], lowest: tuple[int, ...]) -> tuple[FloatArray]:
        """The edge sums ``[N, n_out]`` of code streams ``[N, n_in]``."""
        address = (streams[self.stream] - lowest[self.stream]).astype(np.int64)
        total = np.zeros((len(address), self.tables.shape[0]))
        for i in range(self.tables.shape[1]):
            total += self.tables[:, i].astype(np.float64)[:, address[:, i]].T
        return (total,)


@dataclass(frozen=True, eq=False)
class QuantBasisTable:
    """A layer as low-bit basis tables and integer weights, branches apart.

    Parameters
    ----------
    name
        Of the float layer.
    base, spline
        The quantized weights.
    basis_tables
        ``[n_in, 2**width, K]`` integers.
    base_tables
        ``[n_in, 2**width']`` integers.
    joins
        One per quantizer that reads this layer.
    spline_stream, base_stream
        Which quantizer of the layer before addresses each branch.
    """

    name: str
    base: WeightQuantizer
    spline: WeightQuantizer
    basis_tables: IntArray
    base_tables: IntArray
    joins: tuple[Join, ...]
    spline_stream: int = 0
    base_stream: int = 0

    def sums(
        self, streams: tuple[FloatArray, ...], lowest: tuple[int, ...]
    ) -> tuple[FloatArray, FloatArray]:
        """The spline and base sums ``[N, n_out]`` of code streams ``[N, n_in]``."""
        features = np.arange(self.basis_tables.shape[0])
        spline_address, base_address = (
            (streams[stream] - lowest[stream]).astype(np.int64)
            for stream in (self.spline_stream, self.base_stream)
        )
        basis = self.basis_tables[features, spline_address].astype(np.float64)
        activation = self.base_tables[features, base_address].astype(np.float64)
        weights = self.spline.codes.reshape(len(self.spline.codes), -1).astype(np.float64)
        spline_sum: FloatArray = basis.reshape(len(basis), -1) @ weights.T
        base_sum: FloatArray = activation @ self.base.codes.astype(np.float64).T
        return spline_sum, base_sum


QuantLayer = QuantEdgeTable | QuantBasisTable


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
            sums = layer.sums(streams, lowest)
            streams = tuple(join(sums) for join in layer.joins)
            lowest = tuple(j.target.format.lo if j.target else 0 for j in layer.joins)
            history.append(streams)
        return history
