"""The constants of a spline evaluator, and how far its values are from the exact functions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.layer import KanLayer
from kanhw.program.functions.interpolation import Interpolation
from kanhw.program.functions.spline_arithmetic import SplineArithmetic
from kanhw.program.functions.splines import mirrored_columns, piece_polynomials
from kanhw.quant.config import QuantConfig
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.quantizers.rounding import round_half_up
from kanhw.quant.splines.base_curves import base_curves
from kanhw.quant.splines.spline_grid import Grid, Positions, obstacle, positions

__all__ = [
    "Evaluator",
    "cardinal_peak",
    "evaluator_of",
    "polynomial_error",
    "spline_arithmetic",
]

# What polynomials may add to the half LSB of rounding.
_POLYNOMIAL_LSB = Fraction(1, 4)
# Places in an LSB of the steepest function: so many more bits than a value has.
_PLACE_BITS = {"arithmetic": 2, "shared_table": 1}
_LARGEST_TABLE_BITS = 12


@dataclass(frozen=True, eq=False)
class Evaluator:
    """What a layer of splines computes with, in place of tables.

    Parameters
    ----------
    splines
        From codes to cells and functions.
    spline_unit
        Real units of a basis value's LSB.
    base
        From codes to the base activation.
    base_unit
        Real units of its LSB.
    errors
        ``basis`` and ``base``: largest ``|evaluated - exact|`` over all codes, in LSBs;
        ``basis_bound``: what it cannot exceed, from the constants.
    note
        What the grid did not allow; may be empty.
    """

    splines: SplineArithmetic
    spline_unit: float
    base: Interpolation
    base_unit: float
    errors: dict[str, float]
    note: str


def evaluator_of(
    layer: KanLayer,
    spline: ActivationQuantizer,
    base: ActivationQuantizer,
    config: QuantConfig,
) -> Evaluator:
    """The evaluator of a layer for the codes that it reads.

    Raises
    ------
    InputError
        If its bases are no uniform B-splines of order 1 to 5.
    """
    reason = obstacle(layer, spline)
    basis = layer.basis
    if reason is not None or not isinstance(basis, BSplineBasis):
        raise InputError(
            f"{layer.name}: no spline evaluator, because {reason}: choose another realisation for "
            f"it, layers={{{layer.name!r}: {{'realisation': 'edge_table'}}}}, with codes of up to "
            "12 bits"
        )
    grid = Grid.of(basis)
    variant: str = config.evaluator.pieces
    if variant == "auto":
        variant = _cheaper(basis.order, config.basis_bits, grid, spline)
    place = positions(grid, spline, _places(variant, config.basis_bits))
    splines, unit = spline_arithmetic(
        basis.order, config.basis_bits, spline.format.width, place, table=variant != "arithmetic"
    )
    measured, warped = _basis_errors(basis, grid, spline, splines, unit)
    bound = _bound(splines, unit, place.error) + warped
    curves, base_unit, base_error = base_curves(layer, base, config.base_table_bits)
    errors = {"basis": measured, "basis_bound": bound, "base": base_error}
    return Evaluator(splines, unit, curves, base_unit, errors, place.note)


def cardinal_peak(order: int) -> Fraction:
    """The largest value of a uniform B-spline times p!: that in its middle."""
    # The middle is a knot for odd orders, the middle of a cell for even ones.
    t = Fraction(order % 2 == 0, 2)
    middle = piece_polynomials(order)[order // 2]
    return sum((c * t**d for d, c in enumerate(middle)), start=Fraction(0))


def polynomial_error(order: int) -> Fraction:
    """What the rounding of d powers, d / 2 at most each, can do to a sum before it is shifted."""
    return max(
        sum((Fraction(abs(c) * d, 2) for d, c in enumerate(piece)), start=Fraction(0))
        for piece in piece_polynomials(order)
    )


def spline_arithmetic(
    order: int, bits: int, width: int, place: Positions, *, table: bool
) -> tuple[SplineArithmetic, float]:
    """The arithmetic of values of ``bits`` bits, and the real value of their LSB.

    The scale of the polynomials has two digits, so that multiplying by it is an addition, and is
    the largest such with which no value leaves its bits.
    """
    common = {
        "width": width,
        "order": order,
        "multipliers": place.multipliers,
        "offsets": place.offsets,
        "shift": place.shift,
        "fraction_bits": place.fraction_bits,
    }
    peak, factorial = cardinal_peak(order), math.factorial(order)
    if table:
        unit = float(peak) / factorial / ((1 << bits) - 1)
        places = np.arange((1 << place.fraction_bits) + 1) / 2.0**place.fraction_bits
        columns = _exact_pieces(order, places)[:, : mirrored_columns(order)]
        rows = round_half_up(columns / unit).astype(np.int64)
        return SplineArithmetic(**common, table=rows), unit  # type: ignore[arg-type]
    error = polynomial_error(order)
    mantissa, exponent = math.frexp(error / _POLYNOMIAL_LSB)
    # The bits that divide the error down to that share: the logarithm, rounded up.
    guard = max(exponent - (mantissa == 0.5), 1)
    room = Fraction(1 << bits) - Fraction(1, 2) - error / (1 << guard)
    scale = _two_digits(math.floor(room * (1 << guard) / peak))
    arithmetic = SplineArithmetic(**common, scale=scale, guard_bits=guard)  # type: ignore[arg-type]
    return arithmetic, 2.0**guard / (factorial * scale)


def _two_digits(most: int) -> int:
    """The largest sum or difference of two powers of two up to ``most``, at least 1."""
    best = 1
    for high in range(most.bit_length() + 1):
        for low in range(high + 1):
            for value in ((1 << high) + (1 << low), (1 << high) - (1 << low), 1 << high):
                if best < value <= most:
                    best = value
    return best


def _places(variant: str, bits: int) -> int:
    return max(bits + _PLACE_BITS[variant], 3)


def _cheaper(order: int, bits: int, grid: Grid, quantizer: ActivationQuantizer) -> str:
    """Which variant takes fewer LUTs, roughly: those of an input, unrolled."""
    table_bits = positions(grid, quantizer, _places("shared_table", bits)).fraction_bits
    if table_bits > _LARGEST_TABLE_BITS:
        return "arithmetic"
    table = (order + 1) * bits * 2.0 ** max(table_bits - 6, 0)
    places = positions(grid, quantizer, _places("arithmetic", bits)).fraction_bits
    digits = sum(abs(c).bit_count() for piece in piece_polynomials(order) for c in piece[1:])
    arithmetic = (bits + 4) * ((order - 1) * places + digits)
    return "shared_table" if table <= arithmetic else "arithmetic"


def _exact_pieces(order: int, t: FloatArray) -> FloatArray:
    """The live functions at places t ``[N]`` in a cell, ``[N, p + 1]``."""
    pieces = np.zeros((len(t), order + 1))
    for coefficients in np.array(piece_polynomials(order), np.float64).T[::-1]:
        pieces = pieces * t[:, None] + coefficients
    return pieces / math.factorial(order)


def _basis_errors(
    basis: BSplineBasis,
    grid: Grid,
    quantizer: ActivationQuantizer,
    splines: SplineArithmetic,
    unit: float,
) -> tuple[float, float]:
    """Over all codes, in LSBs: distance from the exact basis; its own from a uniform one."""
    x = quantizer.grid()
    alike = np.concatenate([basis.knots, x[[0, -1]].T], axis=1)
    _, chosen = np.unique(alike, axis=0, return_index=True)
    measured = warped = 0.0
    for i in chosen.tolist():
        exact = basis.evaluate_input(i, x[:, i])
        evaluated = splines.values(i, basis.count) * unit
        uniform = _uniform(basis, (x[:, i] - grid.start[i]) / grid.step[i])
        measured = max(measured, float(np.abs(evaluated - exact).max()) / unit)
        warped = max(warped, float(np.abs(uniform - exact).max()) / unit)
    return measured, warped


def _uniform(basis: BSplineBasis, place: FloatArray) -> FloatArray:
    """All functions ``[N, K]`` of a uniform grid at places counted in cells."""
    cell = np.floor(place)
    pieces = _exact_pieces(basis.order, place - cell)
    values = np.zeros((len(place), basis.count))
    for r in range(basis.order + 1):
        k = cell - basis.order + r
        there = np.flatnonzero((k >= 0) & (k < basis.count))
        values[there, k[there].astype(np.int64)] = pieces[there, r]
    return values


def _bound(splines: SplineArithmetic, unit: float, place_error: float) -> float:
    """In LSBs: the steepest slope times the error of places, the polynomials', and rounding."""
    order = splines.order
    # |B'| is the difference of two B-splines of order p - 1, neither of them negative.
    steepest = float(cardinal_peak(order - 1)) / math.factorial(order - 1) if order > 1 else 1.0
    polynomials = 0.0
    if splines.table is None:
        polynomials = float(polynomial_error(order)) / 2.0**splines.guard_bits
    return steepest * place_error / unit + polynomials + 0.5
