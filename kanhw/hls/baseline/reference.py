"""The float32 network in numpy, operation by operation in the order of its C++."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.hls.baseline.c_library import Float32s, expf, tanhf
from kanhw.model.activation import Activation
from kanhw.model.bases.basis import Basis, NoBasis
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.bases.polynomial import ChebyshevBasis, GramBasis, recurrence_factors
from kanhw.model.bases.radial import RadialBasis
from kanhw.model.convolution import ConvLayer, PoolLayer
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel, ModelLayer
from kanhw.model.norm import LayerNorm

__all__ = ["ACTIVATIONS", "gram_factors", "run_float32"]

F = np.float32
_ONE = F(1)


def run_float32(model: KanModel, x: Float32s) -> Float32s:
    """The outputs ``[N, n_out]`` of real features ``[N, n_in]``, every operation in float32.

    Sums go input by input, of each the base branch and then function after function.

    Raises
    ------
    InputError
        If there is no float32 C++ of a part of the network.
    """
    values = np.ascontiguousarray(x, F)
    for layer in model.layers:
        values = _layer(layer, values)
    return values


def gram_factors(basis: GramBasis) -> Float32s:
    """The factors q of the Gram recurrence, rounded once."""
    return np.asarray(recurrence_factors(basis.degree) * basis.beta[1:-1], F)


def _layer(layer: ModelLayer, x: Float32s) -> Float32s:
    if isinstance(layer, PoolLayer):
        return _pool(layer, x)
    if isinstance(layer, ConvLayer):
        index = layer.window.index
        columns = [
            _dense(layer.taps, x[:, np.maximum(at, 0)], at >= 0) for at in index
        ]  # [positions][N, channels]
        return np.stack(columns, axis=2).reshape(len(x), -1)
    return _dense(layer, x, None)


def _dense(layer: KanLayer, x: Float32s, present: npt.NDArray[np.bool_] | None) -> Float32s:
    if layer.symbolic:
        raise InputError(f"{layer.name}: there is no float32 C++ of symbolic edges")
    z = x if layer.spline_norm is None else _norm(layer.spline_norm, x)
    total = np.tile(layer.bias.astype(F), (len(x), 1))
    base, weights = layer.base_weights.astype(F), layer.coefficients.astype(F)
    has_base = layer.base_activation.name != "zero" and bool(layer.base_weights.any())
    for i in range(layer.n_in):
        if present is not None and not present[i]:
            continue
        if has_base:
            b = _activate(layer.base_activation, x[:, i])
            total = total + base[:, i] * b[:, None]
        for k, values in enumerate(_basis(layer.basis, i, z[:, i])):
            total = total + weights[:, i, k] * values[:, None]
    for step in layer.post:
        if isinstance(step, LayerNorm):
            total = _norm(step, total)
        elif isinstance(step, Activation):
            total = _activate(step, total)
        else:
            raise InputError(f"{layer.name}: there is no float32 C++ of products")
    return total


def _basis(basis: Basis, i: int, x: Float32s) -> list[Float32s]:
    """The functions of input i, one after the other."""
    if isinstance(basis, BSplineBasis):
        return _b_splines(basis.knots[i].astype(F), basis.order, x)
    if isinstance(basis, RadialBasis):
        found = []
        for centre in basis.centres.astype(F):
            d = (x - centre) / F(basis.denominator)
            found.append(expf(-(d * d)))
        return found
    if isinstance(basis, GramBasis):
        t, q = tanhf(x), gram_factors(basis)
        values = [np.ones_like(x), t][: basis.degree + 1]
        for m in range(2, basis.degree + 1):
            values.append(t * values[m - 1] - q[m - 2] * values[m - 2])
        kept = values if basis.constant else values[1:]
        return [v if basis.activation is None else _activate(basis.activation, v) for v in kept]
    if isinstance(basis, ChebyshevBasis):
        t = tanhf(x)
        values = [np.ones_like(x), t][: basis.degree + 1]
        for m in range(2, basis.degree + 1):
            values.append(F(2) * t * values[m - 1] - values[m - 2])
        return values[1:]
    if isinstance(basis, NoBasis):
        return []
    raise InputError(f"There is no float32 C++ of the basis {type(basis).__name__}")


def _b_splines(knots: Float32s, order: int, x: Float32s) -> list[Float32s]:
    """Cox and de Boor's recurrence over all functions, as it is written everywhere."""
    values = [
        np.where((x >= knots[m]) & (x < knots[m + 1]), _ONE, F(0)) for m in range(len(knots) - 1)
    ]
    for d in range(1, order + 1):
        values = [
            (x - knots[m]) / (knots[m + d] - knots[m]) * values[m]
            + (knots[m + d + 1] - x) / (knots[m + d + 1] - knots[m + 1]) * values[m + 1]
            for m in range(len(knots) - 1 - d)
        ]
    return values


def _norm(norm: LayerNorm, x: Float32s) -> Float32s:
    n = x.shape[1]
    total = np.zeros(len(x), F)
    for i in range(n):
        total = total + x[:, i]
    mean = total / F(n)
    squares = np.zeros(len(x), F)
    for i in range(n):
        d = x[:, i] - mean
        squares = squares + d * d
    root = np.sqrt(squares / F(n) + F(norm.epsilon))
    scaled = norm.gamma.astype(F) * (x - mean[:, None]) / root[:, None]
    result: Float32s = scaled + norm.beta.astype(F)
    return result


def _pool(layer: PoolLayer, x: Float32s) -> Float32s:
    window = layer.window
    channels, area = window.shape[0], window.size[0] * window.size[1]
    columns = []
    for at in window.index:
        taps = x[:, at].reshape(len(x), channels, area)
        total = taps[:, :, 0]
        for k in range(1, area):
            one = taps[:, :, k]
            total = total + one if layer.kind == "average" else np.where(one > total, one, total)
        columns.append(total / F(area) if layer.kind == "average" else total)
    return np.stack(columns, axis=2).reshape(len(x), -1)


def _silu(x: Float32s) -> Float32s:
    result: Float32s = x / (_ONE + expf(-x))
    return result


ACTIVATIONS: dict[str, tuple[str, Callable[[Float32s], Float32s]]] = {
    "silu": ("x / (1.0f + expf(-x))", _silu),
    "sigmoid": ("1.0f / (1.0f + expf(-x))", lambda x: np.asarray(_ONE / (_ONE + expf(-x)), F)),
    "identity": ("x", lambda x: x),
    "relu": ("x > 0.0f ? x : 0.0f", lambda x: np.where(x > 0, x, F(0))),
    "tanh": ("tanhf(x)", tanhf),
}
"""Each activation in C of a float x, and in numpy."""


def _activate(activation: Activation, x: Float32s) -> Float32s:
    if activation.name not in ACTIVATIONS or activation.scale:
        raise InputError(
            f"There is no float32 C++ of the activation {activation.name}"
            f"{' with scales' if activation.scale else ''}, only of {', '.join(ACTIVATIONS)}"
        )
    return ACTIVATIONS[activation.name][1](x)
