"""Quantizers: what maps real weights and activations to integer codes and back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kanhw.formats import CodeFormat, FloatArray, IntArray
from kanhw.model.activation import Activation
from kanhw.numerics import indistinct
from kanhw.quant.config import QuantConfig
from kanhw.quant.quantizers.calibration import activation_range, step_and_origin, weight_scale
from kanhw.quant.quantizers.rounding import round_half_up

__all__ = [
    "ActivationQuantizer",
    "WeightQuantizer",
    "activation_quantizer",
    "nearest_codes",
    "quantize_weights",
]


@dataclass(frozen=True, eq=False)
class ActivationQuantizer:
    """``q = clamp(floor(x / scale + 1/2) + zero_point, lo, hi)`` for every feature.

    Parameters
    ----------
    format
        Of the codes.
    scale
        ``[n]``, positive.
    zero_point
        ``[n]`` integers.
    activation
        What the consumer applies to the dequantized value before anything else; its tables
        contain it.
    """

    format: CodeFormat
    scale: FloatArray
    zero_point: IntArray
    activation: Activation | None = None

    def quantize(self, x: FloatArray) -> FloatArray:
        """Codes ``[N, n]`` of reals ``[N, n]``, as integers in float64."""
        # Huge features overflow to infinity and saturate.
        with np.errstate(over="ignore"):
            codes = round_half_up(x / self.scale) + self.zero_point
        return codes.clip(self.format.lo, self.format.hi)

    def dequantize(self, codes: npt.NDArray[np.generic]) -> FloatArray:
        """Reals ``[N, n]`` of codes ``[N, n]``."""
        reals: FloatArray = self.scale * (np.asarray(codes, np.float64) - self.zero_point)
        return reals

    def grid(self) -> FloatArray:
        """What the consumer reads for every code of every feature, ``[2**width, n]``."""
        codes = np.repeat(self.format.codes()[:, None], len(self.scale), axis=1)
        reals = self.dequantize(codes)
        return reals if self.activation is None else self.activation(reals)

    def repeated(self, times: int) -> ActivationQuantizer:
        """The same quantizer with every feature repeated."""
        return replace(
            self, scale=self.scale.repeat(times), zero_point=self.zero_point.repeat(times)
        )

    def cut_to(self, count: int) -> ActivationQuantizer:
        """The same quantizer for ``count`` features, where all are alike."""
        first = replace(self, scale=self.scale[:1], zero_point=self.zero_point[:1])
        return first.repeated(count)


@dataclass(frozen=True, eq=False)
class WeightQuantizer:
    """Integer codes of a weight tensor and the step of every output.

    Parameters
    ----------
    codes
        ``[n_out, ...]`` integers.
    scale
        ``[n_out]``, positive (all equal when one scale serves the tensor).
    """

    codes: IntArray
    scale: FloatArray

    def dequantize(self) -> FloatArray:
        """The real weights that the codes stand for, ``[n_out, ...]``."""
        shape = (-1,) + (1,) * (self.codes.ndim - 1)
        reals: FloatArray = self.codes * self.scale.reshape(shape)
        return reals


def quantize_weights(weights: FloatArray, bits: int, config: QuantConfig) -> WeightQuantizer:
    """Quantize ``[n_out, ...]`` weights symmetrically, per tensor or per output."""
    n_out = weights.shape[0]
    method, percentile = config.weight_calibration, config.percentile
    if config.weight_granularity == "tensor":
        scale = np.full(n_out, weight_scale(weights, bits, method, percentile))
    else:
        scale = np.array([weight_scale(w, bits, method, percentile) for w in weights])
    return WeightQuantizer(nearest_codes(weights, scale, bits), scale)


def nearest_codes(weights: FloatArray, scale: FloatArray, bits: int) -> IntArray:
    """The nearest codes of weights ``[n_out, ...]`` with a step ``[n_out]`` for every output."""
    relative = weights / scale.reshape((-1,) + (1,) * (weights.ndim - 1))
    if bits == 1:
        # Zero is not rounded to either side: a pruned edge stays absent.
        return np.sign(relative).astype(np.int64)
    top = (1 << (bits - 1)) - 1
    return round_half_up(relative).clip(-top, top).astype(np.int64)


def activation_quantizer(
    values: FloatArray,
    bits: int,
    config: QuantConfig,
    limits: FloatArray | None = None,
    *,
    activation: Activation | None = None,
    per_tensor: bool | None = None,
    symmetric: bool | None = None,
) -> ActivationQuantizer:
    """Choose a quantizer from observed activations.

    Parameters
    ----------
    values
        ``[N, n]`` observed reals.
    bits
        Of the codes.
    config
        How to choose the ranges.
    limits
        ``[n, 2]``: the reals beyond which the consumer does not tell values apart (a spline's
        support). The range stays within them, and covers them where the values do not vary.
    activation
        What the consumer applies to the values first.
    per_tensor, symmetric
        What the consumer needs, whatever the config says; None follows the config.
    """
    n = values.shape[1]
    if per_tensor is None:
        per_tensor = config.activation_granularity == "tensor"
    if symmetric is None:
        symmetric = config.symmetric_activations
    groups = [np.arange(n)] if per_tensor else [np.array([i]) for i in range(n)]
    scale, zero_point = np.empty(n), np.zeros(n, np.int64)
    signed = symmetric and bool((values < 0).any())
    format = CodeFormat(bits, signed)
    for features in groups:
        seen = values[:, features]
        if limits is not None:
            seen = seen.clip(limits[features, 0], limits[features, 1])
        lo, hi = activation_range(
            seen,
            format,
            config.activation_calibration,
            config.percentile,
            symmetric=symmetric,
        )
        if limits is not None and indistinct(lo, hi):
            lo, hi = float(limits[features, 0].min()), float(limits[features, 1].max())
        step, origin = step_and_origin(lo, hi, format, symmetric=symmetric)
        scale[features], zero_point[features] = step, origin
    return ActivationQuantizer(format, scale, zero_point, activation)
