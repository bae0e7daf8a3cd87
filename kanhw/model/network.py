"""A trained KAN in float64: what every importer makes and every quantizer starts from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.arrays import checked_batch
from kanhw.model.convolution import ConvLayer, PoolLayer
from kanhw.model.layer import KanLayer
from kanhw.values import brief

__all__ = ["KanLayer", "KanModel", "ModelLayer"]

ModelLayer = KanLayer | ConvLayer | PoolLayer


@dataclass(frozen=True, eq=False)
class KanModel:
    """Layers one after the other.

    Parameters
    ----------
    layers
        At least one; each layer's outputs are the next one's inputs. Images travel flattened:
        channel, row, column, the column fastest.
    source
        Where the model came from, and what of it was left out; for reports.
    shape
        Of one sample as the user gives it, such as (1, 8, 8); None is ``(n_in,)``.

    Raises
    ------
    InputError
        If there is no layer or two neighbours do not fit; the message names them.
    """

    layers: tuple[ModelLayer, ...]
    source: str = ""
    shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        layers = tuple(self.layers)
        for layer in layers:
            if not isinstance(layer, ModelLayer):
                raise TypeError(
                    f"A KanModel is made of KanLayers, ConvLayers and PoolLayers, not of "
                    f"{brief(layer)}"
                )
        if not layers:
            raise InputError("A KanModel needs at least one layer")
        for before, after in pairwise(layers):
            if before.n_out != after.n_in:
                raise InputError(
                    f"{before.name} has {before.n_out} outputs but {after.name} takes "
                    f"{after.n_in} inputs: consecutive layers must fit"
                )
        object.__setattr__(self, "layers", layers)
        if self.shape is not None and math.prod(self.shape) != self.n_in:
            raise InputError(
                f"Samples of shape {self.shape} do not have the {self.n_in} values of "
                f"{layers[0].name}"
            )

    def __repr__(self) -> str:
        """Its sizes and its source, without the numbers."""
        sizes = " -> ".join(str(size) for size in (self.n_in, *(x.n_out for x in self.layers)))
        return f"KanModel({sizes}, source={self.source!r})"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.shape or (self.n_in,)

    @property
    def n_in(self) -> int:
        """Features of a sample."""
        return self.layers[0].n_in

    @property
    def n_out(self) -> int:
        """Outputs of the last layer."""
        return self.layers[-1].n_out

    @property
    def active_edges(self) -> int:
        """Edges of the whole network that are not zero everywhere."""
        return sum(layer.active_edges for layer in self.layers)

    def __call__(self, x: FloatArray) -> FloatArray:
        """Compute the outputs [N, n_out], float64, of finite samples [N, *input_shape]."""
        y = self.flat(x)
        for layer in self.layers:
            y = layer(y)
        return y

    def layer_inputs(self, x: FloatArray) -> list[FloatArray]:
        """List what enters each layer, in order, and the output as the last element."""
        values = [self.flat(x)]
        for layer in self.layers:
            values.append(layer(values[-1]))
        return values

    def flat(self, x: FloatArray) -> FloatArray:
        """Samples [N, *input_shape] (or [N, n_in]) as float64 [N, n_in], checked."""
        if len(self.input_shape) > 1 and np.shape(x)[1:] == self.input_shape:
            x = np.reshape(x, (len(x), self.n_in))
        return checked_batch(x, self.n_in, "The model")
