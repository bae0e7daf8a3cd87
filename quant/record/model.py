"""QuantModel: a quantized network in float64, with the rounding and tables that are deployed.

Its activations are integers held in float64, its sums stay below 2**53, and its scale ratios are
already snapped to integers over powers of two, so it is exact, and equals its Program code by code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import FloatArray, IntArray
from kanhw.quant.config import QuantConfig
from kanhw.quant.quantizers.quantizer import ActivationQuantizer, WeightQuantizer
from kanhw.quant.quantizers.rounding import round_half_up
from kanhw.quant.record.codebook_layer import QuantCodebook
from kanhw.quant.record.evaluator_layer import QuantSplineEvaluator
from kanhw.windows import Window

__all__ = [
    "Join",
    "QuantBasisTable",
    "QuantBranchEdgeTable",
    "QuantConvolution",
    "QuantEdgeTable",
    "QuantLayer",
    "QuantModel",
    "QuantNorm",
    "QuantPool",
    "QuantProducts",
    "next_streams",
]


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
        return self.target.clamp(codes)

    def repeated(self, times: int) -> Join:
        """The same join for every position of a channel."""
        return Join(
            self.multipliers.repeat(times, axis=1),
            self.bias.repeat(times),
            self.shift,
            self.target.repeated(times) if self.target else None,
            self.scale.repeat(times),
        )


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

    passes: ClassVar[tuple[int, ...]] = ()

    def sums(
        self,
        streams: tuple[FloatArray, ...],
        lowest: tuple[int, ...],
        present: npt.NDArray[np.bool_] | None = None,
    ) -> tuple[FloatArray, ...]:
        """The edge sums ``[N, n_out]`` of code streams ``[N, n_in]``."""
        address = (streams[self.stream] - lowest[self.stream]).astype(np.int64)
        return (_table_sums(self.tables, address, present),)


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

    passes: ClassVar[tuple[int, ...]] = ()

    def sums(
        self,
        streams: tuple[FloatArray, ...],
        lowest: tuple[int, ...],
        present: npt.NDArray[np.bool_] | None = None,
    ) -> tuple[FloatArray, ...]:
        """The spline and base sums ``[N, n_out]`` of code streams ``[N, n_in]``."""
        features = np.arange(self.basis_tables.shape[0])
        spline_address, base_address = (
            (streams[stream] - lowest[stream]).astype(np.int64)
            for stream in (self.spline_stream, self.base_stream)
        )
        basis = self.basis_tables[features, spline_address].astype(np.float64)
        activation = self.base_tables[features, base_address].astype(np.float64)
        if present is not None:
            basis, activation = basis * present[:, :, None], activation * present
        weights = self.spline.codes.reshape(len(self.spline.codes), -1).astype(np.float64)
        spline_sum: FloatArray = basis.reshape(len(basis), -1) @ weights.T
        base_sum: FloatArray = activation @ self.base.codes.astype(np.float64).T
        return spline_sum, base_sum


@dataclass(frozen=True, eq=False)
class QuantBranchEdgeTable:
    """A layer as two integer tables per edge, for branches that read different codes.

    Parameters
    ----------
    name
        Of the float layer.
    base, spline
        The quantized weights, which the tables were made of.
    spline_tables, base_tables
        ``[n_out, n_in, 2**width]`` each.
    joins
        One per quantizer that reads this layer.
    spline_stream, base_stream
        Which stream addresses each branch.
    """

    name: str
    base: WeightQuantizer
    spline: WeightQuantizer
    spline_tables: IntArray
    base_tables: IntArray
    joins: tuple[Join, ...]
    spline_stream: int = 0
    base_stream: int = 0
    passes: ClassVar[tuple[int, ...]] = ()

    def sums(
        self, streams: tuple[FloatArray, ...], lowest: tuple[int, ...]
    ) -> tuple[FloatArray, FloatArray]:
        """The sums of both branches ``[N, n_out]``."""
        spline, base = (
            (streams[stream] - lowest[stream]).astype(np.int64)
            for stream in (self.spline_stream, self.base_stream)
        )
        return _table_sums(self.spline_tables, spline), _table_sums(self.base_tables, base)


@dataclass(frozen=True, eq=False)
class QuantConvolution:
    """A layer of tables on every window of an image; padding adds nothing.

    Parameters
    ----------
    taps
        The layer of a window.
    window
        The windows.
    """

    taps: QuantEdgeTable | QuantBasisTable | QuantCodebook | QuantSplineEvaluator
    window: Window
    passes: ClassVar[tuple[int, ...]] = ()

    @property
    def name(self) -> str:
        """Of the float layer."""
        return self.taps.name

    @property
    def base(self) -> WeightQuantizer:
        """The quantized base weights of the taps."""
        return self.taps.base

    @property
    def spline(self) -> WeightQuantizer:
        """The quantized coefficients of the taps."""
        return self.taps.spline

    @property
    def joins(self) -> tuple[Join, ...]:
        """Those of a channel, for every position."""
        return tuple(join.repeated(self.window.positions) for join in self.taps.joins)

    def sums(
        self, streams: tuple[FloatArray, ...], lowest: tuple[int, ...]
    ) -> tuple[FloatArray, ...]:
        """The sums ``[N, channels * positions]`` of images of codes."""
        count = len(streams[0])
        rows, present = [], self.window.index[None] >= 0
        for stream, low in zip(streams, lowest, strict=True):
            values, _ = self.window.gather(stream - low, 0)
            rows.append(values.reshape(-1, self.window.taps) + low)
        mask = np.broadcast_to(present, (count, self.window.positions, self.window.taps))
        sums = self.taps.sums(tuple(rows), lowest, mask.reshape(-1, self.window.taps))
        return tuple(self.window.to_image(total, count) for total in sums)


@dataclass(frozen=True, eq=False)
class QuantNorm:
    """An integer layer normalisation; see :class:`kanhw.program.NormLayer`.

    Parameters
    ----------
    name
        For messages and reports.
    gamma
        ``[n]`` integers.
    epsilon, fraction_bits, width
        As in the Program.
    joins
        One per quantizer of the normalised values.
    passes
        Streams that go on.
    """

    name: str
    gamma: IntArray
    epsilon: int
    fraction_bits: int
    width: int
    joins: tuple[Join, ...]
    passes: tuple[int, ...] = ()

    def sums(self, streams: tuple[FloatArray, ...], lowest: tuple[int, ...]) -> tuple[FloatArray]:
        """``gamma * (n q - S) * isqrt(2**(2 F) // V)``, ``[N, n]``."""
        codes = streams[0].astype(np.int64)
        count = codes.shape[1]
        total = codes.sum(axis=1, keepdims=True)
        squares = np.square(codes).sum(axis=1, keepdims=True)
        variance = np.maximum(count * squares - total**2 + self.epsilon, 1)
        quotient = (1 << (2 * self.fraction_bits)) // variance
        # The float root is off by at most one; the integers say where.
        root = np.sqrt(quotient.astype(np.float64)).astype(np.int64)
        root -= root**2 > quotient
        root += (root + 1) ** 2 <= quotient
        return ((self.gamma * ((count * codes - total) * root)).astype(np.float64),)


@dataclass(frozen=True, eq=False)
class QuantProducts:
    """Products of codes.

    Parameters
    ----------
    name
        For messages and reports.
    groups
        Which inputs each output multiplies.
    shifts
        Bits that rounding takes from each product.
    source
        The quantizer of the codes that come in.
    joins
        One per quantizer that reads the products.
    """

    name: str
    groups: tuple[tuple[int, ...], ...]
    shifts: tuple[int, ...]
    source: ActivationQuantizer
    joins: tuple[Join, ...]
    passes: ClassVar[tuple[int, ...]] = ()

    def sums(self, streams: tuple[FloatArray, ...], lowest: tuple[int, ...]) -> tuple[FloatArray]:
        """The products ``[N, n_out]``."""
        columns = []
        for group, shift in zip(self.groups, self.shifts, strict=True):
            # Integers: a product of many codes can be longer than float64 holds.
            product = streams[0][:, list(group)].astype(np.int64).prod(axis=1)
            half = (1 << shift) >> 1
            columns.append(np.floor_divide(product + half, 1 << shift))
        return (np.stack(columns, axis=1).astype(np.float64),)


@dataclass(frozen=True, eq=False)
class QuantPool:
    """Pooling of what codes are worth.

    Parameters
    ----------
    name
        For messages and reports.
    table
        ``[2**width]`` integers.
    mode
        ``sum`` or ``max``.
    window
        The windows.
    joins
        One per quantizer that reads the pooled values.
    """

    name: str
    table: IntArray
    mode: Literal["sum", "max"]
    window: Window
    joins: tuple[Join, ...]
    passes: ClassVar[tuple[int, ...]] = ()

    def sums(self, streams: tuple[FloatArray, ...], lowest: tuple[int, ...]) -> tuple[FloatArray]:
        """The pooled values ``[N, n_out]``."""
        address = (streams[0] - lowest[0]).astype(np.int64)
        values, _ = self.window.gather(self.table[address].astype(np.float64), 0.0)
        channels = self.window.shape[0]
        grouped = values.reshape(len(address) * self.window.positions, channels, -1)
        pooled = grouped.sum(axis=2) if self.mode == "sum" else grouped.max(axis=2)
        return (self.window.to_image(pooled, len(address)),)


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


def _table_sums(
    tables: IntArray, address: IntArray, present: npt.NDArray[np.bool_] | None = None
) -> FloatArray:
    total = np.zeros((len(address), tables.shape[0]))
    for i in range(tables.shape[1]):
        values = tables[:, i].astype(np.float64)[:, address[:, i]].T
        total += values if present is None else values * present[:, i : i + 1]
    return total


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
