"""GPTQ: weights are rounded one after the other, each making good the errors before it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kanhw.formats import FloatArray, IntArray
from kanhw.numerics import cholesky, gram, matmul
from kanhw.quant.config import QuantConfig
from kanhw.quant.integers.weights import RoundedWeights, nearest_weights
from kanhw.quant.methods.problem import RoundingProblem, layer_errors
from kanhw.quant.methods.unreached import copy_neighbours
from kanhw.quant.quantizers.rounding import round_half_up

__all__ = ["Columns", "gptq_joint_weights", "gptq_weights", "round_columns"]

BoolArray = npt.NDArray[np.bool_]

# Columns between two products of matrices.
_BLOCK = 128


@dataclass(frozen=True, eq=False)
class Columns:
    """Weights of some features, and what they may be rounded to.

    Parameters
    ----------
    weights
        ``[n_out, n]`` reals.
    steps
        ``[n_out, n]``.
    tops
        ``[n]``: the largest code of each; 0 stands for one bit, codes -1 and +1.
    """

    weights: FloatArray
    steps: FloatArray
    tops: IntArray

    def cut(self, columns: BoolArray | IntArray) -> Columns:
        """Some of the features, in another order."""
        return Columns(self.weights[:, columns], self.steps[:, columns], self.tops[columns])

    def rows(self, rows: IntArray) -> Columns:
        """Some of the outputs."""
        return Columns(self.weights[rows], self.steps[rows], self.tops)


def round_columns(columns: Columns, hessian: FloatArray) -> IntArray:
    """Codes ``[n_out, n]`` that keep ``sum (c_q - c) H (c_q - c)^T`` small, greedily.

    Weights that are 0 stay 0. Every other one is rounded at the value that minimises the sum if
    all later ones were free, which is GPTQ. That value is read from H = L L^T, from the last
    column to the first: the error of a row d is |d L|^2, and its entry i, sum_(j>=i) d_j L_ji, is 0
    for d_i = -sum_(j>i) d_j L_ji / L_ii. (GPTQ's own code has the rows of inv(L)^T, which is the
    Cholesky factor of H's inverse in reverse; they give the same codes, with an inverse more.)

    Parameters
    ----------
    columns
        What is rounded, the first of it last.
    hessian
        ``[n, n]``, positive definite.
    """
    codes = np.zeros(columns.weights.shape, np.int64)
    active = columns.weights != 0
    # Rows with other zeros have other free weights, and so another factor.
    patterns, members = np.unique(active, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        if not pattern.any():
            continue
        rows = np.flatnonzero(members.ravel() == number)
        part = hessian if pattern.all() else hessian[np.ix_(pattern, pattern)]
        factor = cholesky(part)
        codes[np.ix_(rows, pattern)] = _round_free(columns.cut(pattern).rows(rows), factor)
    return codes


def _round_free(columns: Columns, factor: FloatArray) -> IntArray:
    """Codes of rows without zeros; ``factor`` is the lower triangular L."""
    weights, steps, tops = columns.weights, columns.steps, columns.tops
    n = weights.shape[1]
    codes = np.zeros(weights.shape, np.int64)
    errors = np.zeros_like(weights)
    for end in range(n, 0, -_BLOCK):
        start = max(end - _BLOCK, 0)
        owed = matmul(errors[:, end:], factor[end:, start:end])
        for i in range(end - 1, start - 1, -1):
            near = (errors[:, i + 1 : end] * factor[i + 1 : end, i]).sum(axis=1)
            late = owed[:, i - start] + near
            target = weights[:, i] - late / factor[i, i]
            relative = target / steps[:, i]
            if tops[i] == 0:
                codes[:, i] = np.where(relative >= 0, 1, -1)
            else:
                codes[:, i] = round_half_up(relative).clip(-tops[i], tops[i])
            errors[:, i] = codes[:, i] * steps[:, i] - weights[:, i]
    return codes


def gptq_weights(problem: RoundingProblem, config: QuantConfig) -> RoundedWeights:
    """Round each branch by its own features: basis values, and values of the base activation.

    An output whose error the nearest codes keep smaller, on the data of the problem, has those.
    """
    nearest = nearest_weights(problem.branches, config)
    return copy_neighbours(
        problem, _better(problem, nearest, _branch_by_branch(problem, nearest, config)), config
    )


def gptq_joint_weights(problem: RoundingProblem, config: QuantConfig) -> RoundedWeights:
    """Round both branches by the features of both, so that each can make good the other's errors.

    An output whose error :func:`gptq_weights` or the nearest codes keep smaller, on the data of the
    problem, has theirs.
    """
    nearest = nearest_weights(problem.branches, config)
    apart = _branch_by_branch(problem, nearest, config)
    codes = _codes(nearest)
    _round_chosen(problem, codes, nearest, config, np.concatenate(_reached(problem)))
    together = _better(problem, apart, _with_codes(nearest, codes))
    return copy_neighbours(problem, _better(problem, nearest, together), config)


def _branch_by_branch(
    problem: RoundingProblem, nearest: RoundedWeights, config: QuantConfig
) -> RoundedWeights:
    reached, base_reached = _reached(problem)
    codes = _codes(nearest)
    for spline, base in (
        (reached, np.zeros_like(base_reached)),
        (np.zeros_like(reached), base_reached),
    ):
        _round_chosen(problem, codes, nearest, config, np.concatenate([spline, base]))
    return _with_codes(nearest, codes)


def _round_chosen(
    problem: RoundingProblem,
    codes: IntArray,
    nearest: RoundedWeights,
    config: QuantConfig,
    chosen: BoolArray,
) -> None:
    """Round the weights of the chosen features, in place of the codes that are there."""
    if not chosen.any():
        return
    squares = _mean_squares(problem)
    places = np.flatnonzero(chosen)
    # Small features last of all: they have the least to make good with, and to be made good. They
    # come first because rounding goes from the last column to the first.
    order = places[np.argsort(squares[places], kind="stable")]
    hessian = _hessian(problem, order)
    hessian[np.diag_indices(len(order))] += config.damping * 2 * squares[order].mean()
    codes[:, order] = round_columns(_columns(problem, nearest, config).cut(order), hessian)


def _hessian(problem: RoundingProblem, order: IntArray) -> FloatArray:
    """``2/M sum f^T f`` over the rows f of some of the features."""
    spline, base = problem.branches.spline, problem.branches.base
    peaks = np.concatenate([np.abs(spline).max(axis=1).ravel(), np.abs(base).max(axis=1)])
    parts = (_features(problem, rows)[:, order] for rows in problem.chunks())
    hessian = gram(parts, peaks[order], problem.rows)
    hessian *= 2 / problem.rows
    return hessian


def _mean_squares(problem: RoundingProblem) -> FloatArray:
    """Of every feature, over the rows."""
    total = np.zeros(problem.branches.base.shape[0] * (problem.branches.spline.shape[2] + 1))
    for rows in problem.chunks():
        total += np.square(_features(problem, rows)).sum(axis=0)
    return total / problem.rows


def _features(problem: RoundingProblem, rows: slice) -> FloatArray:
    """``[m, n_in * K + n_in]``: the spline branch's, then the base branch's."""
    parts = [problem.spline_features(rows), problem.base_features(rows)]
    return np.concatenate(parts, axis=1)


def _reached(problem: RoundingProblem) -> tuple[BoolArray, BoolArray]:
    spline, base = problem.reached()
    return spline.ravel(), base


def _columns(problem: RoundingProblem, nearest: RoundedWeights, config: QuantConfig) -> Columns:
    """The weights of all features."""
    branches, (bits, base_bits) = problem.branches, config.weight_bits
    spline = branches.coefficients.reshape(len(branches.coefficients), -1)
    base, counts = branches.base_weights, (spline.shape[1], branches.base_weights.shape[1])
    scales = np.stack([nearest.spline.scale, nearest.base.scale], axis=1)
    tops = np.array([(1 << (bits - 1)) - 1, (1 << (base_bits - 1)) - 1])
    return Columns(
        np.concatenate([spline, base], axis=1),
        np.repeat(scales, counts, axis=1),
        np.repeat(tops, counts),
    )


def _codes(weights: RoundedWeights) -> IntArray:
    spline = weights.spline.codes
    return np.concatenate([spline.reshape(len(spline), -1), weights.base.codes], axis=1)


def _with_codes(weights: RoundedWeights, codes: IntArray) -> RoundedWeights:
    shape = weights.spline.codes.shape
    split = shape[1] * shape[2]
    return RoundedWeights(
        replace(weights.spline, codes=codes[:, :split].reshape(shape)),
        replace(weights.base, codes=codes[:, split:]),
    )


def _better(
    problem: RoundingProblem, first: RoundedWeights, second: RoundedWeights
) -> RoundedWeights:
    """Of two roundings to the same steps the one with the smaller error, output by output."""
    error, other = layer_errors(problem, (first, second))
    keep = error < other
    return _with_codes(first, np.where(keep[:, None], _codes(first), _codes(second)))
