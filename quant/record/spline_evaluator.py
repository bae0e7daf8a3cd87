"""A quantized layer whose splines are evaluated, in float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from kanhw.formats import FloatArray
from kanhw.program.functions.splines import piece_polynomials
from kanhw.quant.quantizers.rounding import round_half_up
from kanhw.quant.record.branches import TwoBranches, weighted_sums
from kanhw.quant.splines.spline_evaluator import Evaluator

__all__ = ["QuantSplineEvaluator"]


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantSplineEvaluator(TwoBranches):
    """A layer as evaluated bases and integer weights, branches apart.

    Parameters
    ----------
    evaluator
        The constants of the functions.
    """

    evaluator: Evaluator

    kind: ClassVar[str] = "spline_evaluator"

    def sums(
        self,
        streams: tuple[FloatArray, ...],
        lowest: tuple[int, ...],
        present: npt.NDArray[np.bool_] | None = None,
    ) -> tuple[FloatArray, ...]:
        """The spline and base sums ``[N, n_out]`` of code streams ``[N, n_in]``."""
        address = streams[self.spline_stream] - lowest[self.spline_stream]
        basis = self._basis(address)
        activation = self._activation(streams[self.base_stream] - lowest[self.base_stream])
        if present is not None:
            basis, activation = basis * present[:, :, None], activation * present
        return weighted_sums(basis, self.spline), weighted_sums(activation, self.base)

    def _basis(self, address: FloatArray) -> FloatArray:
        """All functions ``[N, n_in, K]``: integers in float64."""
        splines = self.evaluator.splines
        order, places = splines.order, 2.0**splines.fraction_bits
        position = np.floor((address * splines.multipliers + splines.offsets) / 2.0**splines.shift)
        cell = np.floor(position / places)
        place = position - cell * places
        count = self.spline.codes.shape[2]
        values = np.zeros((*address.shape, count))
        for r, live in enumerate(self._pieces(place)):
            for k in range(count):
                values[:, :, k] += np.where(cell == k + order - r, live, 0.0)
        return values

    def _pieces(self, place: FloatArray) -> list[FloatArray]:
        splines = self.evaluator.splines
        order, places = splines.order, 2.0**splines.fraction_bits
        if splines.table is not None:
            rows = place.astype(np.int64)
            near = [splines.table[rows, r] for r in range(order // 2 + 1)]
            far = [splines.table[int(places) - rows, r] for r in range((order + 1) // 2)]
            return [column.astype(np.float64) for column in (*near, *reversed(far))]
        powers = [np.full_like(place, splines.scale)]
        for _ in range(order):
            powers.append(round_half_up(powers[-1] * place / places))
        guard = 2.0**splines.guard_bits
        pieces = []
        for piece in piece_polynomials(order):
            total = np.zeros_like(place)
            for c, power in zip(piece, powers, strict=True):
                total += c * power
            pieces.append(round_half_up(total / guard))
        return pieces

    def _activation(self, address: FloatArray) -> FloatArray:
        """The base activation ``[N, n_in]``: integers in float64."""
        curves = self.evaluator.base
        between = 2.0**curves.fraction_bits
        row = np.floor(address / between)
        low, rows = address - row * between, row.astype(np.int64)
        first = curves.tables[curves.index, rows].astype(np.float64)
        after = curves.tables[curves.index, rows + 1].astype(np.float64)
        return round_half_up(
            (first * between + (after - first) * low) / (between * 2.0**curves.guard_bits)
        )
