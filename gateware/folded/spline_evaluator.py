"""Evaluated splines and interpolated base activations times weights, folded."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Module, Mux, Value

from kanhw.formats import IntArray
from kanhw.gateware.folded.folded_sums import FoldedSums
from kanhw.gateware.folded.multiplied_sums import BankValue, MultipliedSums
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.parts.signals import Range, delayed
from kanhw.gateware.parts.table import Table
from kanhw.gateware.splines.interpolator import Interpolator
from kanhw.gateware.splines.rotated_spline import ROTATION_LATENCY, RotatedSpline, rotation_costs
from kanhw.gateware.splines.spline_evaluator import SplineEvaluator
from kanhw.program import SplineEvaluatorLayer
from kanhw.program.functions.interpolation import Interpolation
from kanhw.program.functions.spline_arithmetic import SplineArithmetic
from kanhw.schedule.fold import Fold
from kanhw.schedule.schedule import Schedule

__all__ = ["EvaluatedSums", "InterpolatedSums", "evaluated_branches"]


class EvaluatedSums(MultipliedSums):
    """The spline branch of a layer whose bases are evaluated, step by step.

    Over all steps of a group its outputs add up to
    :func:`kanhw.program.functions.splines.spline_sums`. A lane has an evaluator in place of tables.
    The p + 1 live functions follow one another, so they are in a bank of weights each: they are
    rotated by ``first mod (p + 1)`` places to meet it.

    Parameters
    ----------
    fold, schedule
        As for :class:`~kanhw.gateware.folded.folded_sums.FoldedSums`.
    splines
        The constants of all inputs.
    coefficients
        ``[n_out, n_in, K]``.
    """

    def __init__(
        self, fold: Fold, schedule: Schedule, splines: SplineArithmetic, coefficients: IntArray
    ) -> None:
        self._splines = splines
        kinds, index = splines.kinds()
        self._units: list[SplineEvaluator] = []
        self._places: list[IntArray] = []
        for lane in range(fold.parallel_inputs):
            own, places = _lane_kinds(fold, index, lane)
            unit = SplineEvaluator(splines, kinds[own], levels=schedule.adder_levels)
            self._units.append(unit)
            self._places.append(places)
        # Live values are not negative, and together never more than this.
        live = int(splines.pieces.sum(axis=1).max())
        lo, hi = min(0, int(coefficients.min())), max(0, int(coefficients.max()))
        super().__init__(
            fold,
            schedule,
            splines.width,
            _rotated(splines.pieces),
            coefficients,
            Range(live * lo, live * hi),
        )

    @property
    def source_latency(self) -> int:
        """The slowest evaluator, and the rotation."""
        return max(unit.latency for unit in self._units) + ROTATION_LATENCY

    @property
    def source_costs(self) -> HardwareCosts:
        """Of an evaluator for every lane."""
        count = self.weights.shape[2]
        return sum(
            (unit.costs + rotation_costs(unit, count) for unit in self._units),
            HardwareCosts(),
        )

    def sources(self, m: Module, lane: int) -> list[BankValue]:
        """The live value of every bank, 0 where there is no such function, and its row."""
        unit = self._units[lane]
        late = self.source_latency - ROTATION_LATENCY - unit.latency
        m.submodules[f"evaluator{lane}"] = unit
        m.d.comb += unit.i.eq(delayed(m, self.codes[lane], late, f"code{lane}"))
        if "kind" in unit.signature.members:
            step = delayed(m, self.step, late, f"step{lane}")
            m.d.comb += unit.kind.eq(_kind(m, self.fold, lane, self._places[lane], step))
        rotated = RotatedSpline(m, f"lane{lane}", unit, self.weights.shape[2])
        return [
            BankValue(Mux(rotated.exists(b), value, 0), rotated.row(b))
            for b, value in enumerate(rotated.values)
        ]


class InterpolatedSums(MultipliedSums):
    """The base branch of such a layer: one interpolated value an input.

    Parameters
    ----------
    fold, schedule
        As for :class:`~kanhw.gateware.folded.folded_sums.FoldedSums`.
    curves
        Of all inputs.
    weights
        ``[n_out, n_in, 1]``.
    """

    def __init__(
        self, fold: Fold, schedule: Schedule, curves: Interpolation, weights: IntArray
    ) -> None:
        self._curves = curves
        self._units: list[Interpolator] = []
        self._places: list[IntArray] = []
        for lane in range(fold.parallel_inputs):
            own, places = _lane_kinds(fold, curves.index, lane)
            self._units.append(Interpolator(curves, tuple(own)))
            self._places.append(places)
        lo, hi = int(curves.values.min()), int(curves.values.max())
        values = Range(min(0, lo), max(0, hi))
        together = np.array([[values.lo], [values.hi]])
        own_weights = Range(min(0, int(weights.min())), max(0, int(weights.max())))
        super().__init__(fold, schedule, curves.width, together, weights, own_weights * values)

    @property
    def source_latency(self) -> int:
        """Memory of points, and the line between two."""
        return max(unit.latency for unit in self._units)

    @property
    def source_costs(self) -> HardwareCosts:
        """Of an interpolator for every lane."""
        return sum((unit.costs for unit in self._units), HardwareCosts())

    def sources(self, m: Module, lane: int) -> list[BankValue]:
        """The base activation of a lane."""
        unit = self._units[lane]
        m.submodules[f"base{lane}"] = unit
        m.d.comb += unit.i.eq(self.codes[lane])
        if "kind" in unit.signature.members:
            m.d.comb += unit.kind.eq(_kind(m, self.fold, lane, self._places[lane], self.step))
        return [BankValue(unit.o)]


def evaluated_branches(
    fold: Fold, schedule: Schedule, layer: SplineEvaluatorLayer
) -> tuple[list[FoldedSums], list[FoldedSums]]:
    """The hardware of both branches of a layer; none for one that adds nothing."""
    spline: list[FoldedSums] = []
    if layer.coefficients.any():
        spline.append(EvaluatedSums(fold, schedule, layer.splines, layer.coefficients))
    base: list[FoldedSums] = []
    if layer.base_weights.any() and layer.base.values.any():
        base.append(InterpolatedSums(fold, schedule, layer.base, layer.base_weights))
    return spline, base


def _rotated(pieces: IntArray) -> IntArray:
    """All that the banks can hold together: the pieces at every place, in every rotation."""
    return np.stack([np.roll(pieces, shift, axis=1) for shift in range(pieces.shape[1])])


def _lane_kinds(fold: Fold, index: IntArray, lane: int) -> tuple[list[int], IntArray]:
    """The kinds of a lane's inputs, and the place among them of that of every beat."""
    kinds, places = np.unique(index[np.maximum(fold.inputs[:, lane], 0)], return_inverse=True)
    return kinds.tolist(), places.ravel()


def _kind(m: Module, fold: Fold, lane: int, places: IntArray, step: Value) -> Value:
    """The place of the kind of a step's input."""
    steps = np.tile(places, fold.groups).tolist()
    table = Table((*steps, *[0] * ((1 << len(step)) - len(steps))), registered=False)
    m.submodules[f"kind{lane}"] = table
    m.d.comb += table.i.eq(step)
    return table.o
