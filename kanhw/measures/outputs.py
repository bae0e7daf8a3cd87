"""Errors of a quantized network's outputs, one by one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kanhw.formats import FloatArray

__all__ = ["OutputError", "TargetError", "output_errors", "target_errors"]


@dataclass(frozen=True, kw_only=True)
class OutputError:
    """How far one output is from the float model's.

    Parameters
    ----------
    output
        Its index.
    rms, largest
        Root of the mean square, and largest absolute, difference; in the output's units.
    range, deviation
        Of the float model's output on the data: highest less lowest, and standard deviation.
    """

    output: int
    rms: float
    largest: float
    range: float
    deviation: float

    @property
    def rms_of_range(self) -> float | None:
        """``rms`` as a share of the range; None for a constant output."""
        return _share(self.rms, self.range)

    @property
    def largest_of_range(self) -> float | None:
        """``largest`` as a share of the range; None for a constant output."""
        return _share(self.largest, self.range)

    @property
    def rms_of_deviation(self) -> float | None:
        """``rms`` as a share of the standard deviation; None for a constant output."""
        return _share(self.rms, self.deviation)

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {
            **asdict(self),
            "rms_of_range": self.rms_of_range,
            "largest_of_range": self.largest_of_range,
            "rms_of_deviation": self.rms_of_deviation,
        }


@dataclass(frozen=True, kw_only=True)
class TargetError:
    """How far one output, quantized and as float, is from what it should be.

    Parameters
    ----------
    output
        Its index.
    rms, largest
        Of the quantized network less the targets, in the output's units.
    float_rms, float_largest
        Of the float model less the targets.
    """

    output: int
    rms: float
    largest: float
    float_rms: float
    float_largest: float

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return asdict(self)


def output_errors(exact: FloatArray, quantized: FloatArray) -> tuple[OutputError, ...]:
    """Compare outputs ``[N, n_out]`` of the quantized network with the float model's."""
    rms, largest = _differences(quantized - exact)
    spans, deviations = np.ptp(exact, axis=0), exact.std(axis=0)
    return tuple(
        OutputError(
            output=j,
            rms=float(rms[j]),
            largest=float(largest[j]),
            range=float(spans[j]),
            deviation=float(deviations[j]),
        )
        for j in range(exact.shape[1])
    )


def target_errors(
    exact: FloatArray, quantized: FloatArray, y: FloatArray
) -> tuple[TargetError, ...]:
    """Compare outputs ``[N, n_out]`` of both networks with targets ``[N, n_out]``."""
    rms, largest = _differences(quantized - y)
    float_rms, float_largest = _differences(exact - y)
    return tuple(
        TargetError(
            output=j,
            rms=float(rms[j]),
            largest=float(largest[j]),
            float_rms=float(float_rms[j]),
            float_largest=float(float_largest[j]),
        )
        for j in range(exact.shape[1])
    )


def _differences(error: FloatArray) -> tuple[FloatArray, FloatArray]:
    return np.sqrt(np.square(error).mean(axis=0)), np.abs(error).max(axis=0)


def _share(value: float, whole: float) -> float | None:
    return value / whole if whole > 0 else None
