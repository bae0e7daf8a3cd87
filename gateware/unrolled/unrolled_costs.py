"""HardwareCosts that unrolled layers share: edge tables, weighted functions, joins.

Each layer core adds up those that its hardware incurs (its class method ``costs``). They are
estimates from sizes alone: tables that are shared, and bits that synthesis finds constant, are not
looked for.
"""

from __future__ import annotations

import numpy as np

from kanhw.formats import IntArray
from kanhw.gateware.parts.constant_digits import signed_digits
from kanhw.gateware.parts.costs import HardwareCosts, table_costs
from kanhw.program import ProgramLayer

__all__ = ["edge_table_costs", "join_costs", "weighted_costs"]


def edge_table_costs(tables: IntArray) -> HardwareCosts:
    """Costs of edge tables ``[n_out, n_in, 2**width]``: their bits, one more in every adder."""
    spans = np.ptp(tables, axis=2)
    # Zero bits that all entries of a table have in common cost nothing.
    common = np.bitwise_or.reduce(tables - tables.min(axis=2, keepdims=True), axis=2)
    zeros = np.where(common > 0, np.log2(np.maximum(common & -common, 1)), 0)
    bits = np.where(spans > 0, np.floor(np.log2(np.maximum(spans, 1))) + 1 - zeros, 0)
    edges = int((bits > 0).sum())
    adders = int(bits.sum()) + edges
    return table_costs(tables.shape[2].bit_length() - 1, int(bits.sum())) + HardwareCosts(
        adder_bits=adders - edges,
        passing_bits=edges,
        adders=edges,
        register_bits=int(bits.sum()) + adders,
    )


def weighted_costs(tables: IntArray, index: IntArray, weights: IntArray) -> HardwareCosts:
    """Costs of basis tables of every input and of their products with constants.

    Parameters
    ----------
    tables
        ``[tables, 2**width, K]``.
    index
        ``[n_in]``: which table an input has.
    weights
        ``[n_out, n_in, K]``.
    """
    # [tables, K]: bits of every function.
    lo, hi = np.minimum(tables.min(axis=1), 0), np.maximum(tables.max(axis=1), 0)
    widths = np.ceil(np.log2(hi - lo + 1))[index]
    used = (weights != 0).any(axis=0)
    table_bits = int((widths * used).sum())
    values, counts = np.unique(np.abs(weights), return_counts=True)
    digits = sum(
        len(signed_digits(int(v))) * int(c) for v, c in zip(values, counts, strict=True) if v
    )
    # A digit is an operand: a value, shifted, in a sum that has some bits more.
    wide = float(widths[used].mean()) if used.any() else 0.0
    adders = round(digits * (wide + np.log2(max(int(np.abs(weights).max(initial=1)), 1)) / 2 + 1))
    return table_costs(tables.shape[1].bit_length() - 1, table_bits) + HardwareCosts(
        adder_bits=adders - digits,
        passing_bits=digits,
        adders=digits,
        register_bits=table_bits + adders,
    )


def join_costs(layer: ProgramLayer) -> HardwareCosts:
    """Costs of a layer's requantizers: multipliers by constants, rounding, saturation."""
    total = HardwareCosts()
    for requantizer in layer.requantizers:
        sums = requantizer.sum_format
        width = sums.width if sums else 0
        digits = sum(
            max(len(signed_digits(int(m))), 1) for m in requantizer.multipliers.ravel() if m
        )
        outputs = requantizer.n_out
        extra = max(digits - outputs, 0)
        code = requantizer.format.width if requantizer.format else 0
        total += HardwareCosts(
            adder_bits=extra * (width * 2 // 3),
            # What rounding adds is a constant.
            passing_bits=width * outputs,
            adders=extra + outputs,
            table_luts=code * outputs,
            register_bits=(width + code) * outputs,
        )
    return total
