"""A record of costs for every kind of layer, and what a whole Program costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np

from kanhw.errors import InputError
from kanhw.program.costs.counts import (
    count_edge_tables,
    count_joins,
    count_products,
    count_weighted,
)
from kanhw.program.costs.network_costs import NetworkCosts
from kanhw.program.costs.numbers import depth_factor, numbers_of, sum_width, width_of
from kanhw.program.costs.tally import Tally
from kanhw.program.kinds.basis_table import BasisTableLayer
from kanhw.program.kinds.branch_edge_table import BranchEdgeTableLayer
from kanhw.program.kinds.codebook import CodebookLayer
from kanhw.program.kinds.convolution import ConvolutionLayer
from kanhw.program.kinds.edge_table import EdgeTableLayer
from kanhw.program.kinds.layer import ProgramLayer
from kanhw.program.kinds.norm import NormLayer
from kanhw.program.kinds.pooling import PoolingLayer
from kanhw.program.kinds.product import ProductLayer
from kanhw.program.kinds.resident import ResidentLayer
from kanhw.program.kinds.spline_evaluator import SplineEvaluatorLayer
from kanhw.program.program import Program

__all__ = ["LAYER_COSTS", "costs_by_layer", "costs_of", "counted"]


def costs_of(program: Program) -> NetworkCosts:
    """Costs of a Program: all of its layers together, and the conversion of its inputs.

    Raises
    ------
    InputError
        If nothing says what layers of some kind cost.
    """
    return sum(costs_by_layer(program), start=_input_costs(program))


def costs_by_layer(program: Program) -> tuple[NetworkCosts, ...]:
    """Costs of every layer of a Program, in order; raises as :func:`costs_of` does."""
    return tuple(_record(layer)(layer) for layer in program.layers)


def _input_costs(program: Program) -> NetworkCosts:
    """A product and a sum for every feature, where what comes in is converted."""
    conversion = program.conversion
    if conversion is None:
        return NetworkCosts()
    tally = Tally()
    factors, bias = numbers_of(conversion.multipliers), numbers_of(conversion.bias)
    sums = conversion.sums(program.input).format.width
    code = program.input.format.width
    for own in (factors, bias):
        tally.store(program.n_in * own.width)
        tally.read(program.n_in, own.width)
    tally.multiply(program.n_in, code, factors.width)
    tally.add(program.n_in, sums)
    # A row of adders for every digit of a constant, and the choice of either end.
    tally.unrolled_luts += factors.digits * code + program.n_in * 2 * program.grid.format.width
    return tally.costs()


def _record(layer: ProgramLayer) -> Callable[[Any], NetworkCosts]:
    record = LAYER_COSTS.get(layer.kind)
    if record is None:
        raise InputError(
            f"There are no costs of layers of kind {layer.kind!r}: add a function from layer to "
            "NetworkCosts to kanhw.program.costs.LAYER_COSTS"
        )
    return record


def _edge_table(tally: Tally, layer: EdgeTableLayer) -> None:
    count_edge_tables(tally, [layer.tables])


def _branch_edge_table(tally: Tally, layer: BranchEdgeTableLayer) -> None:
    count_edge_tables(tally, [layer.spline_tables, layer.base_tables])


def _basis_table(tally: Tally, layer: BasisTableLayer) -> None:
    tables = (numbers_of(layer.basis), numbers_of(layer.base))
    count_products(tally, tables, (numbers_of(layer.coefficients), numbers_of(layer.base_weights)))


def _evaluated(tally: Tally, layer: SplineEvaluatorLayer) -> None:
    """Splines by powers of the place or from a half table, a curve, and their weights."""
    splines, curves = layer.splines, layer.base
    active = layer.active
    edges, inputs = int(active.sum()), int(active.any(axis=0).sum())
    weights = numbers_of(layer.coefficients), numbers_of(layer.base_weights)
    values = width_of(splines.pieces), width_of(curves.values)
    for own in weights:
        row = own.shape[2] * own.width
        tally.store(edges * row, active.size * row)
    tally.store(curves.tables.size * width_of(curves.tables))
    place, power = splines.fraction_bits, max(splines.scale.bit_length(), 1)
    if not splines.aligned:
        tally.multiply(inputs, splines.width, width_of(splines.multipliers))
        tally.unrolled_luts += inputs * splines.width * width_of(splines.multipliers) / 2
    if splines.table is None:
        tally.multiply(inputs * (splines.order - 1), power, place)
        tally.add(inputs * splines.order * (splines.order + 1), power)
        tally.unrolled_luts += inputs * power * (splines.order - 1) * (place + splines.order + 1)
    else:
        width = width_of(splines.table)
        tally.store(splines.table.size * width)
        tally.look_up(inputs * (splines.order + 1), width)
        entries = inputs * (splines.order + 1) * width
        tally.unrolled_luts += entries * depth_factor(len(splines.table) - 1)
    between, points = curves.fraction_bits, width_of(curves.tables)
    tally.look_up(inputs, points)
    if between:
        tally.multiply(inputs, points, between)
    tally.unrolled_luts += inputs * points * (depth_factor(curves.tables.shape[1] - 1) + between)
    for own, width in zip(weights, values, strict=True):
        if own.nonzero:
            count_weighted(tally, own, width)
        else:
            tally.accumulators.append(0)


def _codebook(tally: Tally, layer: CodebookLayer) -> None:
    """Shapes that edges share, times gains; offsets and the base branch."""
    active = layer.active
    edges, inputs = int(active.sum()), int(active.any(axis=0).sum())
    shapes, gains = numbers_of(layer.shapes), numbers_of(layer.gains)
    tally.store(layer.shapes.size * shapes.width)
    index = width_of(layer.index)
    for width in (index, gains.width):
        tally.store(edges * width, active.size * width)
    tally.read(edges, index)
    tally.look_up(gains.nonzero, shapes.width)
    # Unrolled, a shape that an input uses is looked up once, and edges share it.
    shared = 0
    for i in range(layer.n_in):
        shared += len(np.unique(layer.index[active[:, i], i]))
    tally.unrolled_luts += shared * shapes.width * depth_factor(layer.shapes.shape[1])
    count_weighted(tally, gains, shapes.width)
    if layer.biases is not None and layer.offsets is not None:
        biases, offsets = numbers_of(layer.biases), numbers_of(layer.offsets)
        tally.store(edges * biases.width, active.size * biases.width)
        tally.store(layer.offsets.size * offsets.width)
        tally.look_up(inputs, offsets.width)
        tally.unrolled_luts += inputs * offsets.width * depth_factor(layer.offsets.shape[1])
        count_weighted(tally, biases, offsets.width)
        # Both go into the spline branch's accumulator.
        last, first = tally.accumulators.pop(), tally.accumulators.pop()
        tally.accumulators.append(max(first, last) + 1)
    base, weights = numbers_of(layer.base), numbers_of(layer.base_weights)
    tally.store(layer.base.size * base.width)
    tally.store(edges * weights.width, active.size * weights.width)
    if weights.nonzero:
        tally.look_up(inputs, base.width)
        tally.unrolled_luts += inputs * base.width * depth_factor(layer.base.shape[1])
    count_weighted(tally, weights, base.width)


def _norm(tally: Tally, layer: NormLayer) -> None:
    """Squares, differences from the mean times the reciprocal root, times gamma.

    The root and the division are no multiplications and are not counted; LUTs are for one value a
    clock.
    """
    count, gamma = layer.n_in, numbers_of(layer.gamma)
    centred = sum_width(layer.width, count) + 1
    normalised = layer.normalised_bound.bit_length() + 1
    tally.store(gamma.shape[0] * gamma.width)
    tally.read(count, gamma.width)
    for first, second in (
        (layer.width, layer.width),
        (centred, layer.fraction_bits),
        (gamma.width, normalised),
    ):
        tally.multiply(count, first, second)
        tally.unrolled_luts += first * second
    tally.add(count, sum_width(layer.width, count))
    tally.add(count, sum_width(2 * layer.width, count))
    tally.add(count, centred)
    tally.unrolled_luts += layer.variance_bound.bit_length() * 2 + layer.fraction_bits * 4
    tally.accumulators.append(gamma.width + normalised)


def _product(tally: Tally, layer: ProductLayer) -> None:
    """Products of codes, one after the other."""
    shifts = layer.shifts or (0,) * len(layer.groups)
    widest = 0
    for group, shift in zip(layer.groups, shifts, strict=True):
        width = layer.width
        for _ in group[1:]:
            tally.multiply(1, width, layer.width)
            tally.unrolled_luts += width * layer.width
            width += layer.width
        widest = max(widest, width - shift)
    tally.accumulators.append(widest)


def _pool(tally: Tally, layer: PoolingLayer) -> None:
    """A value for every code, then sums or comparisons."""
    width, depth = width_of(layer.table), layer.table.shape[0]
    tally.store(depth * width)
    reads = layer.n_out * layer.area
    tally.look_up(reads, width)
    total = sum_width(width, layer.area) if layer.mode == "sum" else width
    # Comparing is subtracting.
    tally.add(reads, total)
    tally.unrolled_luts += layer.window.shape[0] * (width * depth_factor(depth) + total)
    tally.accumulators.append(total)


def _convolution(layer: ConvolutionLayer) -> NetworkCosts:
    """Stored once, used for every window of an image."""
    own, windows = _record(layer.taps)(layer.taps), layer.window.positions
    return replace(
        own,
        multiplications=own.multiplications * windows,
        bit_operations=own.bit_operations * windows,
        additions=own.additions * windows,
        look_ups=own.look_ups * windows,
        operation_energy_45nm_pj=own.operation_energy_45nm_pj * windows,
    )


def _resident(layer: ResidentLayer) -> NetworkCosts:
    """All heads are stored, their shapes once; an inference is that of the head with most work.

    LUTs are those of all heads side by side, for resident layers themselves are always folded.
    """
    heads = [_record(head)(head) for head in map(layer.head, range(len(layer.heads)))]
    shared = (len(heads) - 1) * layer.shapes.size * width_of(layer.shapes)
    most = {f.name: max(getattr(head, f.name) for head in heads) for f in fields(NetworkCosts)}
    return replace(
        NetworkCosts(**most),
        parameter_bits=sum(head.parameter_bits for head in heads) - shared,
        memory_bits=sum(head.memory_bits for head in heads) - shared,
        unrolled_luts=sum(head.unrolled_luts for head in heads),
    )


def counted(count: Callable[[Tally, Any], None]) -> Callable[[Any], NetworkCosts]:
    """The record of a kind: the costs of what is counted, and of the joins behind it.

    Parameters
    ----------
    count
        Puts what a layer of the kind stores and does into a :class:`Tally`.
    """

    def costs(layer: ProgramLayer) -> NetworkCosts:
        tally = Tally()
        count(tally, layer)
        count_joins(tally, layer.requantizers)
        return tally.costs()

    return costs


# What a layer of every kind costs.
LAYER_COSTS: dict[str, Callable[[Any], NetworkCosts]] = {
    "edge_table": counted(_edge_table),
    "branch_edge_table": counted(_branch_edge_table),
    "basis_table": counted(_basis_table),
    "codebook": counted(_codebook),
    "spline_evaluator": counted(_evaluated),
    "layer_norm": counted(_norm),
    "product": counted(_product),
    "pooling": counted(_pool),
    "convolution": _convolution,
    "resident": _resident,
}
