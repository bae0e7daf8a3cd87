"""Affine maps in front of a network and behind it, folded into its layers exactly.

Behind a layer, scale and shift go into weights and bias, or into the last of its ``post`` steps.
In front of one they go into the knots of splines, into what another basis and the base activation
read, and into the affine maps of symbolic edges; what a map cannot be folded into gets a linear
layer of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.activation import Activation
from kanhw.model.bases.affine import AffineBasis
from kanhw.model.bases.basis import Basis, NoBasis
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.bases.repeated_knots import RepeatedKnotBasis
from kanhw.model.convolution import ConvLayer, PoolLayer
from kanhw.model.layer import KanLayer, Post
from kanhw.model.network import KanModel, ModelLayer
from kanhw.model.norm import LayerNorm
from kanhw.model.products import Products

__all__ = ["linear_layer", "rescaled_outputs", "with_input_map", "with_output_map"]


def linear_layer(name: str, weights: FloatArray, bias: FloatArray) -> KanLayer:
    """``weights @ x + bias`` as a layer with a base branch only; weights ``[n_out, n_in]``."""
    n_out, n_in = weights.shape
    empty = np.zeros((n_out, n_in, 0))
    return KanLayer(NoBasis(n_in), empty, weights, Activation("identity"), bias, name)


def with_input_map(model: KanModel, scale: FloatArray, shift: FloatArray) -> KanModel:
    """The network that gives ``model(scale * x + shift)``.

    Parameters
    ----------
    model
        Any.
    scale, shift
        Of one value, of one for each input, or, of images, of one for each channel; scales are
        positive.

    Raises
    ------
    InputError
        If there are as many values as neither.
    """
    scale, shift = (_spread(each, model.input_shape) for each in (scale, shift))
    first = model.layers[0]
    folded = _IN_FRONT[type(first)](first, scale, shift)
    if folded is None:
        return replace(model, layers=(_map_layer(scale, shift), *model.layers))
    return replace(model, layers=(folded, *model.layers[1:]))


def with_output_map(model: KanModel, scale: FloatArray, shift: FloatArray) -> KanModel:
    """The network that gives ``scale * model(x) + shift``; of one value, or one for each output."""
    scale, shift = (_spread(each, (model.n_out,)) for each in (scale, shift))
    last = model.layers[-1]
    folded = rescaled_outputs(last, scale, shift) if isinstance(last, KanLayer) else None
    if folded is None:
        behind = linear_layer("output_map", np.diag(scale), shift)
        return replace(model, layers=(*model.layers, behind))
    return replace(model, layers=(*model.layers[:-1], folded))


def rescaled_outputs(layer: KanLayer, scale: FloatArray, shift: FloatArray) -> KanLayer | None:
    """The layer with ``scale * y + shift`` for its outputs; None where an activation ends it."""
    if layer.post:
        behind = _BEHIND[type(layer.post[-1])]
        step = behind(layer.post[-1], scale, shift)
        return None if step is None else replace(layer, post=(*layer.post[:-1], step))
    return replace(
        layer,
        coefficients=layer.coefficients * scale[:, np.newaxis, np.newaxis],
        base_weights=layer.base_weights * scale[:, np.newaxis],
        bias=layer.bias * scale + shift,
        symbolic=tuple(
            replace(edge, c=edge.c * float(scale[edge.j]), d=edge.d * float(scale[edge.j]))
            for edge in layer.symbolic
        ),
    )


def _map_layer(scale: FloatArray, shift: FloatArray) -> KanLayer:
    """The map as a layer, whose weights are 1: scales of all sizes do well with few bits."""
    count = len(scale)
    front = linear_layer("input_map", np.eye(count), np.zeros(count))
    return replace(front, base_activation=front.base_activation.read_through(scale, shift))


def _spread(values: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """One value for each place of a sample, flattened."""
    count = int(np.prod(shape))
    if len(values) not in (1, shape[0], count):
        raise InputError(
            f"A normalisation of {len(values)} values does not fit samples of shape "
            f"{list(shape)}: give 1 value, or {shape[0]}"
        )
    if len(values) == count:
        return values
    each = values if len(values) > 1 else np.repeat(values, shape[0])
    return np.repeat(each, count // shape[0])


# In front -----------------------------------------------------------------------------------------


def _in_front_of_edges(layer: KanLayer, scale: FloatArray, shift: FloatArray) -> KanLayer | None:
    if layer.spline_norm is not None:
        norm = _in_front_of_norm(layer.spline_norm, scale, shift)
        if norm is None:
            return None
        layer = replace(layer, spline_norm=norm)
    else:
        layer = replace(layer, basis=_read_through(layer.basis, scale, shift))
    layer = replace(
        layer,
        symbolic=tuple(
            replace(edge, a=edge.a * float(scale[edge.i]), b=edge.b + edge.a * float(shift[edge.i]))
            for edge in layer.symbolic
        ),
    )
    if layer.base_activation.is_identity:
        weights = layer.base_weights
        return replace(
            layer, base_weights=weights * scale, bias=layer.bias + (weights * shift).sum(axis=1)
        )
    return replace(layer, base_activation=layer.base_activation.read_through(scale, shift))


def _in_front_of_norm(norm: LayerNorm, scale: FloatArray, shift: FloatArray) -> LayerNorm | None:
    """A norm takes off what all features share, and nothing else."""
    if (scale != scale[0]).any() or (shift != shift[0]).any():
        return None
    return replace(norm, epsilon=norm.epsilon / float(scale[0]) ** 2)


def _in_front_of_windows(layer: ConvLayer, scale: FloatArray, shift: FloatArray) -> ConvLayer:
    # Padding adds nothing to any sum, whatever a value of 0 means to a tap.
    channels = layer.window.shape[0]
    per_tap = layer.window.taps // channels
    first = np.arange(channels) * (len(scale) // channels)
    by_channel = (each.reshape(channels, -1) for each in (scale, shift))
    if any((each != each[:, :1]).any() for each in by_channel):
        raise InputError(
            f"{layer.name}: a normalisation of images has a value for each channel, not for each "
            f"pixel"
        )
    taps = _in_front_of_edges(
        layer.taps, np.repeat(scale[first], per_tap), np.repeat(shift[first], per_tap)
    )
    if taps is None:
        raise InputError(f"{layer.name}: a normalised basis has no meaning in a window")
    return replace(layer, taps=taps)


def _in_front_of_pool(layer: PoolLayer, scale: FloatArray, shift: FloatArray) -> None:
    """Pooling has no weights to fold anything into."""


_IN_FRONT: dict[type, Callable[[Any, FloatArray, FloatArray], ModelLayer | None]] = {
    KanLayer: _in_front_of_edges,
    ConvLayer: _in_front_of_windows,
    PoolLayer: _in_front_of_pool,
}


def _read_through(basis: Basis, scale: FloatArray, shift: FloatArray) -> Basis:
    """The basis of ``scale * x + shift``; splines stay splines, on knots in units of x."""
    if type(basis) in _KNOTTED:
        return _KNOTTED[type(basis)](basis, scale[:, np.newaxis], shift[:, np.newaxis])
    return basis if basis.count == 0 else AffineBasis(basis, scale, shift)


def _moved_knots(basis: Any, scale: FloatArray, shift: FloatArray) -> Basis:
    moved: Basis = replace(basis, knots=(basis.knots - shift) / scale)
    return moved


_KNOTTED: dict[type, Callable[[Any, FloatArray, FloatArray], Basis]] = {
    BSplineBasis: _moved_knots,
    RepeatedKnotBasis: _moved_knots,
}


# Behind -------------------------------------------------------------------------------------------


def _behind_norm(norm: LayerNorm, scale: FloatArray, shift: FloatArray) -> LayerNorm:
    return replace(norm, gamma=norm.gamma * scale, beta=norm.beta * scale + shift)


def _behind_products(step: Products, scale: FloatArray, shift: FloatArray) -> Products:
    return replace(step, scale=step.scale * scale, bias=step.bias * scale + shift)


def _behind_activation(step: Activation, scale: FloatArray, shift: FloatArray) -> None:
    """A function that bends takes no scale."""


_BEHIND: dict[type, Callable[[Any, FloatArray, FloatArray], Post | None]] = {
    LayerNorm: _behind_norm,
    Products: _behind_products,
    Activation: _behind_activation,
}
