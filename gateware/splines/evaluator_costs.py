"""The hardware costs of evaluated splines, counted before they are built."""

from __future__ import annotations

import numpy as np

from kanhw.formats import IntArray
from kanhw.gateware.parts.constant_digits import signed_digits
from kanhw.gateware.parts.costs import HardwareCosts, MemoryShape, choice_luts, wide_choices
from kanhw.program import SplineEvaluatorLayer
from kanhw.program.functions.interpolation import Interpolation
from kanhw.program.functions.spline_arithmetic import SplineArithmetic
from kanhw.program.functions.splines import piece_polynomials
from kanhw.targets.multipliers import Product

__all__ = ["curve_costs", "evaluator_costs", "spline_costs"]


def spline_costs(splines: SplineArithmetic) -> HardwareCosts:
    """Of one evaluator and the turn of its values."""
    value, place = int(splines.pieces.max()).bit_length(), splines.fraction_bits
    order, banks = splines.order, splines.order + 1
    position = splines.width + place + splines.shift
    digits = 1 if splines.aligned else len(signed_digits(int(splines.multipliers.max())))
    common = HardwareCosts(
        adder_bits=position * digits,
        choice_luts=banks * choice_luts(banks, value),
        wide_choices=banks * wide_choices(banks, value),
        register_bits=position * digits + 2 * banks * value,
    )
    if splines.table is not None:
        rows, columns = splines.table.shape
        memory = MemoryShape(rows - 1, columns * value, ports=2)
        registers = 2 * place + banks * value
        return common + HardwareCosts(register_bits=registers, adder_bits=place, memories=(memory,))
    power = splines.scale.bit_length()
    terms = sum(len(signed_digits(c)) for piece in piece_polynomials(order) for c in piece[1:])
    return common + HardwareCosts(
        products=(Product(place + 1, power + 1, place + power, (False, False)),) * (order - 1),
        adder_bits=terms * (power + 2),
        register_bits=order * (power + place) + terms * power,
    )


def curve_costs(curves: Interpolation) -> HardwareCosts:
    """Of one interpolated curve."""
    point, way = (
        int(np.abs(values).max(initial=1)).bit_length() + 1
        for values in (curves.tables, np.diff(curves.tables, axis=1))
    )
    between = curves.fraction_bits
    memory = MemoryShape(curves.tables.shape[1] - 1, point + (way if between else 0))
    # The way to the next point has a sign, the place between the two has none.
    (narrow, first), (wide, second) = sorted([(way, True), (between + 1, False)])
    products = (Product(wide, narrow, way + between, (second, first)),)
    return HardwareCosts(
        products=products * (between > 0),
        register_bits=point + between,
        memories=(memory,),
    )


def _source_costs(layer: SplineEvaluatorLayer) -> HardwareCosts:
    """Of the values of every input of an unrolled layer that is read, by function."""
    read = (layer.coefficients != 0).any(axis=(0, 2)), (layer.base_weights != 0).any(axis=(0, 2))
    value = int(layer.splines.pieces.max()).bit_length()
    values = HardwareCosts(table_luts=layer.count * value, register_bits=layer.count * value)
    total = (spline_costs(layer.splines) + values).times(int(read[0].sum()))
    return total + curve_costs(layer.base).times(int(read[1].sum()))


def evaluator_costs(layer: SplineEvaluatorLayer) -> HardwareCosts:
    """Of an unrolled layer up to its accumulators: every input's values, and their weights."""
    value = int(layer.splines.pieces.max()).bit_length()
    curve = int(np.abs(layer.base.values).max(initial=1)).bit_length() + 1
    total = _source_costs(layer)
    for weights, width in ((layer.coefficients, value), (layer.base_weights, curve)):
        adders = round(_digits(weights) * (width + _width(weights) / 2 + 1))
        total += HardwareCosts(adder_bits=adders, register_bits=adders)
    return total


def _digits(weights: IntArray) -> int:
    """Operands that constant multiplication by all of them takes."""
    values, counts = np.unique(np.abs(weights), return_counts=True)
    return sum(
        len(signed_digits(int(v))) * int(c) for v, c in zip(values, counts, strict=True) if v
    )


def _width(weights: IntArray) -> int:
    return int(np.abs(weights).max(initial=1)).bit_length()
