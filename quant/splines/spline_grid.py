"""Uniform spline grids in codes: where cells begin, and scales that fit them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from kanhw import numerics
from kanhw.formats import FloatArray, IntArray
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.layer import KanLayer
from kanhw.numerics import power_of_two
from kanhw.program.functions.spline_arithmetic import MOST_ORDERS
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.quantizers.rounding import round_half_up

__all__ = ["Grid", "Positions", "aligned_quantizer", "obstacle", "positions"]

# Two cells are equally wide if they differ by no more: float32 knots do by some 1e-6.
_SAME = 1e-5


def obstacle(layer: KanLayer, quantizer: ActivationQuantizer | None = None) -> str | None:
    """Why a spline evaluator cannot compute a layer's basis; None if it can."""
    basis = layer.basis
    if layer.symbolic:
        return "it has symbolic edges, each a function of its own"
    if not isinstance(basis, BSplineBasis):
        return f"its basis is a {type(basis).__name__}, not uniform B-splines"
    if basis.order > MOST_ORDERS:
        return f"its splines are of order {basis.order}, and the highest is {MOST_ORDERS}"
    if not basis.uniform.all():
        i = int(np.flatnonzero(~basis.uniform)[0])
        steps = np.diff(basis.knots[i])
        return (
            f"the knots of input {i} are not uniform (cells of {steps.min():.3g} to "
            f"{steps.max():.3g})"
        )
    if quantizer is not None and quantizer.activation is not None:
        return f"its codes are those in front of a {quantizer.activation.name}"
    return None


@dataclass(frozen=True, eq=False)
class Grid:
    """The cells of every input, all of an input's equally wide.

    Parameters
    ----------
    start, step
        ``[n_in]`` reals: the first knot, and the width of a cell.
    """

    start: FloatArray
    step: FloatArray

    @classmethod
    def of(cls, basis: BSplineBasis) -> Grid:
        """The uniform grid between the outermost knots."""
        first, last = basis.knots[:, 0], basis.knots[:, -1]
        return cls(first, (last - first) / (basis.knots.shape[1] - 1))

    @property
    def alike(self) -> bool:
        """Whether the cells of all inputs are equally wide."""
        return bool(np.ptp(self.step) <= _SAME * self.step.max())

    def place(self, x: FloatArray) -> FloatArray:
        """How many cells beyond the first knot reals ``[..., n_in]`` are."""
        place: FloatArray = (x - self.start) / self.step
        return place


def aligned_quantizer(quantizer: ActivationQuantizer, basis: BSplineBasis) -> ActivationQuantizer:
    """The quantizer with cells of ``2**D`` codes where the grid allows, else as it is.

    A scale grows to the next such width, by less than a factor of 2, and keeps the range that it
    covered: at most a bit is lost (PowerGap, arXiv 2509.05937).
    """
    grid = Grid.of(basis)
    one_scale = bool((quantizer.scale == quantizer.scale[0]).all())
    if quantizer.activation is not None or (one_scale and not grid.alike):
        return quantizer
    # The pixels of an image have one scale, and the taps of a window one grid.
    step = np.full_like(quantizer.scale, grid.step.mean()) if one_scale else grid.step
    depth = numerics.whole_log2(step / quantizer.scale * (1 + _SAME))
    if (depth < 0).any():
        return quantizer
    scale = step / power_of_two(depth)
    lowest = quantizer.format.lo
    # The real value of the lowest code stays where it was, to half a step; symmetric ones too.
    symmetric = quantizer.format.signed and not quantizer.zero_point.any()
    kept = round_half_up((lowest - quantizer.zero_point) * quantizer.scale / scale)
    zero_point = quantizer.zero_point if symmetric else lowest - kept.astype(np.int64)
    return replace(quantizer, scale=scale, zero_point=zero_point)


@dataclass(frozen=True, eq=False)
class Positions:
    """Integers that give a code's place on the grid, and how far off that is.

    Parameters
    ----------
    multipliers, offsets, shift, fraction_bits
        As in :class:`~kanhw.program.functions.spline_arithmetic.SplineArithmetic`.
    error
        In cells: no code's place is farther off.
    note
        Why cells are not a power of two of codes; empty if they are.
    """

    multipliers: IntArray
    offsets: IntArray
    shift: int
    fraction_bits: int
    error: float
    note: str


def positions(grid: Grid, quantizer: ActivationQuantizer, wanted: int) -> Positions:
    """The cheapest integers for ``wanted`` bits of the place in a cell.

    Cells of ``2**D`` codes whose knots fall on codes take no arithmetic but an addition and are
    exact; their place has D bits if that is fewer. Others take a multiplication.
    """
    width, codes = quantizer.format.width, quantizer.format.count
    ratio = quantizer.scale / grid.step
    start = grid.place(quantizer.scale * (quantizer.format.lo - quantizer.zero_point))
    depth = numerics.whole_log2(math.sqrt(2.0) / ratio)
    tolerance = 2.0 ** -(wanted + 3)
    off = codes * np.abs(ratio - power_of_two(-depth))
    aligned = bool((depth >= 0).all() and (off <= tolerance).all())
    if aligned:
        on_codes = start * power_of_two(depth)
        off = np.abs(on_codes - round_half_up(on_codes)) * power_of_two(-depth)
        exact = bool((off <= tolerance).all())
        deepest = max(int(depth.max()), 1)
        bits = min(deepest, wanted) if exact else wanted
        shift = max(deepest - bits, 0)
        multipliers = np.int64(1) << (bits + shift - depth)
    else:
        bits, shift = wanted, width + 2
        multipliers = round_half_up(ratio * 2.0 ** (bits + shift)).astype(np.int64)
        multipliers = np.maximum(multipliers, 1)
    offsets = round_half_up(start * 2.0 ** (bits + shift)).astype(np.int64)
    ends = np.array([0, codes - 1])[:, None]
    whole = (ends * multipliers + offsets) / 2.0 ** (bits + shift)
    # The distance from a straight line is largest at an end of it.
    error = float(np.abs(whole - (start + ends * ratio)).max()) + (2.0 ** -(bits + 1)) * (shift > 0)
    offsets = offsets + ((1 << shift) >> 1)
    note = "" if aligned else _unaligned(grid, quantizer)
    return Positions(multipliers, offsets, shift, bits, error, note)


def _unaligned(grid: Grid, quantizer: ActivationQuantizer) -> str:
    per_cell = grid.step / quantizer.scale
    if (quantizer.scale == quantizer.scale[0]).all() and not grid.alike:
        reason = (
            f"the cells of its inputs are {grid.step.min():.3g} to {grid.step.max():.3g} wide, and "
            "one scale serves them all"
        )
    else:
        reason = f"a cell is {per_cell.min():.4g} codes"
        if np.ptp(per_cell) > _SAME * per_cell.max():
            reason = f"a cell is {per_cell.min():.4g} to {per_cell.max():.4g} codes"
    return f"cells are no power of two of codes ({reason}), so that finding them takes a multiplier"
