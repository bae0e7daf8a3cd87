"""One KAN layer in float64: the record that all four variants fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.activation import Activation
from kanhw.model.arrays import checked_batch, frozen_array
from kanhw.model.bases.basis import Basis
from kanhw.model.norm import LayerNorm
from kanhw.model.products import Products
from kanhw.model.symbolic import SymbolicEdge
from kanhw.numerics import matmul
from kanhw.values import brief_repr
from kanhw.windows import Window

__all__ = ["KanLayer", "Post"]

Post = LayerNorm | Activation | Products

# Basis values held at a time; 2**21 float64 are 16 MiB, and the recursion holds a few copies.
CHUNK_VALUES = 1 << 21


@dataclass(frozen=True, eq=False)
class KanLayer:
    """y_j = sum_i [ w_b[j,i] b(x_i) + sum_k c[j,i,k] B_k(z_i) ] + bias_j, then ``post``.

    z is x, or ``spline_norm(x)``.

    Parameters
    ----------
    basis
        The basis functions B_k of the inputs.
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
    spline_norm
        A normalisation in front of the basis only (FastKAN); None is z = x.
    symbolic
        Edges that are named functions, on top of the others (PyKAN).
    post
        What happens to the sums, in order: a normalisation, an activation, products of sums.

    Raises
    ------
    InputError
        If a shape does not fit the basis or a number is not finite; the message names the layer.
    """

    basis: Basis
    coefficients: FloatArray
    base_weights: FloatArray
    base_activation: Activation
    bias: FloatArray
    name: str
    spline_norm: LayerNorm | None = None
    symbolic: tuple[SymbolicEdge, ...] = ()
    post: tuple[Post, ...] = ()

    __repr__ = brief_repr

    window: ClassVar[Window | None] = None

    def __post_init__(self) -> None:
        if not isinstance(self.basis, Basis):
            raise TypeError(
                f"{self.name}: basis must be a basis (kanhw.model.bases), not {self.basis!r}"
            )
        if not isinstance(self.base_activation, Activation):
            raise TypeError(
                f"{self.name}: base_activation must be an Activation, not {self.base_activation!r}"
            )
        coefficients = frozen_array(
            self.coefficients,
            f"{self.name}: coefficients",
            ("n_out", "n_in", "K"),
            may_be_empty=self.basis.count == 0,
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
        object.__setattr__(self, "symbolic", tuple(self.symbolic))
        object.__setattr__(self, "post", tuple(self.post))
        self._check_extras()

    def _check_extras(self) -> None:
        if self.spline_norm is not None and self.spline_norm.n != self.n_in:
            raise InputError(
                f"{self.name}: its normalisation is of {self.spline_norm.n} features, but the "
                f"layer has {self.n_in} inputs"
            )
        for edge in self.symbolic:
            if not (0 <= edge.i < self.n_in and 0 <= edge.j < self.n_sums):
                raise InputError(
                    f"{self.name}: there is no edge from input {edge.i} to output {edge.j}"
                )
        width = self.n_sums
        for step in self.post:
            taken = {LayerNorm: "n", Products: "n_in"}.get(type(step))
            if taken is not None and getattr(step, taken) != width:
                raise InputError(
                    f"{self.name}: {type(step).__name__} takes {getattr(step, taken)} values, but "
                    f"is given {width}"
                )
            width = step.n_out if isinstance(step, Products) else width

    def _check_shape(self, what: str, array: FloatArray, expected: tuple[int, ...]) -> None:
        if array.shape != expected:
            raise InputError(
                f"{self.name}: {what} must have shape {list(expected)} to fit the basis of "
                f"{self.basis.n_in} inputs and {self.basis.count} functions, not "
                f"{list(array.shape)}"
            )

    @property
    def taps(self) -> KanLayer:
        """The layer of edges: itself, and that of a window where there are windows."""
        return self

    def with_taps(self, change: Callable[[KanLayer], KanLayer]) -> KanLayer:
        """The same layer with a change of its edges."""
        return change(self)

    @property
    def n_in(self) -> int:
        """Inputs."""
        return self.basis.n_in

    @property
    def n_sums(self) -> int:
        """Sums, before ``post``."""
        return int(self.coefficients.shape[0])

    @property
    def n_out(self) -> int:
        """Outputs, after ``post``."""
        for step in reversed(self.post):
            if isinstance(step, Products):
                return step.n_out
        return self.n_sums

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """[n_sums, n_in]: whether an edge is anything but zero everywhere."""
        result: npt.NDArray[np.bool_] = (self.coefficients != 0).any(axis=2) | (
            self.base_weights != 0
        )
        for edge in self.symbolic:
            result[edge.j, edge.i] = True
        return result

    @property
    def active_edges(self) -> int:
        """How many edges are active."""
        return int(self.active.sum())

    def __call__(self, x: FloatArray) -> FloatArray:
        """Compute the outputs [N, n_out] of a batch [N, n_in], some rows at a time."""
        y = self.sums(x)
        for step in self.post:
            y = step(y)
        return y

    def sums(self, x: FloatArray) -> FloatArray:
        """Compute the sums [N, n_sums] before ``post``."""
        x = checked_batch(x, self.n_in, self.name)
        width = self.n_in * max(self.basis.count + self.basis.spare, 1)
        rows = max(1, CHUNK_VALUES // width)
        y = np.empty((len(x), self.n_sums), np.float64)
        for start in range(0, len(x), rows):
            y[start : start + rows] = self._sums(x[start : start + rows], None)
        return y

    def masked(self, x: FloatArray, present: npt.NDArray[np.bool_]) -> FloatArray:
        """Outputs [N, n_out] where an input that is not ``present`` [N, n_in] contributes 0."""
        y = self._sums(x, present.astype(np.float64))
        for step in self.post:
            y = step(y)
        return y

    def spline_input(self, x: FloatArray) -> FloatArray:
        """What the basis reads, z [N, n_in]."""
        return x if self.spline_norm is None else self.spline_norm(x)

    def _sums(self, x: FloatArray, present: FloatArray | None) -> FloatArray:
        basis, base = self.basis(self.spline_input(x)), self.base_activation(x)
        if present is not None:
            basis, base = basis * present[:, :, None], base * present
        y = matmul(basis.reshape(len(x), -1), self.coefficients.reshape(self.n_sums, -1).T)
        y += matmul(base, self.base_weights.T) + self.bias
        for edge in self.symbolic:
            value = edge(x[:, edge.i])
            y[:, edge.j] += value if present is None else value * present[:, edge.i]
        return y

    def edges(self, x: FloatArray) -> FloatArray:
        """Evaluate every edge function on its own, without the bias.

        Where the basis reads a normalised input, an edge is no function of x alone: use
        :meth:`spline_edges` and :meth:`base_edges`.

        Parameters
        ----------
        x
            [A, n_in]: A points of each input.

        Returns
        -------
        FloatArray
            [n_sums, n_in, A]: the edge from input i to output j at ``x[:, i]``.
        """
        if self.spline_norm is not None:
            raise InputError(
                f"{self.name}: its edges depend on all inputs through a normalisation; the spline "
                "and base branches can be evaluated apart"
            )
        return self.spline_edges(x) + self.base_edges(x)

    def spline_edges(self, z: FloatArray) -> FloatArray:
        """The spline branch of every edge at z [A, n_in]: [n_sums, n_in, A]."""
        z = checked_batch(z, self.n_in, self.name)
        values = np.empty((self.n_sums, self.n_in, len(z)), np.float64)
        for i in range(self.n_in):
            functions = self.basis.evaluate_input(i, z[:, i])
            values[:, i] = matmul(self.coefficients[:, i], functions.T)
        return values

    def base_edges(self, x: FloatArray) -> FloatArray:
        """The base branch of every edge, symbolic edges included, at x [A, n_in]."""
        x = checked_batch(x, self.n_in, self.name)
        values: FloatArray = self.base_weights[:, :, np.newaxis] * self.base_activation(x).T
        for edge in self.symbolic:
            values[edge.j, edge.i] += edge(x[:, edge.i])
        return values
