"""Quantizing the sums of a KAN layer: edge tables, or basis tables and weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from kanhw.formats import FloatArray, IntArray
from kanhw.model.layer import KanLayer
from kanhw.quant.config import QuantConfig
from kanhw.quant.integers.branches import Branches
from kanhw.quant.integers.joins import direct_join, highest_shift, output_units, snapped_joins
from kanhw.quant.integers.spline_evaluator import evaluator_sums
from kanhw.quant.integers.tables import finite_base_edges
from kanhw.quant.integers.weights import RoundedWeights
from kanhw.quant.planning.steps import SumStep
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.quantizers.rounding import round_half_up
from kanhw.quant.quantizers.sum_inputs import SumInputs
from kanhw.quant.record.basis_table import QuantBasisTable
from kanhw.quant.record.branch_edge_table import QuantBranchEdgeTable
from kanhw.quant.record.convolution import QuantConvolution
from kanhw.quant.record.edge_table import QuantEdgeTable
from kanhw.quant.record.join import Join
from kanhw.quant.record.model import QuantLayer
from kanhw.quant.record.spline_evaluator import QuantSplineEvaluator

__all__ = ["quantize_sums", "table_unit"]

Targets = tuple[ActivationQuantizer | None, ...]
_Taps = QuantEdgeTable | QuantBranchEdgeTable | QuantBasisTable | QuantSplineEvaluator


def quantize_sums(
    step: SumStep,
    inputs: SumInputs,
    targets: Targets,
    config: QuantConfig,
    branches: Branches,
    weights: RoundedWeights,
) -> QuantLayer:
    """Integers of one layer for its realisation, a convolution's window included.

    Parameters
    ----------
    step
        The float layer.
    inputs
        The quantizers that it reads, and its realisation.
    targets
        The quantizers of what it makes; None for a network's outputs.
    config
        Bits of tables and multipliers.
    branches, weights
        Its functions at every code, and the integers that its weights became.
    """
    layer = replace(step.layer, spline_norm=None)
    build = _BUILDERS[inputs.realisation]
    if step.window is not None:
        # The quantizer of an image is the same at every position.
        targets = tuple(t.cut_to(layer.n_sums) if t else None for t in targets)
    taps = build(layer, inputs, targets, config, branches, weights)
    if step.window is None:
        return taps
    if isinstance(taps, QuantBranchEdgeTable):  # pragma: no cover - windows have one code
        raise TypeError("A convolution reads one code")
    return QuantConvolution(taps, step.window)


def _edge_table(
    layer: KanLayer,
    inputs: SumInputs,
    targets: Targets,
    config: QuantConfig,
    branches: Branches,
    weights: RoundedWeights,
) -> QuantEdgeTable | QuantBranchEdgeTable:
    spline, base = weights.spline, weights.base
    rounded = replace(
        layer,
        coefficients=spline.dequantize() / branches.spline_scale,
        base_weights=base.dequantize() / branches.base_scale,
    )
    spline_edges = rounded.spline_edges(inputs.spline.grid())
    base_edges = finite_base_edges(rounded, inputs.base.grid())
    edges = [spline_edges, base_edges]
    if len(inputs.quantizers) == 1:
        edges = [spline_edges + base_edges]
    unit, shift = table_unit(layer, edges, targets[0], config)
    tables = [round_half_up(e / unit[:, None, None]).astype(np.int64) for e in edges]
    joins = _table_joins(layer, unit, shift, tables, targets, config)
    if len(tables) == 1:
        return QuantEdgeTable(layer.name, base, spline, tables[0], joins)
    return QuantBranchEdgeTable(
        name=layer.name,
        base=base,
        spline=spline,
        joins=joins,
        base_stream=1,
        spline_tables=tables[0],
        base_tables=tables[1],
    )


def _table_joins(
    layer: KanLayer,
    unit: FloatArray,
    shift: int,
    tables: list[IntArray],
    targets: Targets,
    config: QuantConfig,
) -> tuple[Join, ...]:
    bounds = np.stack([np.abs(t).max(axis=2).sum(axis=1, dtype=np.float64) for t in tables])
    first = direct_join(layer.bias, unit, shift, targets[0], len(tables))
    units = np.stack([unit] * len(tables))
    others = snapped_joins(layer.name, layer.bias, units, bounds, targets[1:], config)
    return (first, *others)


def table_unit(
    layer: KanLayer,
    branches: list[FloatArray],
    target: ActivationQuantizer | None,
    config: QuantConfig,
) -> tuple[FloatArray, int]:
    """Real units of a table step for every output, and the bits between it and a code step.

    Those bits are fewer than 0 where tables are coarser than the codes they add up to.
    """
    spans = np.max([np.ptp(edges, axis=2).max(axis=1) for edges in branches], axis=0)
    reach = np.abs(layer.bias)
    for edges in branches:
        reach = reach + np.abs(edges).max(axis=2).sum(axis=1)
    if target is None:
        bits = config.table_bits or config.widest_activation + 3
        ranges = np.sum([np.ptp(edges, axis=2).sum(axis=1) for edges in branches], axis=0)
        return output_units(spans, (1 << bits) - 1, ranges, reach, config), 0
    bits = config.table_bits or target.format.width + 3
    # Steps of tables and codes differ by a power of two, so that rounding is a shift.
    shift = highest_shift(layer.name, (1 << bits) - 1, spans, reach, target)
    return target.scale / 2.0**shift, shift


def _basis_table(
    layer: KanLayer,
    inputs: SumInputs,
    targets: Targets,
    config: QuantConfig,
    branches: Branches,
    weights: RoundedWeights,
) -> QuantBasisTable:
    spline, base = weights.spline, weights.base
    if branches.spline_codes is None or branches.base_codes is None:  # pragma: no cover
        raise TypeError("Basis tables need integer functions")
    units = np.stack([spline.scale * branches.spline_unit, base.scale * branches.base_unit])
    bounds = np.stack(
        [
            np.abs(spline.codes).max(axis=2)
            @ np.abs(branches.spline_codes).sum(axis=2).max(axis=1),
            np.abs(base.codes) @ np.abs(branches.base_codes).max(axis=1),
        ]
    ).astype(np.float64)
    return QuantBasisTable(
        name=layer.name,
        base=base,
        spline=spline,
        joins=snapped_joins(layer.name, layer.bias, units, bounds, targets, config),
        base_stream=len(inputs.quantizers) - 1,
        basis_tables=branches.spline_codes,
        base_tables=branches.base_codes,
    )


_BUILDERS: dict[str, Callable[..., _Taps]] = {
    "edge_table": _edge_table,
    "basis_table": _basis_table,
    "spline_evaluator": evaluator_sums,
}
