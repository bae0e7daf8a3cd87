"""A trained KAN in float64: what every importer makes and every quantizer starts from."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from kanhw.activation import Activation
from kanhw.basis import BSplineBasis, FloatArray, checked_batch, frozen_array
from kanhw.errors import InputError

__all__ = ["KanLayer", "KanModel"]

# Basis values held at a time; 2**21 float64 are 16 MiB, and the recursion holds a few copies.
CHUNK_VALUES = 1 << 21


@dataclass(frozen=True, eq=False)
class KanLayer:
    """y_j = sum_i [ w_b[j,i] b(x_i) + sum_k c[j,i,k] B_k(x_i) ] + bias_j.

    Parameters
    ----------
    basis
        The B-splines of the inputs.
    coefficients
        [n_out, n_in, K], every scaler and mask already folded in.
    base_weights
        [n_out, n_in].
    base_activation
        b.
    bias
        [n_out].
    name
        How messages and reports call the layer.

    Raises
    ------
    InputError
        If a shape does not fit the basis or a number is not finite; the message names the layer.
    """

    basis: BSplineBasis
    coefficients: FloatArray
    base_weights: FloatArray
    base_activation: Activation
    bias: FloatArray
    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.basis, BSplineBasis):
            raise TypeError(f"{self.name}: basis must be a BSplineBasis, not {self.basis!r}")
        if not isinstance(self.base_activation, Activation):
            raise TypeError(
                f"{self.name}: base_activation must be an Activation, not {self.base_activation!r}"
            )
        coefficients = frozen_array(
            self.coefficients, f"{self.name}: coefficients", ("n_out", "n_in", "K")
        )
        base = frozen_array(self.base_weights, f"{self.name}: base_weights", ("n_out", "n_in"))
        n_out = coefficients.shape[0]
        bias = frozen_array(self.bias, f"{self.name}: bias", ("n_out",))
        self._check_shape("coefficients", coefficients, (n_out, self.basis.n_in, self.basis.count))
        self._check_shape("base_weights", base, (n_out, self.basis.n_in))
        self._check_shape("bias", bias, (n_out,))
        object.__setattr__(self, "coefficients", coefficients)
        object.__setattr__(self, "base_weights", base)
        object.__setattr__(self, "bias", bias)

    def _check_shape(self, what: str, array: FloatArray, expected: tuple[int, ...]) -> None:
        if array.shape != expected:
            raise InputError(
                f"{self.name}: {what} must have shape {list(expected)} to fit the basis of "
                f"{self.basis.n_in} inputs and {self.basis.count} functions, not "
                f"{list(array.shape)}"
            )

    @property
    def n_in(self) -> int:
        """Inputs."""
        return self.basis.n_in

    @property
    def n_out(self) -> int:
        """Outputs."""
        return int(self.coefficients.shape[0])

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """[n_out, n_in]: whether an edge has a coefficient or a base weight that is not zero."""
        result: npt.NDArray[np.bool_] = (self.coefficients != 0).any(axis=2) | (
            self.base_weights != 0
        )
        return result

    def __call__(self, x: FloatArray) -> FloatArray:
        """Compute the outputs [N, n_out] of a batch [N, n_in], some rows at a time."""
        x = checked_batch(x, self.n_in, self.name)
        weights = self.coefficients.reshape(self.n_out, -1).T
        rows = max(1, CHUNK_VALUES // (self.n_in * (self.basis.count + self.basis.order)))
        y = np.empty((len(x), self.n_out), np.float64)
        for start in range(0, len(x), rows):
            part = x[start : start + rows]
            y[start : start + rows] = (
                self.basis(part).reshape(len(part), -1) @ weights
                + self.base_activation(part) @ self.base_weights.T
                + self.bias
            )
        return y

    def edges(self, x: FloatArray) -> FloatArray:
        """Evaluate every edge function on its own, without the bias.

        Parameters
        ----------
        x
            [A, n_in]: A points of each input.

        Returns
        -------
        FloatArray
            [n_out, n_in, A]: the edge from input i to output j at ``x[:, i]``.
        """
        x = checked_batch(x, self.n_in, self.name)
        values = np.empty((self.n_out, self.n_in, len(x)), np.float64)
        for i in range(self.n_in):
            values[:, i] = self.coefficients[:, i] @ self.basis.evaluate_input(i, x[:, i]).T
        base = self.base_activation(x).T
        values += self.base_weights[:, :, np.newaxis] * base
        return values


@dataclass(frozen=True, eq=False)
class KanModel:
    """Layers one after the other.

    Parameters
    ----------
    layers
        At least one; each layer's outputs are the next one's inputs.
    source
        Where the model came from, and what of it was left out; for reports.

    Raises
    ------
    InputError
        If there is no layer or two neighbours do not fit; the message names them.
    """

    layers: tuple[KanLayer, ...]
    source: str = ""

    def __post_init__(self) -> None:
        layers = tuple(self.layers)
        for layer in layers:
            if not isinstance(layer, KanLayer):
                raise TypeError(f"A KanModel is made of KanLayers, not of {layer!r}")
        if not layers:
            raise InputError("A KanModel needs at least one layer")
        for before, after in pairwise(layers):
            if before.n_out != after.n_in:
                raise InputError(
                    f"{before.name} has {before.n_out} outputs but {after.name} takes "
                    f"{after.n_in} inputs: consecutive layers must fit"
                )
        object.__setattr__(self, "layers", layers)

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
        return sum(int(layer.active.sum()) for layer in self.layers)

    def __call__(self, x: FloatArray) -> FloatArray:
        """Compute the outputs [N, n_out], float64, of samples [N, n_in] of any finite numbers."""
        y = checked_batch(x, self.n_in, "The model")
        for layer in self.layers:
            y = layer(y)
        return y

    def layer_inputs(self, x: FloatArray) -> list[FloatArray]:
        """List what enters each layer, in order, and the output as the last element."""
        values = [checked_batch(x, self.n_in, "The model")]
        for layer in self.layers:
            values.append(layer(values[-1]))
        return values
