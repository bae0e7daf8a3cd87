"""Freezing run-time normalisations to the statistics of calibration data: cheap, and lossy."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.bases.affine import AffineBasis
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel
from kanhw.model.norm import LayerNorm

__all__ = ["FrozenNorms", "freeze_norms"]


@dataclass(frozen=True, eq=False)
class FrozenNorms:
    """A model without run-time norms, and what that cost.

    Parameters
    ----------
    model
        Its norms are affine maps, folded into weights or into what the basis reads.
    max_change
        Largest change of an output over the calibration data.
    change_of_range
        The same over the range of the outputs.
    """

    model: KanModel
    max_change: float
    change_of_range: float


def freeze_norms(model: KanModel, calibration: FloatArray) -> FrozenNorms:
    """Replace every layer norm by an affine map with the mean and variance of calibration data.

    Parameters
    ----------
    model
        The float model.
    calibration
        ``[N, *input_shape]`` features.

    Raises
    ------
    InputError
        If a gain of a norm in front of a basis is 0, so that the basis would read a constant.
    """
    value = model.flat(calibration)
    layers = []
    for layer in model.layers:
        frozen = layer
        if isinstance(layer, KanLayer):
            frozen = _frozen_post(_frozen_input(layer, value), layer.sums(value))
        layers.append(frozen)
        # Statistics are those of the exact network, as in training.
        value = layer(value)
    result = KanModel(tuple(layers), model.source, model.shape)
    change = float(np.abs(result(calibration) - value).max())
    return FrozenNorms(result, change, change / max(float(np.ptp(value)), np.finfo(float).tiny))


def _statistics(norm: LayerNorm, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The affine map (scale, shift), ``[n]`` each, that stands for a norm."""
    deviation = np.sqrt(float(x.var(axis=1).mean()) + norm.epsilon)
    scale = norm.gamma / deviation
    return scale, norm.beta - scale * float(x.mean())


def _frozen_input(layer: KanLayer, x: FloatArray) -> KanLayer:
    if layer.spline_norm is None:
        return layer
    scale, shift = _statistics(layer.spline_norm, x)
    if not scale.all():
        raise InputError(f"{layer.name}: a gain of its norm is 0, which cannot be frozen")
    return replace(layer, spline_norm=None, basis=AffineBasis(layer.basis, scale, shift))


def _frozen_post(layer: KanLayer, sums: FloatArray) -> KanLayer:
    if not (layer.post and isinstance(layer.post[0], LayerNorm)):
        return layer
    scale, shift = _statistics(layer.post[0], sums)
    return replace(
        layer,
        coefficients=layer.coefficients * scale[:, None, None],
        base_weights=layer.base_weights * scale[:, None],
        bias=layer.bias * scale + shift,
        symbolic=tuple(
            replace(edge, c=edge.c * scale[edge.j], d=edge.d * scale[edge.j])
            for edge in layer.symbolic
        ),
        post=layer.post[1:],
    )
