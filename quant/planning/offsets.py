"""Moving what is constant over the codes into the bias, before anything is quantized.

A coefficient of 25.1 +- 0.1, or a base activation between 99.8 and 100.2, spends nearly all of its
integer on a constant that the bias holds exactly. For the codes that a layer reads the moved layer
is equal to the original one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kanhw.formats import FloatArray
from kanhw.model.activation import Activation
from kanhw.model.bases.affine import AffineBasis
from kanhw.model.bases.basis import Basis
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.bases.grids import grid_ends
from kanhw.model.layer import KanLayer
from kanhw.numerics import matmul
from kanhw.quant.planning.steps import SumStep
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.quantizers.sum_inputs import SumInputs

__all__ = ["OffsetActivation", "inside_grid", "without_offsets"]

# A constant is moved where what stays is this much smaller: two bits of the integers.
_GAIN = 4.0
# Sums of basis functions that differ by less are constant.
_SAME = 2.0**-40


@dataclass(frozen=True, eq=False)
class OffsetActivation(Activation):
    """A base activation less a constant of every input: ``b(x_i) - offset_i``.

    Parameters
    ----------
    offset
        ``[n_in]``.
    """

    offset: FloatArray | float = 0.0

    def __call__(self, x: FloatArray) -> FloatArray:
        """Apply the function to ``[..., n_in]``; float64."""
        return super().__call__(x) - self.offset

    def of_input(self, i: int) -> Activation:
        """The function of input i alone, of values of any shape."""
        own = super().of_input(i)
        offset = float(np.asarray(self.offset)[i])
        return OffsetActivation(own.name, own.slope, own.scale, own.shift, offset)


def inside_grid(
    step: SumStep, quantizer: ActivationQuantizer, value: FloatArray, *, tabulated: bool
) -> ActivationQuantizer:
    """Give a spline's quantizer that reads nothing outside of the grid, where that helps.

    Codes cover the values that were seen to half a step. Where all of these are inside a grid on
    which the splines add up to 1, but the outermost code stands for a real just outside, no
    constant could be moved.

    Parameters
    ----------
    step
        The layer.
    quantizer
        In front of its splines.
    value
        ``[N, n]`` reals that were seen in front of it.
    tabulated
        Whether the functions are tables, in which the outermost codes may stand for the ends of the
        grid; else there are no such codes.
    """
    grid, layer = _grid_ends(step.layer.basis), step.layer
    if grid is None or step.window is not None or not (layer.coefficients != 0).any():
        return quantizer
    seen = layer.spline_input(value if step.activation is None else step.activation(value))
    reads = quantizer.grid()
    near = (seen.min(axis=0) >= grid[:, 0]) & (seen.max(axis=0) <= grid[:, 1])
    if tabulated:
        # A code further outside stands for reals that may come.
        near &= reads.min(axis=0) >= grid[:, 0] - quantizer.scale
        near &= reads.max(axis=0) <= grid[:, 1] + quantizer.scale
    peaks = np.ones(layer.basis.count)
    for i in np.flatnonzero(near):
        near[i] = _moved(layer.coefficients[:, i], peaks, peaks)[1].any()
    if not near.any():
        return quantizer
    if tabulated:
        unbounded = np.array([-np.inf, np.inf])
        return replace(quantizer, read_within=np.where(near[:, None], grid, unbounded))
    outside = near & ((reads < grid[:, 0]) | (reads > grid[:, 1]))
    if quantizer.activation is not None or not outside.any():
        return quantizer
    held = np.where(outside, np.nan, quantizer.format.codes()[:, None])
    lo, hi = np.nanmin(held, axis=0), np.nanmax(held, axis=0)
    return replace(quantizer, lo=lo.astype(np.int64), hi=hi.astype(np.int64))


def _grid_ends(basis: Basis) -> FloatArray | None:
    """Where B-splines add up to 1, ``[n_in, 2]``; None for a basis that is not known to."""
    inner = basis
    while isinstance(inner, AffineBasis):
        inner = inner.inner
    return grid_ends(basis) if isinstance(inner, BSplineBasis) else None


def without_offsets(step: SumStep, inputs: SumInputs) -> SumStep:
    """Give a layer with the constants of its functions in the bias; equal to ``step`` on all codes.

    Parameters
    ----------
    step
        The layer. Windows with padding stay as they are: a tap beside the image adds nothing, and
        so has no constant.
    inputs
        The quantizers in front of it, whose codes are all that the functions are given.
    """
    if step.window is not None and any(step.window.padding):
        return step
    moved = _without_spline_offsets(step.layer, inputs.spline.grid())
    moved = _without_base_offsets(moved, inputs.base.grid())
    return replace(step, layer=_without_symbolic_offsets(moved, inputs.base.grid()))


def _without_spline_offsets(layer: KanLayer, grid: FloatArray) -> KanLayer:
    """Move the constants of coefficients, where a sum of the functions is constant on the codes."""
    values = layer.basis(grid)
    constants = np.zeros((layer.n_sums, layer.n_in))
    coefficients = layer.coefficients.copy()
    for i in range(layer.n_in if layer.basis.count else 0):
        weights = _constant_sum(values[:, i])
        if weights is None:
            continue
        own, peaks = layer.coefficients[:, i], np.abs(values[:, i]).max(axis=0)
        middle, gained = _moved(own, weights, peaks)
        coefficients[gained, i] -= middle[gained, None] * weights
        constants[gained, i] = middle[gained]
    if not constants.any():
        return layer
    return replace(layer, coefficients=coefficients, bias=layer.bias + constants.sum(axis=1))


def _moved(
    coefficients: FloatArray, weights: FloatArray, peaks: FloatArray
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """The constants ``[n_out]`` in coefficients ``[n_out, K]``, and whether to move each."""
    used = weights != 0
    relative = coefficients[:, used] / weights[used]
    middle = (relative.max(axis=1) + relative.min(axis=1)) / 2
    rest = coefficients - middle[:, None] * weights
    largest = (np.abs(coefficients) * peaks).max(axis=1)
    gained = largest >= _GAIN * (np.abs(rest) * peaks).max(axis=1)
    return middle, gained & (middle != 0)


def _constant_sum(values: FloatArray) -> FloatArray | None:
    """Weights ``[K]`` with which functions ``[A, K]`` add up to 1 at every point, if there are."""
    total = values.sum(axis=1)
    if total[0] and (np.abs(total - total[0]) <= _SAME * abs(total[0])).all():
        # B-splines inside of their grid.
        return np.full(values.shape[1], 1.0 / total[0])
    for k, own in enumerate(values.T):
        if own[0] and (own == own[0]).all():
            # The first polynomial of an orthogonal family.
            weights = np.zeros(values.shape[1])
            weights[k] = 1.0 / own[0]
            return weights
    return None


def _without_base_offsets(layer: KanLayer, grid: FloatArray) -> KanLayer:
    if not layer.base_weights.any():
        return layer
    values = layer.base_activation(grid)
    offset = _large_offsets(values.min(axis=0), values.max(axis=0))
    if not offset.any():
        return layer
    own = layer.base_activation
    constant = matmul(offset[None], layer.base_weights.T)[0]
    return replace(
        layer,
        base_activation=OffsetActivation(own.name, own.slope, own.scale, own.shift, offset),
        bias=layer.bias + constant,
    )


def _without_symbolic_offsets(layer: KanLayer, grid: FloatArray) -> KanLayer:
    edges, bias = list(layer.symbolic), layer.bias.copy()
    for index, edge in enumerate(edges):
        values = edge(grid[:, edge.i])
        # An edge without a value at some code is refused where tables are made.
        if np.isfinite(values).all():
            offset = float(_large_offsets(values.min(), values.max()))
            edges[index] = replace(edge, d=edge.d - offset)
            bias[edge.j] += offset
    return replace(layer, symbolic=tuple(edges), bias=bias) if edges else layer


def _large_offsets(lo: npt.ArrayLike, hi: npt.ArrayLike) -> FloatArray:
    """The middle of ranges from which it is worth being taken; 0 for the others."""
    low, high = np.asarray(lo, np.float64), np.asarray(hi, np.float64)
    middle, half = (low + high) / 2, (high - low) / 2
    return np.where(np.abs(middle) + half >= _GAIN * half, middle, 0.0)
