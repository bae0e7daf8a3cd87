"""Quantizing the sums of a KAN layer: edge tables, or basis tables and weights."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kanhw.formats import IntArray
from kanhw.layer import KanLayer
from kanhw.quant.config import QuantConfig
from kanhw.quant.joins import direct_join, highest_shift, output_unit, snapped_join
from kanhw.quant.model import (
    Join,
    QuantBasisTable,
    QuantBranchEdgeTable,
    QuantConvolution,
    QuantEdgeTable,
    QuantLayer,
)
from kanhw.quant.quantizer import ActivationQuantizer, WeightQuantizer, quantize_weights
from kanhw.quant.rounding import round_half_up
from kanhw.quant.steps import SumStep
from kanhw.quant.tables import base_tables, basis_tables, finite_base_edges

__all__ = ["SumInputs", "quantize_sums"]

FloatArray = npt.NDArray[np.float64]
Targets = tuple[ActivationQuantizer | None, ...]


@dataclass(frozen=True)
class SumInputs:
    """The quantizers in front of a layer: one for both branches, or the spline's and the base's."""

    quantizers: tuple[ActivationQuantizer, ...]
    realisation: str

    @property
    def spline(self) -> ActivationQuantizer:
        """In front of the basis."""
        return self.quantizers[0]

    @property
    def base(self) -> ActivationQuantizer:
        """In front of the base activation."""
        return self.quantizers[-1]


def quantize_sums(
    step: SumStep, inputs: SumInputs, targets: Targets, config: QuantConfig
) -> QuantLayer:
    """Integers of one layer for its realisation, a convolution's window included."""
    layer = replace(step.layer, spline_norm=None)
    base = quantize_weights(layer.base_weights, config.base_bits, config)
    build = _edge_table if inputs.realisation == "edge_table" else _basis_table
    if step.window is not None:
        # The quantizer of an image is the same at every position.
        targets = tuple(t.cut_to(layer.n_sums) if t else None for t in targets)
    taps = build(layer, base, inputs, targets, config)
    if step.window is None:
        return taps
    if isinstance(taps, QuantBranchEdgeTable):  # pragma: no cover - windows have one code
        raise TypeError("A convolution reads one code")
    return QuantConvolution(taps, step.window)


def _edge_table(
    layer: KanLayer,
    base: WeightQuantizer,
    inputs: SumInputs,
    targets: Targets,
    config: QuantConfig,
) -> QuantEdgeTable | QuantBranchEdgeTable:
    spline = quantize_weights(layer.coefficients, config.spline_bits, config)
    rounded = replace(layer, coefficients=spline.dequantize(), base_weights=base.dequantize())
    spline_edges = rounded.spline_edges(inputs.spline.grid())
    base_edges = finite_base_edges(rounded, inputs.base.grid())
    branches = [spline_edges, base_edges]
    if len(inputs.quantizers) == 1:
        branches = [spline_edges + base_edges]
    unit, shift = _table_unit(layer, branches, targets[0], config)
    tables = [round_half_up(edges / unit[:, None, None]).astype(np.int64) for edges in branches]
    joins = _table_joins(layer, unit, shift, tables, targets, config)
    if len(tables) == 1:
        return QuantEdgeTable(layer.name, base, spline, tables[0], joins)
    return QuantBranchEdgeTable(
        layer.name, base, spline, tables[0], tables[1], joins, base_stream=1
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
    others = [
        snapped_join(layer.name, layer.bias, units, bounds, target, config)
        for target in targets[1:]
    ]
    return (first, *others)


def _table_unit(
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
        bits = config.table_bits or config.activation_bits + 3
        return np.full(len(spans), output_unit(spans, reach, bits)), 0
    bits = config.table_bits or target.format.width + 3
    # Steps of tables and codes differ by a power of two, so that rounding is a shift.
    shift = highest_shift(layer.name, (1 << bits) - 1, spans, reach, target)
    return target.scale / 2.0**shift, shift


def _basis_table(
    layer: KanLayer,
    base: WeightQuantizer,
    inputs: SumInputs,
    targets: Targets,
    config: QuantConfig,
) -> QuantBasisTable:
    bases = basis_tables(layer, inputs.spline, config.basis_bits)
    spline = quantize_weights(bases.coefficients, config.spline_bits, config)
    base_values, base_unit = base_tables(layer, inputs.base, config.base_table_bits)
    units = np.stack([spline.scale * bases.unit, base.scale * base_unit])
    bounds = np.stack(
        [
            np.abs(spline.codes).max(axis=2) @ np.abs(bases.tables).sum(axis=2).max(axis=1),
            np.abs(base.codes) @ np.abs(base_values).max(axis=1),
        ]
    ).astype(np.float64)
    return QuantBasisTable(
        layer.name,
        base,
        spline,
        bases.tables,
        base_values,
        tuple(
            snapped_join(layer.name, layer.bias, units, bounds, target, config)
            for target in targets
        ),
        spline_stream=0,
        base_stream=len(inputs.quantizers) - 1,
    )
