"""Bumps of a basis that no calibration sample reaches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from kanhw.formats import IntArray
from kanhw.quant.config import QuantConfig
from kanhw.quant.integers.weights import RoundedWeights
from kanhw.quant.methods.problem import RoundingProblem
from kanhw.quant.quantizers.quantizer import nearest_codes

__all__ = ["copy_neighbours", "nearest_marked", "nearest_reached"]


def nearest_reached(problem: RoundingProblem) -> IntArray:
    """``[n_in, K]``: for every function the nearest one of its input that data reach.

    A function that is reached, or that is no bump, is its own nearest; so is one of an input of
    which data reach none. Of two that are equally near it is the lower one.
    """
    return nearest_marked(problem.reached()[0], problem.local)


def nearest_marked(marked: npt.NDArray[np.bool_], local: int) -> IntArray:
    """The same for any marks ``[n_in, K]``, of whose columns the first ``local`` are bumps."""
    result = np.tile(np.arange(marked.shape[1]), (len(marked), 1))
    if local == 0:
        return result
    bumps, places = marked[:, :local], np.arange(local)
    far = np.where(bumps[:, np.newaxis, :], np.abs(places[:, None] - places), local)
    some = np.logical_or.reduce(bumps, axis=1)
    result[some, :local] = far.argmin(axis=2)[some]
    return result


def copy_neighbours(
    problem: RoundingProblem, weights: RoundedWeights, config: QuantConfig
) -> RoundedWeights:
    """Give bumps that data do not reach the coefficients of the nearest ones that they do reach.

    Data say nothing about such a coefficient. Zero, which GPTQ gives features that it never sees,
    would cut the function off beside its data; a copy continues it. Coefficients that are 0 stay 0.
    """
    nearest = nearest_reached(problem)
    moved = nearest != np.arange(nearest.shape[1])
    if not moved.any():
        return weights
    scale = problem.branches.spline_scale
    source = weights.spline.dequantize() / scale
    copied = np.take_along_axis(source, nearest[None], axis=2) * scale
    codes = nearest_codes(copied, weights.spline.scale, config.weight_bits[0])
    keep = ~moved | (problem.branches.coefficients == 0)
    chosen: npt.NDArray[np.int64] = np.where(keep, weights.spline.codes, codes)
    return replace(weights, spline=replace(weights.spline, codes=chosen))
