"""From a QuantModel to a Program: only integers cross."""

from __future__ import annotations

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
from kanhw.quant.record.codebook_layer import QuantCodebook
from kanhw.quant.record.evaluator_layer import QuantSplineEvaluator
from kanhw.quant.record.model import (
    Join,
    QuantBasisTable,
    QuantBranchEdgeTable,
    QuantConvolution,
    QuantEdgeTable,
    QuantLayer,
    QuantModel,
    QuantNorm,
    QuantProducts,
)

__all__ = ["lower"]


def lower(model: QuantModel) -> Program:
    """The Program of a quantized model; equal to it, code by code (level 1)."""
    own = model.input
    encoder = InputEncoder(own.format, model.n_in, own.scale, own.zero_point, own.lo, own.hi)
    return Program(tuple(_layer(layer) for layer in model.layers), encoder, source=model.source)


def _layer(layer: QuantLayer) -> ProgramLayer:
    if isinstance(layer, QuantConvolution):
        return ConvolutionLayer(_tables(layer.taps), layer.window)
    requantizers = tuple(_requantizer(join) for join in layer.joins)
    if isinstance(layer, QuantEdgeTable | QuantBasisTable | QuantCodebook | QuantSplineEvaluator):
        return _tables(layer)
    if isinstance(layer, QuantBranchEdgeTable):
        return BranchEdgeTableLayer(
            layer.spline_tables,
            layer.base_tables,
            requantizers,
            name=layer.name,
            spline_stream=layer.spline_stream,
            base_stream=layer.base_stream,
        )
    if isinstance(layer, QuantNorm):
        return NormLayer(
            layer.gamma,
            layer.epsilon,
            layer.fraction_bits,
            layer.width,
            requantizers,
            name=layer.name,
            passes=layer.passes,
        )
    if isinstance(layer, QuantProducts):
        source = layer.source.format
        return ProductLayer(
            layer.groups,
            len(layer.source.scale),
            source.width,
            source.lo,
            requantizers,
            layer.shifts,
            name=layer.name,
        )
    return PoolingLayer(layer.table, layer.mode, layer.window, requantizers, name=layer.name)


def _tables(
    layer: QuantEdgeTable | QuantBasisTable | QuantCodebook | QuantSplineEvaluator,
) -> EdgeTableLayer | BasisTableLayer | CodebookLayer | SplineEvaluatorLayer:
    requantizers = tuple(_requantizer(join) for join in layer.joins)
    if isinstance(layer, QuantEdgeTable):
        return EdgeTableLayer(layer.tables, requantizers, name=layer.name, stream=layer.stream)
    if isinstance(layer, QuantSplineEvaluator):
        return SplineEvaluatorLayer(
            coefficients=layer.spline.codes,
            splines=layer.evaluator.splines,
            base=layer.evaluator.base,
            base_weights=layer.base.codes[:, :, None],
            requantizers=requantizers,
            name=layer.name,
            spline_stream=layer.spline_stream,
            base_stream=layer.base_stream,
            errors=layer.evaluator.errors,
            note=layer.evaluator.note,
        )
    base, base_index = _distinct(layer.base_tables[:, :, None])
    if isinstance(layer, QuantCodebook):
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
            requantizers=requantizers,
            biases=layer.biases,
            offsets=offsets,
            offsets_index=offsets_index,
            name=layer.name,
            spline_stream=layer.spline_stream,
            base_stream=layer.base_stream,
        )
    basis, basis_index = _distinct(layer.basis_tables)
    return BasisTableLayer(
        basis=basis,
        basis_index=basis_index,
        coefficients=layer.spline.codes,
        base=base,
        base_index=base_index,
        base_weights=layer.base.codes[:, :, None],
        requantizers=requantizers,
        name=layer.name,
        spline_stream=layer.spline_stream,
        base_stream=layer.base_stream,
    )


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
