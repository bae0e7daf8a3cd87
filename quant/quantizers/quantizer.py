"""Quantizers: what maps real weights and activations to integer codes and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import CodeFormat, FloatArray, IntArray
from kanhw.model.activation import Activation
from kanhw.numerics import indistinct
from kanhw.quant.config import QuantConfig, widest
from kanhw.quant.quantizers.calibration import activation_range, step_and_origin, weight_scale
from kanhw.quant.quantizers.rounding import round_half_up
from kanhw.values import brief_repr

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
    lo, hi
        ``[n]``: smallest and largest code of every feature; None is the format's.
    read_within
        ``[n, 2]``: what the consumer reads for a code is at least and at most this. The outermost
        codes may stand for reals a part of a step beyond all that they are given for.
    groups
        ``[n]``: features of the same number share a scale, and go on sharing it in training; None
        is one for all where all are alike, and one each where they are not.
    symmetric
        Whether ranges are centred on zero (or begin there), and stay so if they are widened.
    """

    format: CodeFormat
    scale: FloatArray
    zero_point: IntArray
    activation: Activation | None = None
    lo: IntArray | None = None
    hi: IntArray | None = None
    read_within: FloatArray | None = None
    groups: IntArray | None = None
    symmetric: bool = False

    __repr__ = brief_repr

    def clamp(self, codes: FloatArray) -> FloatArray:
        """Codes ``[N, n]`` with each in the range of its feature."""
        lo = self.format.lo if self.lo is None else self.lo
        hi = self.format.hi if self.hi is None else self.hi
        return np.asarray(codes.clip(lo, hi))

    def quantize(self, x: FloatArray) -> FloatArray:
        """Codes ``[N, n]`` of reals ``[N, n]``, as integers in float64."""
        # Huge features overflow to infinity and saturate.
        with np.errstate(over="ignore"):
            codes = round_half_up(x / self.scale) + self.zero_point
        return self.clamp(codes)

    def dequantize(self, codes: npt.NDArray[np.generic]) -> FloatArray:
        """Reals ``[N, n]`` of codes ``[N, n]``."""
        reals: FloatArray = self.scale * (np.asarray(codes, np.float64) - self.zero_point)
        return reals

    def grid(self) -> FloatArray:
        """What the consumer reads for every code of every feature, ``[2**width, n]``.

        A code outside of a feature's range, which does not occur, reads as the nearest that does.
        """
        codes = self.clamp(np.repeat(self.format.codes()[:, None], len(self.scale), axis=1))
        reals = self.dequantize(codes)
        if self.activation is not None:
            reals = self.activation(reals)
        return reals if self.read_within is None else reals.clip(*self.read_within.T)

    def repeated(self, times: int) -> ActivationQuantizer:
        """The same quantizer with every feature repeated."""
        return replace(
            self,
            scale=self.scale.repeat(times),
            zero_point=self.zero_point.repeat(times),
            lo=None if self.lo is None else self.lo.repeat(times),
            hi=None if self.hi is None else self.hi.repeat(times),
            read_within=None if self.read_within is None else self.read_within.repeat(times, 0),
            groups=None if self.groups is None else self.groups.repeat(times),
        )

    def cut_to(self, count: int) -> ActivationQuantizer:
        """The same quantizer for ``count`` features, where all are alike."""
        first = replace(
            self,
            scale=self.scale[:1],
            zero_point=self.zero_point[:1],
            lo=None if self.lo is None else self.lo[:1],
            hi=None if self.hi is None else self.hi[:1],
            read_within=None if self.read_within is None else self.read_within[:1],
            groups=None if self.groups is None else self.groups[:1],
        )
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
    bits: int | Sequence[int],
    config: QuantConfig,
    limits: FloatArray | None = None,
    *,
    activation: Activation | None = None,
    per_tensor: bool | None = None,
    symmetric: bool | None = None,
    shared: IntArray | None = None,
    narrowest: float = 0.0,
) -> ActivationQuantizer:
    """Choose a quantizer from observed activations.

    Parameters
    ----------
    values
        ``[N, n]`` observed reals.
    bits
        Of the codes, or of those of every value ``[n]``: values of other bits have another scale.
    config
        How to choose the ranges.
    limits
        ``[n, 2]``: the reals beyond which the consumer does not tell values apart (a spline's
        support). The range stays within them, and covers them where the values do not vary.
    activation
        What the consumer applies to the values first.
    per_tensor, symmetric
        What the consumer needs, whatever the config says; None follows the config.
    shared
        ``[n]``: values of the same number (and bits) have one scale; None as ``per_tensor`` says.
    narrowest
        Ranges are at least this share of the widest one.
    """
    n = values.shape[1]
    if per_tensor is None:
        per_tensor = config.activation_granularity != "channel"
    if symmetric is None:
        symmetric = config.symmetric_activations
    widths = np.full(n, bits, np.int64) if isinstance(bits, int) else np.array(bits, np.int64)
    if widths.shape != (n,):
        raise InputError(f"{len(widths)} numbers of bits do not fit {n} values: one is for each")
    if shared is None:
        shared = np.zeros(n, np.int64) if per_tensor else np.arange(n)
    kinds = np.unique(np.stack([widths, shared]), axis=1).T
    groups = [np.flatnonzero((widths == width) & (shared == own)) for width, own in kinds]
    scale, zero_point = np.empty(n), np.zeros(n, np.int64)
    signed = symmetric and bool((values < 0).any())
    lo_codes, hi_codes = np.empty(n, np.int64), np.empty(n, np.int64)
    together = np.empty(n, np.int64)
    formats, ranges = [], []
    for number, features in enumerate(groups):
        together[features] = number
        format = CodeFormat(int(widths[features[0]]), signed)
        formats.append(format)
        lo_codes[features], hi_codes[features] = format.lo, format.hi
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
        ranges.append((lo, hi))
    least = narrowest * max((hi - lo for lo, hi in ranges), default=0.0)
    for features, format, (lo, hi) in zip(groups, formats, ranges, strict=True):
        short = max(least - (hi - lo), 0.0)
        lo, hi = lo - (0.0 if lo == 0 and symmetric else short / 2), hi + short / 2
        step, origin = step_and_origin(lo, hi, format, symmetric=symmetric)
        scale[features], zero_point[features] = step, origin
    whole = CodeFormat(widest(bits), signed)
    uniform = (widths == whole.width).all()
    return ActivationQuantizer(
        whole,
        scale,
        zero_point,
        activation,
        lo=None if uniform else lo_codes,
        hi=None if uniform else hi_codes,
        groups=together,
        symmetric=symmetric,
    )
