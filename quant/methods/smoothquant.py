"""SmoothQuant: the range of features moves into the weights, as far as it helps those."""

from __future__ import annotations

import numpy as np

from kanhw.formats import FloatArray
from kanhw.numerics import positive_power
from kanhw.quant.integers.weights import nearest_weights
from kanhw.quant.methods.scaling import Features, LayerTask
from kanhw.quant.methods.unreached import copy_neighbours
from kanhw.quant.realise import RoundedLayer

__all__ = ["smooth_scales", "smoothquant_weights"]

# How much of the range moves: a of ``max|f|^a / max|w|^(1 - a)``.
_STRENGTH = 0.5


def smoothquant_weights(task: LayerTask) -> RoundedLayer:
    """Round the weights of scaled features to the nearest codes."""
    problem = task.scaled(smooth_scales(task))
    weights = nearest_weights(problem.branches, task.config)
    return RoundedLayer(problem.branches, copy_neighbours(problem, weights, task.config))


def smooth_scales(task: LayerTask) -> Features:
    """``max|f|^a / max|w|^(1 - a)`` for every feature f and its weights w."""
    features, weights = task.peaks(), task.weight_peaks()
    return task.made(
        _balance(features.spline, weights.spline), _balance(features.base, weights.base)
    )


def _balance(features: FloatArray, weights: FloatArray) -> FloatArray:
    both = (features > 0) & (weights > 0)
    scales = np.zeros_like(features)
    grown = positive_power(features[both], _STRENGTH)
    scales[both] = grown / positive_power(weights[both], 1 - _STRENGTH)
    return scales
