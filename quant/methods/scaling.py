"""Scales that move from a layer's weights into its tables, where they cost nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kanhw.formats import FloatArray
from kanhw.quant.config import QuantConfig
from kanhw.quant.integers.branches import branches_of
from kanhw.quant.integers.tables import basis_functions
from kanhw.quant.methods.problem import RoundingProblem, real_sums
from kanhw.quant.methods.unreached import nearest_marked
from kanhw.quant.planning.steps import SumStep
from kanhw.quant.quantizers.sum_inputs import SumInputs

__all__ = ["Features", "LayerTask"]

# Magnitudes below this share of the largest count as that: tables of one layer have one unit.
_LEAST = 1e-4


@dataclass(frozen=True, eq=False)
class Features:
    """One number for every feature of a layer: a magnitude, or a scale.

    Parameters
    ----------
    spline
        ``[n_in, K]``.
    base
        ``[n_in]``.
    """

    spline: FloatArray
    base: FloatArray


@dataclass(frozen=True, eq=False)
class LayerTask:
    """A layer's problem, and what it takes to tabulate its functions again.

    Parameters
    ----------
    problem
        Its functions without scales.
    step
        The layer.
    inputs
        The quantizers that it reads.
    config
        Its own.
    """

    problem: RoundingProblem
    step: SumStep
    inputs: SumInputs
    config: QuantConfig

    def scaled(self, scales: Features) -> RoundingProblem:
        """The problem with its functions tabulated divided by scales."""
        branches = branches_of(
            self.step.layer, self.inputs, self.config, scales.spline, scales.base
        )
        return replace(self.problem, branches=branches)

    def ones(self) -> Features:
        """No scales."""
        spline = self.problem.branches.spline
        return Features(np.ones((spline.shape[0], spline.shape[2])), np.ones(spline.shape[0]))

    def right_sums(self) -> FloatArray:
        """``[M, n_out]``: the sums of exact functions, without the rounding of basis tables."""
        if self.inputs.realisation == "edge_table":
            return real_sums(self.problem)
        layer = replace(self.step.layer, spline_norm=None)
        values, coefficients = basis_functions(layer, self.inputs.spline.grid(), to_peaks=True)
        base = layer.base_activation(self.inputs.base.grid()).T
        exact = replace(self.problem.branches, spline=values, coefficients=coefficients, base=base)
        return real_sums(replace(self.problem, branches=exact))

    def shared(self) -> tuple[bool, bool]:
        """Whether one table serves all inputs, of the basis and of the base activation.

        Edge tables are never shared: they are made of weights.
        """
        if self.inputs.realisation == "edge_table":
            return False, False
        base = self.problem.branches.base
        return self.problem.branches.shared, bool((base == base[:1]).all())

    def means(self) -> Features:
        """The mean magnitude of every feature on the data."""
        spline, base = self.ones().spline * 0, self.ones().base * 0
        for rows in self.problem.chunks():
            phi = np.abs(self.problem.spline_features(rows)).sum(axis=0)
            spline = spline + phi.reshape(spline.shape)
            base = base + np.abs(self.problem.base_features(rows)).sum(axis=0)
        spline, base = spline / self.problem.rows, base / self.problem.rows
        if self.shared()[0]:
            spline = np.broadcast_to(spline.mean(axis=0), spline.shape)
        return Features(_floored(spline), _floored(base))

    def peaks(self) -> Features:
        """The largest magnitude of every feature on the data."""
        spline, base = self.ones().spline * 0, self.ones().base * 0
        for rows in self.problem.chunks():
            phi = np.abs(self.problem.spline_features(rows)).max(axis=0)
            spline = np.maximum(spline, phi.reshape(spline.shape))
            base = np.maximum(base, np.abs(self.problem.base_features(rows)).max(axis=0))
        if self.shared()[0] and spline.size:
            spline = np.broadcast_to(spline.max(axis=0), spline.shape)
        return Features(_floored(spline), _floored(base))

    def weight_peaks(self) -> Features:
        """The largest magnitude of every feature's weights."""
        spline = np.abs(self.problem.branches.coefficients).max(axis=0)
        base = np.abs(self.problem.branches.base_weights).max(axis=0)
        if self.shared()[0] and spline.size:
            spline = np.broadcast_to(spline.max(axis=0), spline.shape)
        return Features(_floored(spline), _floored(base))

    def made(self, spline: FloatArray, base: FloatArray) -> Features:
        """Positive scales of raw ones, which are 0 where data say nothing.

        A bump that is never reached has the scale of its nearest neighbour that is, whose
        coefficient it will have; any other feature without a scale has 1, in the middle of them.
        """
        nearest = nearest_marked(spline > 0, self.problem.local)
        spline = np.take_along_axis(spline, nearest, axis=1)
        base = np.ones_like(base) if self.shared()[1] else _centred(base)
        return Features(_centred(spline), base)


def _floored(magnitudes: FloatArray) -> FloatArray:
    """Magnitudes that are not 0 are at least a small share of the largest."""
    least = _LEAST * magnitudes.max(initial=0.0)
    return np.where(magnitudes > 0, np.maximum(magnitudes, least), 0.0)


def _centred(scales: FloatArray) -> FloatArray:
    """Divide by sqrt(largest * smallest) of those that are not 0; 1 for those that are."""
    positive = scales > 0
    if not positive.any():
        return np.ones_like(scales)
    middle = np.sqrt(scales[positive].max()) * np.sqrt(scales[positive].min())
    return np.where(positive, scales / middle, 1.0)
