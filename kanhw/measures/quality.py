"""What a quantization cost: a Program beside the float model that it was made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import FloatArray, IntArray
from kanhw.frames import in_order
from kanhw.measures.advice import advice
from kanhw.measures.features import FeatureUse, feature_uses
from kanhw.measures.outputs import OutputError, TargetError, output_errors, target_errors
from kanhw.model.network import KanModel
from kanhw.program import Labels, Program

__all__ = ["Quality", "check_targets", "quality"]


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Errors of a Program on given data, and how the data use its codes.

    Parameters
    ----------
    samples
        How many there were.
    errors
        Of every output, against the float model.
    target_errors
        Of every output, against ``y``; empty without one.
    accuracy, float_accuracy
        Share of ``labels`` that the Program and the float model hit, 0 to 1; None without labels.
    features
        Of every feature.
    warnings
        What is likely to be wrong, each with what to do about it.
    labels
        Names and units of inputs and outputs, as the Program has them.
    """

    samples: int
    errors: tuple[OutputError, ...]
    target_errors: tuple[TargetError, ...] = ()
    accuracy: float | None = None
    float_accuracy: float | None = None
    features: tuple[FeatureUse, ...]
    warnings: tuple[str, ...] = ()
    labels: Labels = field(default_factory=Labels)

    @property
    def clipped(self) -> float:
        """Share of all inputs beyond the outermost codes, 0 to 1."""
        return float(np.mean([use.clipped for use in self.features]))

    @property
    def outside(self) -> float | None:
        """Share of all inputs outside of the first layer's grid; None where there is no grid."""
        shares = [use.outside for use in self.features if use.outside is not None]
        return float(np.mean(shares)) if shares else None

    def to_json(self) -> dict[str, Any]:
        """All figures as plain JSON values."""
        return {
            "samples": self.samples,
            "errors": [error.to_json() for error in self.errors],
            "target_errors": [error.to_json() for error in self.target_errors],
            "accuracy": self.accuracy,
            "float_accuracy": self.float_accuracy,
            "features": [use.to_json() for use in self.features],
            "clipped": self.clipped,
            "outside": self.outside,
            "warnings": list(self.warnings),
            "labels": self.labels.to_json(),
        }


def quality(
    model: KanModel,
    program: Program,
    x: npt.ArrayLike,
    y: npt.ArrayLike | None = None,
    labels: npt.ArrayLike | None = None,
) -> Quality:
    """Measure what quantization cost on given data.

    Parameters
    ----------
    model
        The float model that the Program was made from.
    program
        The quantized network, without heads.
    x
        ``[N, *input_shape]`` real features.
    y
        ``[N, n_out]`` target values (``[N]`` for one output): errors of both networks against them
        are given too.
    labels
        ``[N]`` class indices: so are accuracies. A single output means class 1 above zero.

    Returns
    -------
    Quality
        Figures, and warnings that say what to do.

    Raises
    ------
    InputError
        If the two are not of the same sizes, the Program takes codes or has heads, or the arrays do
        not fit.
    TypeError
        If the model is no float model, or the program none.
    """
    _check_networks(model, program)
    features = np.asarray(in_order(x, program.labels.inputs))
    if features.dtype.kind not in "fiub":
        raise TypeError(f"x must be numbers, not {features.dtype}")
    features = model.flat(features.astype(np.float64))
    if not len(features):
        raise InputError("x has no rows: quality is measured on at least one sample")
    targets, classes = check_targets((len(features), model.n_out), y, labels)
    exact = model(features)
    plain = program.with_argmax(False)
    quantized = plain.decode_output(plain(plain.input.encode(features)))
    errors = output_errors(exact, quantized)
    uses = feature_uses(model, program, features)
    image = program.layers[0].window is not None
    against = () if targets is None else target_errors(exact, quantized, targets)
    return Quality(
        samples=len(features),
        errors=errors,
        target_errors=against,
        accuracy=None if classes is None else _accuracy(quantized, classes),
        float_accuracy=None if classes is None else _accuracy(exact, classes),
        features=uses,
        warnings=advice(len(features), errors, uses, against, labels=program.labels, image=image),
        labels=program.labels,
    )


def _check_networks(model: KanModel, program: Program) -> None:
    if not isinstance(model, KanModel):
        raise TypeError(f"quality needs the float KanModel first, not {type(model).__name__}")
    if not isinstance(program, Program):
        raise TypeError(f"quality needs a Program second, not {type(program).__name__}")
    if program.heads > 1:
        raise InputError(
            f"This Program has {program.heads} heads: give one of them, program.head(0) to "
            f"program.head({program.heads - 1})"
        )
    last = program.layers[-1]
    if program.input.scale is None or last.requantizers[0].scale is None:
        raise InputError(
            "This Program has no real scales, so it was not quantized from a float model: there is "
            "nothing to compare"
        )
    ours, theirs = (model.n_in, model.n_out), (program.n_in, last.n_out)
    if ours != theirs:
        raise InputError(
            f"The model has {ours[0]} inputs and {ours[1]} outputs, but the Program {theirs[0]} "
            f"and {theirs[1]}: give the model that it was made from"
        )


def check_targets(
    shape: tuple[int, int],
    y: npt.ArrayLike | None = None,
    labels: npt.ArrayLike | None = None,
) -> tuple[FloatArray | None, IntArray | None]:
    """Targets as float64 ``[N, n_out]`` and classes as int64 ``[N]``, None where there are none.

    Parameters
    ----------
    shape
        Samples and outputs.
    y, labels
        See :func:`quality`.

    Raises
    ------
    InputError
        If one does not fit.
    """
    return (
        None if y is None else _checked_targets(np.asarray(y), shape),
        None if labels is None else _checked_labels(np.asarray(labels), shape),
    )


def _checked_targets(y: npt.NDArray[Any], shape: tuple[int, int]) -> FloatArray:
    if y.dtype.kind not in "fiub":
        raise InputError(f"y must hold numbers, not {y.dtype}")
    if y.shape != shape and not (shape[1] == 1 and y.shape == shape[:1]):
        hint = "; class indices are given as labels" if y.shape == shape[:1] else ""
        raise InputError(f"y must have shape {list(shape)}, not {list(y.shape)}{hint}")
    targets = y.reshape(shape).astype(np.float64)
    if not np.isfinite(targets).all():
        raise InputError("y holds NaN or infinity: remove or fill those rows")
    return targets


def _checked_labels(labels: npt.NDArray[Any], shape: tuple[int, int]) -> IntArray:
    if labels.dtype.kind not in "iub":
        raise InputError(f"labels must be class indices, which are integers, not {labels.dtype}")
    if labels.size != shape[0]:
        one_hot = labels.ndim == 2 and len(labels) == shape[0]
        hint = ": one-hot? give labels.argmax(axis=1)" if one_hot else ""
        raise InputError(f"labels must have shape [{shape[0]}], not {list(labels.shape)}{hint}")
    classes = labels.reshape(-1).astype(np.int64)
    highest = max(shape[1] - 1, 1)
    if not 0 <= int(classes.min()) <= int(classes.max()) <= highest:
        raise InputError(
            f"labels must be 0 to {highest} for {shape[1]} outputs, not {classes.min()} to "
            f"{classes.max()}" + (": give labels - 1" if classes.min() == 1 else "")
        )
    return classes


def _accuracy(outputs: FloatArray, classes: IntArray) -> float:
    # numpy's argmax takes the lowest index among equals, as the hardware does.
    answers = outputs.argmax(axis=1) if outputs.shape[1] > 1 else outputs[:, 0] > 0
    return float((answers == classes).mean())
