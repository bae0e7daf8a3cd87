"""What a sweep of sensitivities measured: its rows, a heat map and a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.quant.analysis.units import Unit

__all__ = ["Sensitivity", "SensitivityRow"]


@dataclass(frozen=True)
class SensitivityRow:
    """One measurement.

    Parameters
    ----------
    layer, branch
        What had few bits.
    bits
        How many.
    loss
        Mean squared change of the outputs over their variance; infinite where the network has no
        integers with so few bits (multipliers too short for such coarse weights).
    increase
        What of it the few bits add: the loss less that of the reference.
    accuracy
        Share of the labels that the largest output hits, 0 to 1; None without labels.
    """

    layer: str
    branch: str
    bits: int
    loss: float
    increase: float
    accuracy: float | None


@dataclass(frozen=True)
class Sensitivity:
    """What :func:`kanhw.quant.sensitivity` measured.

    Parameters
    ----------
    rows
        In the order of the network; branches in the order of ``BRANCHES``.
    rest
        Bits of everything else.
    reference_loss, reference_accuracy
        With ``rest`` bits everywhere.
    """

    rows: tuple[SensitivityRow, ...]
    rest: int
    reference_loss: float
    reference_accuracy: float | None

    @property
    def units(self) -> tuple[Unit, ...]:
        """Every layer and branch, in order."""
        return tuple(dict.fromkeys(Unit(row.layer, row.branch) for row in self.rows))

    @property
    def bits(self) -> tuple[int, ...]:
        """The bits that were tried, ascending."""
        return tuple(sorted({row.bits for row in self.rows}))

    def table(self) -> list[dict[str, Any]]:
        """The rows as plain values."""
        return [dict(vars(row)) for row in self.rows]

    def matrix(self, value: str = "loss") -> FloatArray:
        """``[units, bits]`` for a heat map; its axes are ``units`` and ``bits``.

        Parameters
        ----------
        value
            ``loss``, ``increase`` or ``accuracy``.
        """
        if value not in ("loss", "increase", "accuracy"):
            raise InputError(f"value must be loss, increase or accuracy, not {value!r}")
        matrix = np.full((len(self.units), len(self.bits)), np.nan)
        rows, columns = list(self.units), list(self.bits)
        for row in self.rows:
            number = getattr(row, value)
            place = rows.index(Unit(row.layer, row.branch)), columns.index(row.bits)
            matrix[place] = np.nan if number is None else number
        return matrix

    def markdown(self) -> str:
        """A table of losses (and accuracies), one row a unit."""
        head = ["layer", "branch", *(f"{bits} bits" for bits in self.bits)]
        losses, accuracies = self.matrix(), self.matrix("accuracy")
        lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        for unit, loss, accuracy in zip(self.units, losses, accuracies, strict=True):
            cells = [_cell(*pair) for pair in zip(loss, accuracy, strict=True)]
            lines.append(f"| {unit.layer} | {unit.branch} | " + " | ".join(cells) + " |")
        accuracy = np.nan if self.reference_accuracy is None else self.reference_accuracy
        everywhere = _cell(self.reference_loss, accuracy)
        return "\n".join([*lines, "", f"{self.rest} bits everywhere: {everywhere}"])

    def __str__(self) -> str:
        return self.markdown()


def _cell(loss: float, accuracy: float) -> str:
    return f"{loss:.2e}" + ("" if np.isnan(accuracy) else f" ({100 * accuracy:.1f} %)")
