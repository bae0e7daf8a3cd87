"""What data-driven rounding works on: a layer's functions at the codes that data lead to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanhw.formats import FloatArray
from kanhw.numerics import matmul
from kanhw.quant.integers.branches import Branches, branches_of
from kanhw.quant.integers.weights import RoundedWeights
from kanhw.quant.planning.plan import Plan
from kanhw.quant.planning.steps import SumStep
from kanhw.quant.realise import RoundedLayer, realise_step
from kanhw.quant.record.model import QuantLayer, next_streams

__all__ = [
    "RoundingProblem",
    "layer_error",
    "layer_errors",
    "real_sums",
    "rounding_problem",
    "walk_layers",
]

AddressArray = npt.NDArray[np.uint16]
BoolArray = npt.NDArray[np.bool_]

# Feature values held at a time: 2**22 float64 are 32 MiB.
_CHUNK_VALUES = 1 << 22
# Samples that are carried through a layer at a time.
_SAMPLES = 1 << 10


@dataclass(frozen=True, eq=False)
class RoundingProblem:
    """A layer's functions, and the codes at which data read them.

    Parameters
    ----------
    branches
        The functions at every code, and the real weights.
    spline_address, base_address
        ``[M, n_in]``: codes counted from the lowest one; a row is a sample, or in a convolution a
        window of one.
    present
        ``[M, n_in]``: where a window's tap is inside the image; None is everywhere.
    local
        How many functions of an input, from the first one on, are bumps side by side (B-splines),
        each of which some data may not reach.
    """

    branches: Branches
    spline_address: AddressArray
    base_address: AddressArray
    present: BoolArray | None = None
    local: int = 0

    @property
    def rows(self) -> int:
        """M."""
        return len(self.spline_address)

    def chunks(self, width: int | None = None) -> Iterator[slice]:
        """Parts of the rows, so few that ``width`` values of each fit (None: all features)."""
        if width is None:
            width = self.branches.spline.shape[0] * (self.branches.spline.shape[2] + 1)
        step = max(1, _CHUNK_VALUES // max(width, 1))
        for start in range(0, self.rows, step):
            yield slice(start, min(start + step, self.rows))

    def spline_features(self, rows: slice) -> FloatArray:
        """What coefficients are multiplied with, phi ``[m, n_in * K]``, the basis fastest."""
        address = self.spline_address[rows]
        features = np.arange(address.shape[1])
        values = self.branches.spline[features, address]
        if self.present is not None:
            values *= self.present[rows, :, None]
        return values.reshape(len(address), -1)

    def base_features(self, rows: slice) -> FloatArray:
        """What base weights are multiplied with, psi ``[m, n_in]``."""
        address = self.base_address[rows]
        values: FloatArray = self.branches.base[np.arange(address.shape[1]), address]
        if self.present is not None:
            values *= self.present[rows]
        return values

    def reached(self) -> tuple[BoolArray, BoolArray]:
        """``[n_in, K]`` and ``[n_in]``: the features that are not 0 in every row."""
        spline, base = self.branches.spline, self.branches.base
        seen = self._visited(self.spline_address, spline)[:, :, None] & (spline != 0)
        base_seen = self._visited(self.base_address, base) & (base != 0)
        return np.logical_or.reduce(seen, axis=1), np.logical_or.reduce(base_seen, axis=1)

    def _visited(self, address: AddressArray, functions: FloatArray) -> BoolArray:
        """``[n_in, A]``: the codes that are read at least once."""
        visited = np.zeros(functions.shape[:2], np.bool_)
        features = np.broadcast_to(np.arange(address.shape[1]), address.shape)
        if self.present is None:
            visited[features, address] = True
        else:
            visited[features[self.present], address[self.present]] = True
        return visited


def rounding_problem(
    step: SumStep,
    branches: Branches,
    streams: tuple[FloatArray, ...],
    lowest: tuple[int, ...],
) -> RoundingProblem:
    """The problem of a layer that is given code streams.

    Parameters
    ----------
    step
        The layer.
    branches
        Its functions and weights.
    streams
        ``[N, n]`` codes: of both branches, or the spline's first and the base branch's last.
    lowest
        The lowest code of each.
    """
    basis, window = step.layer.basis, step.window
    local = 0 if basis.support is None else basis.count
    addresses = [
        (streams[place] - lowest[place]).astype(np.uint16)
        for place in ((0, -1) if len(streams) > 1 else (0,))
    ]
    if window is None:
        return RoundingProblem(branches, addresses[0], addresses[-1], None, local)
    index = window.index
    taps = [a[:, np.maximum(index, 0)].reshape(-1, window.taps) for a in addresses]
    present = np.tile(index >= 0, (len(streams[0]), 1))
    return RoundingProblem(branches, taps[0], taps[-1], present, local)


def real_sums(problem: RoundingProblem) -> FloatArray:
    """A layer's sums ``[M, n_out]`` with its real weights, without the bias."""
    spline, base = _matrix(problem.branches.coefficients), problem.branches.base_weights
    sums = np.empty((problem.rows, len(base)))
    for rows in problem.chunks():
        sums[rows] = matmul(problem.spline_features(rows), spline.T)
        sums[rows] += matmul(problem.base_features(rows), base.T)
    return sums


def layer_error(
    problem: RoundingProblem, weights: RoundedWeights, right: FloatArray | None = None
) -> FloatArray:
    """Mean squared error ``[n_out]`` of a layer's sums at the codes of a problem.

    It is that of both branches together: what one of them loses the other may give back.

    Parameters
    ----------
    problem
        The functions that the weights were rounded for, and where they are read.
    weights
        The integers.
    right
        ``[M, n_out]``: what the sums should be; None is what the problem's own functions give, so
        that only the rounding of weights counts.
    """
    result: FloatArray = layer_errors(problem, [weights], right)[0]
    return result


def layer_errors(
    problem: RoundingProblem, candidates: Sequence[RoundedWeights], right: FloatArray | None = None
) -> FloatArray:
    """:func:`layer_error` of several roundings at once, ``[candidates, n_out]``."""
    splines = np.concatenate([_matrix(weights.spline.dequantize()) for weights in candidates])
    bases = np.concatenate([weights.base.dequantize() for weights in candidates])
    count, n_out = len(candidates), len(problem.branches.base_weights)
    if right is None:
        splines -= np.tile(_matrix(problem.branches.coefficients), (count, 1))
        bases -= np.tile(problem.branches.base_weights, (count, 1))
    errors = np.zeros(count * n_out)
    for rows in problem.chunks():
        error = matmul(problem.spline_features(rows), splines.T)
        error += matmul(problem.base_features(rows), bases.T)
        if right is not None:
            error -= np.tile(right[rows], (1, count))
        errors += np.square(error).sum(axis=0)
    return errors.reshape(count, n_out) / problem.rows


def _matrix(coefficients: FloatArray) -> FloatArray:
    return coefficients.reshape(len(coefficients), -1)


Choose = Callable[[int, SumStep, RoundingProblem], RoundedLayer]


def walk_layers(
    plan: Plan, features: FloatArray, choose: Choose
) -> tuple[RoundedLayer | None, ...]:
    """Choose the weights of one layer after the other, on the codes of those before it.

    Parameters
    ----------
    plan
        The network's steps and quantizers.
    features
        ``[N, n_in]`` reals that the codes are made of: calibration data, or any other.
    choose
        Given the place of a layer, the layer and its problem, says what its weights become.

    Returns
    -------
    tuple
        For every step what its weights became; None where it has none.
    """
    first = plan.consumers[0].streams[0]
    streams: tuple[FloatArray, ...] = (first.quantize(features),)
    lowest: tuple[int, ...] = (first.format.lo,)
    weighted: list[RoundedLayer | None] = []
    for index, (step, consumer) in enumerate(zip(plan.steps, plan.consumers, strict=True)):
        own: RoundedLayer | None = None
        if isinstance(step, SumStep):
            inputs = consumer.sum_inputs(step)
            branches = branches_of(step.layer, inputs, plan.config.for_layer(step.name))
            own = choose(index, step, rounding_problem(step, branches, streams, lowest))
        weighted.append(own)
        if index + 1 < len(plan.steps):
            streams, lowest = _behind(realise_step(plan, index, own), streams, lowest)
    return tuple(weighted)


def _behind(
    layer: QuantLayer, streams: tuple[FloatArray, ...], lowest: tuple[int, ...]
) -> tuple[tuple[FloatArray, ...], tuple[int, ...]]:
    """The streams behind a layer, some samples at a time."""
    parts = []
    for start in range(0, len(streams[0]), _SAMPLES):
        some = tuple(stream[start : start + _SAMPLES] for stream in streams)
        made, lows = next_streams(layer, some, lowest)
        parts.append(made)
    return tuple(np.concatenate(stream) for stream in zip(*parts, strict=True)), lows
