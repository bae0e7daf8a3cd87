"""Modules one after the other, while they are read: norms and activations join their layer."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.activation import Activation
from kanhw.model.convolution import ConvLayer, PoolLayer
from kanhw.model.network import KanLayer, KanModel, ModelLayer
from kanhw.model.norm import LayerNorm
from kanhw.model.rescaling import linear_layer, rescaled_outputs
from kanhw.windows import Window

__all__ = ["Chain", "linear_layer"]

Image = tuple[int, int, int]


class Chain:
    """The layers so far.

    Parameters
    ----------
    shape
        Of a sample: ``(C, H, W)``, or ``(n,)``; None is whatever the first layer takes.
    """

    def __init__(self, shape: tuple[int, ...] | None = None) -> None:
        self.input_shape = shape
        self.shape = shape
        self.layers: list[ModelLayer] = []

    def model(self, source: str) -> KanModel:
        """The network."""
        return KanModel(tuple(self.layers), source, self.input_shape)

    def image(self, name: str) -> Image:
        """The image that module ``name`` is given."""
        if self.shape is None or len(self.shape) != 3:
            got = "a sample of unknown shape" if self.shape is None else f"{self.shape}"
            raise InputError(f"{name} takes an image (C, H, W), but is given {got}")
        return self.shape

    def append(self, layer: ModelLayer) -> None:
        """Add a layer, which must take what the last one gives."""
        if isinstance(layer, KanLayer):
            self._check_features(layer.name, layer.n_in)
            self.shape = (layer.n_out,)
        else:
            if layer.window.shape != self.image(layer.name):
                raise InputError(
                    f"{layer.name} takes an image of {layer.window.shape}, but is given "
                    f"{self.shape}"
                )
            self.shape = layer.out_shape
        self.layers.append(layer)

    def flatten(self) -> None:
        """From here on, images are lists of features."""
        if self.shape is not None:
            self.shape = (math.prod(self.shape),)

    def pool(self, name: str, kind: Literal["average", "max"], window: Window) -> None:
        """Add pooling."""
        self.append(PoolLayer(kind, window, name))

    def activation(self, name: str, function: Activation) -> None:
        """Apply a function to every value."""
        self._add_post(name, function, self._width(name))

    def layer_norm(self, name: str, norm: LayerNorm) -> None:
        """Normalise the features of a sample."""
        self._check_features(name, norm.n)
        self._add_post(name, norm, norm.n)

    def rms_norm(self, name: str, gamma: FloatArray, epsilon: float) -> None:
        """``gamma * y / sqrt(mean(y^2) + epsilon)`` over the features of a sample.

        Values and their negatives have mean 0, so a LayerNorm of both is this one, exactly; a
        linear layer takes the first half of it.
        """
        count = len(gamma)
        self._check_features(name, count)
        last = self._last_kan()
        if last is None or last.post or last.symbolic:
            self._append_pointwise(linear_layer(name, np.eye(count), np.zeros(count)))
        last = self._last_kan()
        if last is not None:
            both = replace(
                last,
                coefficients=np.concatenate([last.coefficients, -last.coefficients]),
                base_weights=np.concatenate([last.base_weights, -last.base_weights]),
                bias=np.concatenate([last.bias, -last.bias]),
                post=(LayerNorm(np.ones(2 * count), np.zeros(2 * count), epsilon),),
            )
            self._replace_last(both)
        self.shape = (2 * count,)
        first = np.concatenate([np.diag(gamma), np.zeros((count, count))], axis=1)
        self.append(linear_layer(f"{name}.weight", first, np.zeros(count)))

    def affine(self, name: str, scale: FloatArray, shift: FloatArray) -> None:
        """``scale * y + shift`` by feature, or by channel of an image; folded where it can be."""
        if self.shape is not None and self.shape[0] != len(scale):
            raise InputError(f"{name} is of {len(scale)} features, but is given {self.shape[0]}")
        last = self._last_kan()
        folded = None if last is None else rescaled_outputs(last, scale, shift)
        if folded is None:
            self._append_pointwise(linear_layer(name, np.diag(scale), shift))
        else:
            self._replace_last(folded)

    def _add_post(self, name: str, step: LayerNorm | Activation, width: int) -> None:
        if self._last_kan() is None:
            self._append_pointwise(linear_layer(name, np.eye(width), np.zeros(width)))
        last = self._last_kan()
        if last is not None:
            self._replace_last(replace(last, post=(*last.post, step)))

    def _last_kan(self) -> KanLayer | None:
        """The last layer's sums, if a step after them can still join it."""
        last = self.layers[-1] if self.layers else None
        if isinstance(last, ConvLayer):
            # A step by channel is not one by feature any more once the image is flat.
            return last.taps if self.shape == last.out_shape else None
        return last if isinstance(last, KanLayer) else None

    def _replace_last(self, layer: KanLayer) -> None:
        last = self.layers[-1]
        self.layers[-1] = ConvLayer(layer, last.window) if isinstance(last, ConvLayer) else layer

    def _append_pointwise(self, layer: KanLayer) -> None:
        if self.shape is not None and len(self.shape) == 3:
            self.append(ConvLayer(layer, Window(self.image(layer.name), (1, 1))))
        else:
            self.append(layer)

    def _width(self, name: str) -> int:
        if self.shape is None:
            raise InputError(f"{name} is the first module: how many features it takes is unknown")
        return self.shape[0]

    def _check_features(self, name: str, count: int) -> None:
        if self.shape is None:
            return
        if len(self.shape) != 1:
            raise InputError(
                f"{name} takes {count} features, but is given an image {self.shape}: flatten it "
                "first"
            )
        if self.shape[0] != count:
            raise InputError(f"{name} takes {count} features, but is given {self.shape[0]}")
