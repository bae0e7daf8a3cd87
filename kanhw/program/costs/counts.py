"""Counting what kinds of layers share: edge tables, tables times weights, joins."""

from __future__ import annotations

import numpy as np

from kanhw.formats import IntArray, format_for
from kanhw.program.costs.numbers import Numbers, depth_factor, numbers_of, sum_width, width_of
from kanhw.program.costs.tally import Join, Tally

__all__ = ["count_edge_tables", "count_joins", "count_products", "count_weighted"]


def count_edge_tables(tally: Tally, tables: list[IntArray]) -> None:
    """Edge tables, one or two for every edge: look up, add."""
    active = np.any([(branch != 0).any(axis=2) for branch in tables], axis=0)
    edges, most = int(active.sum()), int(active.sum(axis=1).max(initial=0))
    for branch in tables:
        width, depth = width_of(branch), branch.shape[2]
        tally.store(edges * depth * width, branch.size * width)
        tally.look_up(edges, width)
        total = sum_width(width, most)
        tally.add(edges, total)
        tally.unrolled_luts += edges * (width * depth_factor(depth) + total * (width > 0))
        tally.accumulators.append(total)


def count_products(
    tally: Tally, tables: tuple[Numbers, Numbers], weights: tuple[Numbers, Numbers]
) -> None:
    """Tables that outputs share, times weights: the basis and the base branch."""
    active = weights[0].active | weights[1].active
    edges, inputs = int(active.sum()), int(active.any(axis=0).sum())
    for table, weight in zip(tables, weights, strict=True):
        row = table.shape[2] if len(table.shape) > 2 else 1
        per_edge = weight.shape[2] if len(weight.shape) > 2 else 1
        depth = table.shape[1]
        tally.store(table.shape[0] * depth * row * table.width)
        dense = active.size * per_edge * weight.width
        tally.store(edges * per_edge * weight.width, dense)
        if not weight.nonzero:
            tally.accumulators.append(0)
            continue
        tally.look_up(inputs * row, table.width)
        tally.unrolled_luts += inputs * row * table.width * depth_factor(depth)
        count_weighted(tally, weight, table.width)


def count_weighted(tally: Tally, weights: Numbers, width: int) -> None:
    """Constants times values of ``width`` bits, added up into one accumulator."""
    tally.read(weights.nonzero, weights.width)
    tally.multiply(weights.nonzero, weights.width, width)
    total = sum_width(weights.width + width, weights.terms) if width else 0
    tally.add(weights.nonzero, total)
    tally.unrolled_luts += weights.digits * (weights.width + width) if width else 0
    tally.accumulators.append(total)


def count_joins(tally: Tally, joins: tuple[Join, ...]) -> None:
    """Joins: every accumulator times its multiplier, a bias, for every stream of codes."""
    for join in joins:
        n_out, widest = len(join.bias), 0
        for factors, width in zip(join.multipliers, tally.accumulators, strict=True):
            total = width
            if (factors != 1).any():
                numbers = numbers_of(factors)
                bits = format_for(int(factors.min()), int(factors.max())).width
                tally.store(len(_once(factors)) * bits, n_out * bits)
                tally.read(n_out, bits if width else 0)
                tally.multiply(n_out, bits, width)
                tally.unrolled_luts += numbers.digits * width
                total = width + bits if width else 0
            if total:
                # The first one is what the others are added to.
                tally.add(n_out if widest else 0, max(widest, total))
            widest = max(widest, total)
        if join.bias.any():
            bits = width_of(join.bias)
            tally.store(len(_once(join.bias)) * bits, n_out * bits)
            tally.read(n_out, bits)
            tally.add(n_out, max(widest, bits))
            tally.unrolled_luts += n_out * max(widest, bits)


def _once(values: IntArray) -> IntArray:
    return values[:1] if (values == values[0]).all() else values
