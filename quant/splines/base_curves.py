"""The base activation of an evaluator: a curve through as few points as will do."""

from __future__ import annotations

import numpy as np

from kanhw.model.layer import KanLayer
from kanhw.program.functions.interpolation import Interpolation
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.quantizers.rounding import round_half_up

__all__ = ["base_curves"]

# Interpolation may miss a base activation by this much more than rounding does.
_CURVE_LSB = 0.25
_CURVE_GUARD_BITS = 2
# A table of so few codes is cheaper than a multiplier.
_PLAIN_TABLE_BITS = 8


def base_curves(
    layer: KanLayer, quantizer: ActivationQuantizer, bits: int
) -> tuple[Interpolation, float, float]:
    """Curves of the base activation of as few points as will do, their unit, and error in LSBs."""
    width = quantizer.format.width
    exact = layer.base_activation(quantizer.grid()).T
    top = float(np.abs(exact).max())
    unit = top / ((1 << (bits - 1)) - 1) if top > 0 else 1.0
    between = [] if width <= _PLAIN_TABLE_BITS else list(reversed(range(1, width)))
    for fraction_bits in between:
        curves = _curves(layer, quantizer, unit, fraction_bits)
        error = float(np.abs(curves.values[curves.index] - exact / unit).max())
        if error <= 0.5 + _CURVE_LSB:
            return curves, unit, error
    curves = _curves(layer, quantizer, unit, 0)
    return curves, unit, float(np.abs(curves.values[curves.index] - exact / unit).max())


def _curves(
    layer: KanLayer, quantizer: ActivationQuantizer, unit: float, fraction_bits: int
) -> Interpolation:
    guard = _CURVE_GUARD_BITS if fraction_bits else 0
    format = quantizer.format
    # The last point lies one step beyond the last code.
    codes = np.arange((format.count >> fraction_bits) + 1) << fraction_bits
    points = np.repeat((codes + format.lo)[:, None], len(quantizer.scale), axis=1)
    real = quantizer.dequantize(points)
    if quantizer.activation is not None:
        real = quantizer.activation(real)
    steps = layer.base_activation(real).T / unit * 2.0**guard
    tables, index = np.unique(round_half_up(steps).astype(np.int64), axis=0, return_inverse=True)
    return Interpolation(tables, index.ravel(), format.width, fraction_bits, guard)
