"""Data to measure the loss of a quantized network on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.network import KanModel
from kanhw.numerics import indistinct
from kanhw.quant.record.model import QuantModel

__all__ = ["HeldOut"]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Data to measure a loss on.

    Parameters
    ----------
    x
        ``[N, n_in]``.
    outputs
        ``[N, n_out]``: the float model's.
    labels
        ``[N]`` classes, or None.
    """

    x: FloatArray
    outputs: FloatArray
    labels: npt.NDArray[np.int64] | None
    variance: float

    @classmethod
    def of(cls, model: KanModel, held_out: npt.ArrayLike, labels: npt.ArrayLike | None) -> HeldOut:
        """Check the data and run the float model on them.

        Raises
        ------
        InputError
            If they do not fit the model, are too few to vary, or labels do not fit them.
        """
        x = model.flat(np.asarray(held_out))
        if len(x) < 2:
            raise InputError(f"held_out needs at least 2 samples, not {len(x)}")
        outputs = model(x)
        variance = float(outputs.var(axis=0).mean())
        ends = zip(outputs.min(axis=0).tolist(), outputs.max(axis=0).tolist(), strict=True)
        # Equal samples may differ in the last bits of their outputs.
        if all(indistinct(low, high) for low, high in ends):
            raise InputError("held_out: the float outputs do not vary: give other samples")
        return cls(x, outputs, _checked_labels(labels, outputs), variance)

    def loss(self, quantized: QuantModel) -> float:
        """Mean squared change of the outputs over their variance."""
        return self.loss_of(quantized(self.x))

    def loss_of(self, outputs: FloatArray) -> float:
        """That of given outputs."""
        return float(np.square(outputs - self.outputs).mean()) / self.variance

    def accuracy_of(self, outputs: FloatArray) -> float | None:
        """Share of the labels that the largest output hits."""
        if self.labels is None:
            return None
        return float((outputs.argmax(axis=1) == self.labels).mean())


def _checked_labels(
    labels: npt.ArrayLike | None, outputs: FloatArray
) -> npt.NDArray[np.int64] | None:
    if labels is None:
        return None
    classes = np.asarray(labels)
    if classes.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers, not {classes.dtype}")
    if classes.shape != (len(outputs),):
        raise InputError(
            f"labels must have shape [{len(outputs)}], one per held-out sample, not "
            f"{list(classes.shape)}"
        )
    if classes.min() < 0 or classes.max() >= outputs.shape[1]:
        raise InputError(
            f"labels must be 0 to {outputs.shape[1] - 1}, as the network has "
            f"{outputs.shape[1]} outputs, not {classes.min()} to {classes.max()}"
        )
    return classes.astype(np.int64)
