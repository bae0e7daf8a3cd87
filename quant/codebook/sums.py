"""From a layer's share of a codebook to the integers of its sums."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from kanhw.formats import FloatArray
from kanhw.quant.config import QuantConfig
from kanhw.quant.integers.joins import snapped_join
from kanhw.quant.planning.steps import SumStep
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.quantizers.sum_inputs import SumInputs
from kanhw.quant.record.codebook import QuantCodebook
from kanhw.quant.record.convolution import QuantConvolution
from kanhw.quant.record.join import Join

if TYPE_CHECKING:
    from kanhw.quant.codebook.weights import CodebookWeights

__all__ = ["quantize_codebook"]


def quantize_codebook(
    step: SumStep,
    inputs: SumInputs,
    targets: tuple[ActivationQuantizer | None, ...],
    config: QuantConfig,
    weights: CodebookWeights,
) -> QuantCodebook | QuantConvolution:
    """Integers of one layer, a convolution's window included.

    Parameters
    ----------
    step
        The float layer.
    inputs
        The quantizers that it reads.
    targets
        The quantizers of what it makes; None for a network's outputs.
    config
        Bits of multipliers.
    weights
        What its edges became.
    """
    if step.window is not None:
        # The quantizer of an image is the same at every position.
        targets = tuple(t.cut_to(step.layer.n_sums) if t else None for t in targets)
    joins = tuple(_join(step, weights, target, config) for target in targets)
    taps = QuantCodebook(
        name=step.name,
        base=weights.base,
        spline=weights.gains,
        joins=joins,
        base_stream=len(inputs.quantizers) - 1,
        shapes=weights.shapes,
        index=weights.index,
        base_tables=weights.base_codes,
        biases=weights.biases,
        offsets=weights.offsets,
        edges=step.layer.active_edges,
        weights_per_edge=step.layer.basis.count + bool(step.layer.base_weights.any()),
    )
    return taps if step.window is None else QuantConvolution(taps, step.window)


def _join(
    step: SumStep,
    weights: CodebookWeights,
    target: ActivationQuantizer | None,
    config: QuantConfig,
) -> Join:
    units = np.stack([weights.gains.scale, weights.base.scale * weights.base_unit])
    bounds = np.stack(_bounds(weights))
    bias = step.layer.bias + weights.folded
    join = snapped_join(step.name, bias, units, bounds, target, config)
    if bounds[1].any():
        return join
    # No base branch is left: a multiplier of 1 for its sum of 0 is no multiplier.
    multipliers = join.multipliers.copy()
    multipliers[1] = 1
    return replace(join, multipliers=multipliers)


def _bounds(weights: CodebookWeights) -> tuple[FloatArray, FloatArray]:
    """``[n_out]`` of both branches: what no sum's magnitude exceeds."""
    peaks = np.abs(weights.shapes).max(axis=1).astype(np.float64)
    spline: FloatArray = (np.abs(weights.gains.codes) * peaks[weights.index]).sum(axis=1)
    if weights.biases is not None and weights.offsets is not None:
        spline = spline + np.abs(weights.biases) @ np.abs(weights.offsets).max(axis=1)
    base = np.abs(weights.base.codes) @ np.abs(weights.base_codes).max(axis=1)
    return spline, base.astype(np.float64)
