"""AWQ: weights of features that are large on the data are kept more precisely than others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from kanhw.formats import FloatArray
from kanhw.numerics import positive_power
from kanhw.quant.integers.weights import RoundedWeights, nearest_weights
from kanhw.quant.methods.problem import RoundingProblem, layer_error, layer_errors
from kanhw.quant.methods.scaling import Features, LayerTask
from kanhw.quant.methods.unreached import copy_neighbours
from kanhw.quant.quantizers.quantizer import WeightQuantizer, nearest_codes
from kanhw.quant.realise import RoundedLayer

__all__ = ["awq_scales", "awq_weights", "clipped"]

# Exponents of the mean magnitude that are tried, and shares of the largest weight.
_EXPONENTS = np.arange(20) / 20
_SHARES = np.linspace(1.0, 0.5, 20)


def awq_weights(task: LayerTask) -> RoundedLayer:
    """Scale features by their mean magnitude, then clip weights, each as the output error says."""
    right = task.right_sums()
    problem = task.scaled(awq_scales(task, right))
    weights = clipped(problem, task, right)
    return RoundedLayer(problem.branches, copy_neighbours(problem, weights, task.config))


def awq_scales(task: LayerTask, right: FloatArray) -> Features:
    """The scales ``mean|f|^r`` with the least error of the sums, first of the spline branch.

    Parameters
    ----------
    task
        The layer.
    right
        ``[M, n_out]``: what its sums should be.
    """
    means, ones = task.means(), task.ones()

    def spline(exponent: float) -> Features:
        return replace(ones, spline=task.made(_power(means.spline, exponent), means.base).spline)

    chosen = _least_error(task, right, spline)

    def base(exponent: float) -> Features:
        return replace(chosen, base=task.made(means.spline, _power(means.base, exponent)).base)

    return _least_error(task, right, base)


def _least_error(
    task: LayerTask, right: FloatArray, scales: Callable[[float], Features]
) -> Features:
    best: tuple[float, Features] | None = None
    for exponent in _EXPONENTS:
        tried = scales(float(exponent))
        problem = task.scaled(tried)
        weights = nearest_weights(problem.branches, task.config)
        error = float(layer_error(problem, weights, right).sum())
        if best is None or error < best[0]:
            best = error, tried
    if best is None:  # pragma: no cover - there are exponents
        raise TypeError("No exponent was tried")
    return best[1]


def _power(magnitudes: FloatArray, exponent: float) -> FloatArray:
    """0 stays 0, also to the power of 0."""
    positive = magnitudes > 0
    powers = positive_power(np.where(positive, magnitudes, 1.0), exponent)
    return np.where(positive, powers, 0.0)


def clipped(problem: RoundingProblem, task: LayerTask, right: FloatArray) -> RoundedWeights:
    """Round to the nearest codes, with the steps that give the least error of the sums.

    Parameters
    ----------
    problem
        With its scales.
    task
        The layer.
    right
        ``[M, n_out]``: what its sums should be.
    """
    config, branches = task.config, problem.branches
    best = nearest_weights(branches, config)
    bits = config.weight_bits
    reals = (branches.coefficients, branches.base_weights)
    # Branches that share a step are clipped together.
    turns: tuple[tuple[bool, bool], ...] = ((True, False), (False, True))
    if config.shared_quantizers:
        turns = ((True, True),)
    for turn in turns:
        if all(own == 1 for own, chosen in zip(bits, turn, strict=True) if chosen):
            continue  # -1 and +1 clip nothing
        peak = np.zeros(len(branches.base_weights))
        for real, chosen in zip(reals, turn, strict=True):
            if chosen:
                each = np.abs(real.reshape(len(real), -1)).max(axis=1, initial=0.0)
                peak = np.maximum(peak, each)
        if config.weight_granularity == "tensor":
            peak = np.full(len(peak), peak.max())
        candidates = [best]
        for share in _SHARES:
            made = [
                _rounded(real, peak * share, own, before) if chosen else before
                for real, own, chosen, before in zip(
                    reals, bits, turn, (best.spline, best.base), strict=True
                )
            ]
            candidates.append(RoundedWeights(*made))
        best = _picked(
            candidates,
            layer_errors(problem, candidates, right),
            config.weight_granularity == "tensor",
        )
    return best


def _rounded(
    real: FloatArray, largest: FloatArray, bits: int, before: WeightQuantizer
) -> WeightQuantizer:
    """Nearest codes whose largest stands for ``largest``; as before where all weights are 0."""
    step = np.where(largest > 0, largest / ((1 << (bits - 1)) - 1), before.scale)
    return WeightQuantizer(nearest_codes(real, step, bits), step)


def _picked(candidates: list[RoundedWeights], errors: FloatArray, one_step: bool) -> RoundedWeights:
    """For every output the candidate with its least error; for all the same if ``one_step``."""
    if one_step:
        return candidates[int(errors.sum(axis=1).argmin())]
    places, outputs = errors.argmin(axis=0), np.arange(errors.shape[1])

    def pick(each: list[WeightQuantizer]) -> WeightQuantizer:
        return WeightQuantizer(
            np.stack([one.codes for one in each])[places, outputs],
            np.stack([one.scale for one in each])[places, outputs],
        )

    return RoundedWeights(
        pick([one.spline for one in candidates]), pick([one.base for one in candidates])
    )
