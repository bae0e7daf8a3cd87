"""Quantizing a layer normalisation, products and pooling."""

from __future__ import annotations

import math

import numpy as np

from kanhw.errors import InputError
from kanhw.numerics import power_of_two, whole_log2
from kanhw.quant.config import QuantConfig
from kanhw.quant.integers.joins import EXACT, snapped_join
from kanhw.quant.planning.steps import NormStep, PoolStep, ProductStep
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.quantizers.rounding import round_half_up
from kanhw.quant.record.join import Join
from kanhw.quant.record.norm import QuantNorm
from kanhw.quant.record.pooling import QuantPool
from kanhw.quant.record.product import QuantProducts

__all__ = ["quantize_norm", "quantize_pool", "quantize_products"]

# Significant bits of the reciprocal root at the largest variance; it has more at smaller ones.
_ROOT_BITS = 10
_MAX_FRACTION = 30
# Bits that a product keeps beyond those of its factors.
_PRODUCT_GUARD_BITS = 6


def quantize_norm(
    step: NormStep,
    source: ActivationQuantizer,
    targets: tuple[ActivationQuantizer, ...],
    passes: tuple[int, ...],
    config: QuantConfig,
) -> QuantNorm:
    """Integers of a normalisation.

    Parameters
    ----------
    step
        The float normalisation.
    source
        The quantizer of the codes that come in; one scale for all features.
    targets
        The quantizers of the normalised values; the first is met without a multiplier.
    passes
        Streams that go on.
    config
        Its ``multiplier_bits`` hold gamma.
    """
    norm, first = step.norm, targets[0]
    count, step_size = norm.n, float(source.scale[0])
    epsilon = math.floor(count * count * norm.epsilon / step_size**2 + 0.5)
    span = source.format.count - 1
    largest = (count // 2) * (count - count // 2) * span * span + epsilon
    fraction = min(_ROOT_BITS + ((max(largest, 2) - 1).bit_length() + 1) // 2, _MAX_FRACTION)
    gains = np.abs(norm.gamma / first.scale).max()
    top = (1 << (config.multiplier_bits - 1)) - 1
    gain_bits = min(int(whole_log2(top / gains)), 18) if gains > 0 else 0
    # A normalised value is at most sqrt(n), and sums must stay exact in float64.
    reach = (np.abs(norm.gamma) * math.sqrt(count) + np.abs(norm.beta)) / first.scale
    farthest = float((reach + np.abs(first.zero_point)).max())
    if farthest > 0:
        gain_bits = min(gain_bits, int(whole_log2(EXACT / farthest)) - fraction)
    shift = fraction + gain_bits
    if shift < 0:
        raise InputError(f"{step.name}: its gain is too large for its codes: use more bits")
    gamma = round_half_up(norm.gamma / first.scale * 2.0**gain_bits).astype(np.int64)
    beta = round_half_up(norm.beta / first.scale * 2.0**shift).astype(np.int64)
    bias = beta + (first.zero_point << shift)
    direct = Join(np.ones((1, count), np.int64), bias, shift, first, first.scale)
    bounds = np.abs(gamma) * 2.0**fraction * math.sqrt(count)
    units = first.scale / 2.0**shift
    others = [
        snapped_join(step.name, norm.beta, units[None], bounds[None], target, config)
        for target in targets[1:]
    ]
    return QuantNorm(
        step.name, gamma, epsilon, fraction, source.format.width, (direct, *others), passes
    )


def quantize_products(
    step: ProductStep,
    source: ActivationQuantizer,
    targets: tuple[ActivationQuantizer | None, ...],
    config: QuantConfig,
) -> QuantProducts:
    """Integers of products of codes; the node affine is in the join."""
    products = step.products
    arities = np.array([len(group) for group in products.groups])
    # Products keep some bits more than their factors: what is longer would only cost.
    width = source.format.width
    shifts = np.maximum((arities - 1) * (width - 1) - _PRODUCT_GUARD_BITS, 0)
    # A power for every arity: numpy's own is not the same on every machine.
    scales = np.array([math.prod([float(source.scale[0])] * n) for n in arities.tolist()])
    units = scales * power_of_two(shifts) * np.abs(products.scale)
    # A negative node scale is a negative multiplier.
    signs = np.where(products.scale < 0, -1, 1).astype(np.int64)
    largest = max(abs(source.format.lo), source.format.hi)
    powers = np.array([float(math.prod([largest] * n)) for n in arities.tolist()])
    bounds = powers / power_of_two(shifts) + 1
    joins = []
    for target in targets:
        join = snapped_join(
            step.name, products.bias, units[None], bounds[None], target, config
        )
        joins.append(
            Join(join.multipliers * signs, join.bias, join.shift, join.target, join.scale)
        )
    return QuantProducts(
        step.name, products.groups, tuple(shifts.tolist()), source, tuple(joins)
    )


def quantize_pool(
    step: PoolStep,
    source: ActivationQuantizer,
    targets: tuple[ActivationQuantizer | None, ...],
    config: QuantConfig,
) -> QuantPool:
    """Integers of pooling: a table of what a code stands for, and 1 / area in the join."""
    values = source.grid()[:, 0]
    bits = min(source.format.width + 2, 14)
    top = float(np.abs(values).max())
    unit = top / ((1 << (bits - 1)) - 1) if top > 0 else 1.0
    table = round_half_up(values / unit).astype(np.int64)
    window = step.layer.window
    average = step.layer.kind == "average"
    area = window.size[0] * window.size[1] if average else 1
    n_out = step.layer.n_out
    units = np.full((1, n_out), unit / area)
    bounds = np.full((1, n_out), float(np.abs(table).max()) * area)
    joins = tuple(
        snapped_join(step.name, np.zeros(n_out), units, bounds, target, config)
        for target in targets
    )
    return QuantPool(step.name, table, "sum" if average else "max", window, joins)
