"""Gradients backwards through the steps of a network, in numpy.

The gradient at a step's output is turned into that at its input (a vector-Jacobian product). Every
function of a KAN layer has one input, so its derivative is a difference of two evaluations, and a
step needs no second definition in PyTorch, where symbolic edges and products have none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from kanhw.formats import FloatArray
from kanhw.model.activation import Activation
from kanhw.model.layer import KanLayer
from kanhw.model.norm import LayerNorm
from kanhw.model.products import Products
from kanhw.numerics import matmul
from kanhw.quant.planning.steps import NormStep, PoolStep, ProductStep, Step, SumStep
from kanhw.records import record_of
from kanhw.windows import Window

__all__ = ["PULLBACKS", "derivative", "norm_pullback", "pullback"]

# Half the distance of the two points of a difference, in units of x: far above the rounding of
# float64 and far below the width of a bump.
_REACH = 1e-4


def pullback(step: Step, value: FloatArray, gradient: FloatArray) -> FloatArray:
    """The gradient in terms of a step's input ``[N, n]`` from that in terms of its output.

    Parameters
    ----------
    step
        Any step.
    value
        ``[N, n]``: where.
    gradient
        ``[N, n_out]``.
    """
    back = record_of(PULLBACKS, step.kind, "gradient of steps", "kanhw.quant.methods.gradients")
    return back(step, value, gradient)


def _norm(step: NormStep, value: FloatArray, gradient: FloatArray) -> FloatArray:
    return gradient if step.passes else norm_pullback(step.norm, value, gradient)


def _product_step(step: ProductStep, value: FloatArray, gradient: FloatArray) -> FloatArray:
    return _products(step.products, value, gradient)


def _sum_step(step: SumStep, value: FloatArray, gradient: FloatArray) -> FloatArray:
    x = value if step.activation is None else step.activation(value)
    if step.window is None:
        back = _sums(step.layer, x, gradient)
    else:
        back = _windows(step, step.window, x, gradient)
    return _through(step.activation, value, back)


def _pool_step(step: PoolStep, value: FloatArray, gradient: FloatArray) -> FloatArray:
    x = value if step.activation is None else step.activation(value)
    return _through(step.activation, value, _pool(step, x, gradient))


def _through(
    activation: Activation | None, value: FloatArray, gradient: FloatArray
) -> FloatArray:
    """The gradient in front of an activation."""
    return gradient if activation is None else gradient * derivative(activation, value)


# The gradient backwards through a step of every kind.
PULLBACKS: dict[str, Callable[[Any, FloatArray, FloatArray], FloatArray]] = {
    "sums": _sum_step,
    "norm": _norm,
    "products": _product_step,
    "pooling": _pool_step,
}


def derivative(activation: Activation, x: FloatArray) -> FloatArray:
    """The slope of an elementwise function."""
    slope: FloatArray = (activation(x + _REACH) - activation(x - _REACH)) / (2 * _REACH)
    return slope


def norm_pullback(norm: LayerNorm, value: FloatArray, gradient: FloatArray) -> FloatArray:
    """The same for a normalisation."""
    centred = value - value.mean(axis=1, keepdims=True)
    deviation = np.sqrt(np.square(centred).mean(axis=1, keepdims=True) + norm.epsilon)
    unit, scaled = centred / deviation, gradient * norm.gamma
    mean = scaled.mean(axis=1, keepdims=True)
    along = (scaled * unit).mean(axis=1, keepdims=True)
    back: FloatArray = (scaled - mean - unit * along) / deviation
    return back


def _sums(layer: KanLayer, x: FloatArray, gradient: FloatArray) -> FloatArray:
    """Of a layer's sums, at rows x ``[N, n_in]``."""
    z = layer.spline_input(x)
    slopes = (layer.basis(z + _REACH) - layer.basis(z - _REACH)) / (2 * _REACH)
    weights = layer.coefficients.reshape(layer.n_sums, -1)
    back: FloatArray = (slopes * matmul(gradient, weights).reshape(slopes.shape)).sum(axis=2)
    if layer.spline_norm is not None:
        back = norm_pullback(layer.spline_norm, x, back)
    back += matmul(gradient, layer.base_weights) * derivative(layer.base_activation, x)
    for edge in layer.symbolic:
        place = x[:, edge.i]
        with np.errstate(invalid="ignore"):
            slope = (edge(place + _REACH) - edge(place - _REACH)) / (2 * _REACH)
        # At a pole nothing leads anywhere.
        back[:, edge.i] += gradient[:, edge.j] * np.where(np.isfinite(slope), slope, 0.0)
    return back


def _windows(step: SumStep, window: Window, x: FloatArray, gradient: FloatArray) -> FloatArray:
    layer = replace(step.layer, spline_norm=None)
    values, _ = window.gather(x, 0.0)
    rows = values.reshape(-1, window.taps)
    by_position = gradient.reshape(len(x), layer.n_sums, window.positions).swapaxes(1, 2)
    back = _sums(layer, rows, by_position.reshape(-1, layer.n_sums))
    return _scattered(window, back.reshape(values.shape), x.shape)


def _pool(step: PoolStep, x: FloatArray, gradient: FloatArray) -> FloatArray:
    window = step.layer.window
    channels, positions = window.shape[0], window.positions
    values, _ = window.gather(x, 0.0)
    grouped = values.reshape(len(x), positions, channels, -1)
    each = gradient.reshape(len(x), channels, positions).swapaxes(1, 2)[:, :, :, None]
    if step.layer.kind == "average":
        back = np.broadcast_to(each / grouped.shape[3], grouped.shape)
    else:
        largest = np.arange(grouped.shape[3]) == grouped.argmax(axis=3)[:, :, :, None]
        back = each * largest
    return _scattered(window, back.reshape(values.shape), x.shape)


def _scattered(window: Window, taps: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Add what taps ``[N, positions, taps]`` owe to the pixels that they read."""
    # Padding, index -1, is the column behind the image.
    image = np.zeros((shape[0], shape[1] + 1))
    for tap in range(taps.shape[2]):
        # A tap reads another pixel at every position; only padding repeats, and is thrown away.
        image[:, window.index[:, tap]] += taps[:, :, tap]
    return image[:, :-1]


def _products(products: Products, value: FloatArray, gradient: FloatArray) -> FloatArray:
    back = np.zeros_like(value)
    for place, group in enumerate(products.groups):
        owed = gradient[:, place] * products.scale[place]
        for factor in group:
            others = [other for other in group if other != factor]
            back[:, factor] += owed * value[:, others].prod(axis=1)
    return back
