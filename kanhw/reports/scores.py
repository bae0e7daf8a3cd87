"""How good the answers are: float model, quantized Program and simulated hardware, side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import FloatArray, IntArray
from kanhw.model.network import KanModel
from kanhw.program import Program

__all__ = ["STAGES", "Score", "checked_labels", "measure"]

STAGES: Mapping[str, str] = {
    "float": "Float model",
    "quantized": "Quantized (Program)",
    "hardware": "Hardware (simulated Verilog)",
}

# Outputs whose deviations differ by more have units of their own.
_COMPARABLE = 4.0


@dataclass(frozen=True, kw_only=True)
class Score:
    """One figure of merit of one stage.

    Parameters
    ----------
    stage
        A key of ``STAGES``.
    metric
        ``accuracy`` (a fraction), or for regression ``rmse`` or ``max_error``; where outputs vary
        by unequal amounts (more than a factor of 4) ``rmse_of_deviation`` and
        ``max_error_of_deviation``, with each output's errors over its standard deviation.
    value
        The figure.
    samples
        How many samples it was measured on.
    reference
        What the answers were compared with: ``labels``, or ``float model`` where there are none.
    differences
        Hardware only: samples on which its answer is not the Program's.
    """

    stage: str
    metric: str
    value: float
    samples: int
    reference: str = "labels"
    differences: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The score as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Score:
        """The inverse of :meth:`to_json`."""
        return cls(**data)


def measure(
    program: Program,
    model: KanModel | None,
    data: tuple[npt.ArrayLike, npt.ArrayLike | None],
    hardware_outputs: npt.ArrayLike | None,
) -> tuple[Score, ...]:
    """Score every stage that is there; see :func:`kanhw.reports.summarise` for the arguments.

    Whole-number labels ``[N]`` are classes if the network has several outputs, or if they are 0
    and 1 (class 1 is then an output above 0); other labels are values to come close to.
    """
    samples = _vectors(np.asarray(data[0]), program, model)
    codes = samples if program.input.scale is None else program.input.encode(samples)
    outputs = np.asarray(program(codes))
    hardware = _checked_hardware(hardware_outputs, outputs)
    labels = checked_labels(data[1], program, len(outputs))
    judge = _Classes(labels) if labels is not None and labels.dtype.kind == "i" else _Values(labels)
    scores = []
    answer = None
    if model is not None:
        answer = judge.of_model(model(np.asarray(samples, np.float64)))
        # Without labels the float model is what the others are measured against.
        if labels is not None:
            scores += judge.scores("float", answer, None)
    if labels is None and answer is None:
        return ()
    scores += judge.scores("quantized", judge.of_program(program, outputs), answer)
    if hardware is not None:
        differences = int((hardware != outputs[: len(hardware)]).any(axis=1).sum())
        scores += judge.scores("hardware", judge.of_program(program, hardware), answer, differences)
    return tuple(scores)


def _vectors(
    samples: npt.NDArray[Any], program: Program, model: KanModel | None
) -> npt.NDArray[Any]:
    """Samples of any shape as ``[N, n_in]``, in the order channel, row, column."""
    if samples.ndim <= 2:
        return samples
    first = program.layers[0]
    expected: tuple[int, ...] | None = None
    if first.window is not None:
        expected = first.window.shape
    elif model is not None and len(model.input_shape) > 1:
        expected = model.input_shape
    shape = samples.shape[1:]
    if shape != (expected or shape) or math.prod(shape) != program.n_in:
        allowed = ", ".join(map(str, expected or (program.n_in,)))
        raise InputError(f"Features must have shape [N, {allowed}], not {list(samples.shape)}")
    return samples.reshape(len(samples), program.n_in)


class _Classes:
    """Judges class indices against labels."""

    def __init__(self, labels: IntArray) -> None:
        self._labels = labels

    def of_model(self, y: FloatArray) -> npt.NDArray[Any]:
        # numpy's argmax takes the lowest index among equals, as the hardware does.
        return np.asarray(y.argmax(axis=1) if y.shape[1] > 1 else y[:, 0] > 0)

    def of_program(self, program: Program, outputs: IntArray) -> npt.NDArray[Any]:
        if program.argmax:
            return outputs[:, 0]
        return self.of_model(_real(program, outputs))

    def scores(
        self,
        stage: str,
        answer: npt.NDArray[Any],
        float_answer: npt.NDArray[Any] | None,
        differences: int | None = None,
    ) -> list[Score]:
        del float_answer
        right = answer == self._labels[: len(answer)]
        return [
            Score(
                stage=stage,
                metric="accuracy",
                value=float(right.mean()),
                samples=len(right),
                differences=differences,
            )
        ]


class _Values:
    """Judges real outputs against labels, or against the float model where there are none."""

    def __init__(self, labels: FloatArray | None) -> None:
        self._labels = labels

    def of_model(self, y: FloatArray) -> npt.NDArray[Any]:
        return y

    def of_program(self, program: Program, outputs: IntArray) -> npt.NDArray[Any]:
        return _real(program, outputs)

    def scores(
        self,
        stage: str,
        answer: npt.NDArray[Any],
        float_answer: npt.NDArray[Any] | None,
        differences: int | None = None,
    ) -> list[Score]:
        target = self._labels if self._labels is not None else float_answer
        if target is None:
            return []
        error = answer - target[: len(answer)]
        deviation, name = target.std(axis=0), ""
        if deviation.min() > 0 and deviation.max() > _COMPARABLE * deviation.min():
            # A mean over kilograms and kelvins is one of kelvins.
            error, name = error / deviation, "_of_deviation"
        figures = {
            f"rmse{name}": np.sqrt(np.mean(error**2)),
            f"max_error{name}": np.abs(error).max(),
        }
        return [
            Score(
                stage=stage,
                metric=metric,
                value=float(value),
                samples=len(answer),
                reference="labels" if self._labels is not None else "float model",
                differences=differences,
            )
            for metric, value in figures.items()
        ]


def _real(program: Program, outputs: IntArray) -> FloatArray:
    """Outputs in real units, or as they are where the network is an integer one."""
    if program.output_scale is None:
        return outputs.astype(np.float64)
    return program.decode_output(outputs)


def _checked_hardware(values: npt.ArrayLike | None, outputs: IntArray) -> IntArray | None:
    if values is None:
        return None
    hardware = np.asarray(values)
    count, width = outputs.shape
    if hardware.dtype.kind not in "iu":
        raise InputError(f"hardware_outputs must be integers, not {hardware.dtype}")
    if hardware.ndim != 2 or hardware.shape[1] != width or not 1 <= len(hardware) <= count:
        raise InputError(
            f"hardware_outputs must have shape [M, {width}] for the first M of {count} samples, "
            f"not {hardware.shape}"
        )
    return hardware.astype(np.int64)


def checked_labels(
    values: npt.ArrayLike | None, program: Program, count: int
) -> npt.NDArray[Any] | None:
    """Classes as int64 [N], values as float64 [N, n_out], None where there are none."""
    n_out = program.layers[-1].n_out
    if values is None:
        if program.argmax:
            raise InputError("A network that hands out class indices needs labels to be scored")
        return None
    labels = np.asarray(values)
    if labels.shape[:1] != (count,):
        raise InputError(f"There must be a label for each of {count} samples, not {labels.shape}")
    if labels.dtype.kind in "iub" and labels.size == count:
        classes = labels.reshape(count).astype(np.int64)
        lo, hi = int(classes.min()), int(classes.max())
        if lo >= 0 and hi < max(n_out, 2):
            return classes
        if n_out > 1:
            raise InputError(
                f"Class labels must be 0 to {n_out - 1} for {n_out} outputs, not {lo} to {hi}"
            )
    if program.argmax:
        raise InputError(
            f"A network that hands out class indices needs whole-number labels [N], not "
            f"{labels.dtype} {list(labels.shape)}"
        )
    if labels.size != count * n_out:
        raise InputError(f"Target values must have shape [{count}, {n_out}], not {labels.shape}")
    targets = labels.reshape(count, n_out).astype(np.float64)
    # Errors are squared; NaN is no smaller than anything.
    wrong = ~(np.abs(targets) < _LARGEST)
    if wrong.any():
        row, column = (int(place) for place in np.argwhere(wrong)[0])
        raise InputError(
            f"Target values must be finite and below {_LARGEST:g}, not {targets[row, column]} (row "
            f"{row}, column {column}): remove those rows"
        )
    return targets


_LARGEST = 1e150
