"""Quantizing the sums of a layer whose splines are evaluated."""

from __future__ import annotations

import numpy as np

from kanhw.model.layer import KanLayer
from kanhw.quant.config import QuantConfig
from kanhw.quant.integers.branches import Branches
from kanhw.quant.integers.joins import snapped_joins
from kanhw.quant.integers.weights import RoundedWeights
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.quantizers.sum_inputs import SumInputs
from kanhw.quant.record.spline_evaluator import QuantSplineEvaluator

__all__ = ["evaluator_sums"]


def evaluator_sums(
    layer: KanLayer,
    inputs: SumInputs,
    targets: tuple[ActivationQuantizer | None, ...],
    config: QuantConfig,
    branches: Branches,
    weights: RoundedWeights,
) -> QuantSplineEvaluator:
    """Integers of one layer; arguments as for :func:`kanhw.quant.integers.sums.quantize_sums`."""
    spline, base, evaluator = weights.spline, weights.base, branches.evaluator
    if evaluator is None:  # pragma: no cover - such branches always have one
        raise TypeError("These functions are not evaluated")
    units = np.stack([spline.scale * branches.spline_unit, base.scale * branches.base_unit])
    live = int(evaluator.splines.pieces.sum(axis=1).max())
    peaks = np.abs(evaluator.base.values).max(axis=1)[evaluator.base.index]
    bounds = np.stack(
        [
            np.abs(spline.codes).max(axis=2).sum(axis=1) * live,
            np.abs(base.codes) @ peaks,
        ]
    ).astype(np.float64)
    return QuantSplineEvaluator(
        name=layer.name,
        base=base,
        spline=spline,
        joins=snapped_joins(layer.name, layer.bias, units, bounds, targets, config),
        base_stream=len(inputs.quantizers) - 1,
        evaluator=evaluator,
    )
