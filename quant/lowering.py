"""From a QuantModel to a Program: only integers cross."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kanhw.formats import IntArray
from kanhw.program import (
    BasisTableLayer,
    BranchEdgeTableLayer,
    CodebookLayer,
    ConvolutionLayer,
    EdgeTableLayer,
    InputEncoder,
    NormLayer,
    PoolingLayer,
    ProductLayer,
    Program,
    ProgramLayer,
    Requantizer,
    SplineEvaluatorLayer,
)
from kanhw.quant.record.basis_table import QuantBasisTable
from kanhw.quant.record.branch_edge_table import QuantBranchEdgeTable
from kanhw.quant.record.branches import TwoBranches
from kanhw.quant.record.codebook import QuantCodebook
from kanhw.quant.record.convolution import QuantConvolution
from kanhw.quant.record.edge_table import QuantEdgeTable
from kanhw.quant.record.join import Join
from kanhw.quant.record.model import QuantLayer, QuantModel
from kanhw.quant.record.norm import QuantNorm
from kanhw.quant.record.pooling import QuantPool
from kanhw.quant.record.product import QuantProducts
from kanhw.quant.record.spline_evaluator import QuantSplineEvaluator
from kanhw.records import record_of

__all__ = ["LOWERED", "lower"]

# What to do with what comes from another step of the way, by the name of its type.
_INSTEAD = {
    "KanModel": ": quantize it first, lower(quantize_model(model, x))",
    "Program": ": it is lowered already",
    "QuantizedNetwork": ": convert it first, lower(convert(network)), or kanhw.convert(network)",
}


def lower(model: QuantModel) -> Program:
    """The Program of a quantized model; equal to it, code by code (level 1).

    Raises
    ------
    TypeError
        If it is anything else.
    """
    if not isinstance(model, QuantModel):
        name = type(model).__name__
        raise TypeError(
            f"lower takes a QuantModel, from quantize_model or convert, not a {name}"
            + _INSTEAD.get(name, "")
        )
    own = model.input
    encoder = InputEncoder(own.format, model.n_in, own.scale, own.zero_point, own.lo, own.hi)
    return Program(tuple(_layer(layer) for layer in model.layers), encoder, source=model.source)


def _layer(layer: QuantLayer) -> ProgramLayer:
    make = record_of(LOWERED, layer.kind, "lowering of layers", "kanhw.quant.lowering.LOWERED")
    return make(layer)


def _joins(layer: QuantLayer) -> tuple[Requantizer, ...]:
    return tuple(_requantizer(join) for join in layer.joins)


def _branches(layer: TwoBranches) -> dict[str, Any]:
    """The fields that all layers have whose branches stay apart."""
    return {
        "requantizers": tuple(_requantizer(join) for join in layer.joins),
        "name": layer.name,
        "spline_stream": layer.spline_stream,
        "base_stream": layer.base_stream,
    }


def _edge_table(layer: QuantEdgeTable) -> EdgeTableLayer:
    return EdgeTableLayer(layer.tables, _joins(layer), name=layer.name, stream=layer.stream)


def _branch_edge_table(layer: QuantBranchEdgeTable) -> BranchEdgeTableLayer:
    return BranchEdgeTableLayer(layer.spline_tables, layer.base_tables, **_branches(layer))


def _basis_table(layer: QuantBasisTable) -> BasisTableLayer:
    basis, basis_index = _distinct(layer.basis_tables)
    base, base_index = _distinct(layer.base_tables[:, :, None])
    return BasisTableLayer(
        basis=basis,
        basis_index=basis_index,
        coefficients=layer.spline.codes,
        base=base,
        base_index=base_index,
        base_weights=layer.base.codes[:, :, None],
        **_branches(layer),
    )


def _codebook(layer: QuantCodebook) -> CodebookLayer:
    base, base_index = _distinct(layer.base_tables[:, :, None])
    offsets, offsets_index = None, None
    if layer.offsets is not None:
        offsets, offsets_index = _distinct(layer.offsets)
    return CodebookLayer(
        shapes=layer.shapes,
        index=layer.index,
        gains=layer.spline.codes,
        base=base,
        base_index=base_index,
        base_weights=layer.base.codes[:, :, None],
        biases=layer.biases,
        offsets=offsets,
        offsets_index=offsets_index,
        **_branches(layer),
    )


def _spline_evaluator(layer: QuantSplineEvaluator) -> SplineEvaluatorLayer:
    return SplineEvaluatorLayer(
        coefficients=layer.spline.codes,
        splines=layer.evaluator.splines,
        base=layer.evaluator.base,
        base_weights=layer.base.codes[:, :, None],
        errors=layer.evaluator.errors,
        note=layer.evaluator.note,
        **_branches(layer),
    )


def _convolution(layer: QuantConvolution) -> ConvolutionLayer:
    taps = _layer(layer.taps)
    if isinstance(taps, EdgeTableLayer | BasisTableLayer | CodebookLayer | SplineEvaluatorLayer):
        return ConvolutionLayer(taps, layer.window)
    raise TypeError(f"{layer.name}: a convolution holds one table layer, not a {taps.kind}")


def _norm(layer: QuantNorm) -> NormLayer:
    return NormLayer(
        layer.gamma,
        layer.epsilon,
        layer.fraction_bits,
        layer.width,
        _joins(layer),
        name=layer.name,
        passes=layer.passes,
    )


def _products(layer: QuantProducts) -> ProductLayer:
    source = layer.source.format
    return ProductLayer(
        layer.groups,
        len(layer.source.scale),
        source.width,
        source.lo,
        _joins(layer),
        layer.shifts,
        name=layer.name,
    )


def _pooling(layer: QuantPool) -> PoolingLayer:
    return PoolingLayer(layer.table, layer.mode, layer.window, _joins(layer), name=layer.name)


def _distinct(tables: IntArray) -> tuple[IntArray, IntArray]:
    """The different tables of ``[n_in, ...]``, and which of them every input uses."""
    distinct, index = np.unique(tables, axis=0, return_inverse=True)
    return distinct, index.ravel()


def _requantizer(join: Join) -> Requantizer:
    return Requantizer(
        multipliers=join.multipliers,
        bias=join.bias,
        shift=join.shift,
        format=join.target.format if join.target else None,
        scale=join.scale,
        zero_point=join.target.zero_point if join.target else None,
        lo=join.target.lo if join.target else None,
        hi=join.target.hi if join.target else None,
    )


# How a quantized layer of every kind becomes one of a Program. Layers with several heads are made
# of Programs (kanhw.program.join_heads), not of quantized layers.
LOWERED: dict[str, Callable[[Any], ProgramLayer]] = {
    "edge_table": _edge_table,
    "branch_edge_table": _branch_edge_table,
    "basis_table": _basis_table,
    "codebook": _codebook,
    "spline_evaluator": _spline_evaluator,
    "convolution": _convolution,
    "layer_norm": _norm,
    "product": _products,
    "pooling": _pooling,
}
