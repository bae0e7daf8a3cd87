"""What networks are trained towards: classes with a reference class, one bit, or reals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kanhw.formats import FloatArray
from kanhw.quant.training.fitting.targets import Targets

__all__ = ["LEAST_ERROR", "FabricTask", "task_of"]

LEAST_ERROR = 1e-12
"""Added to mean squared errors, so that none has no logarithm."""


@dataclass(frozen=True, eq=False)
class FabricTask:
    """How sums become a loss and a figure of merit.

    Parameters
    ----------
    name
        ``classification``, ``binary`` or ``regression``.
    metric
        What the figure of merit is called; larger is better.
    outputs
        Of the network as users see it.
    reference
        The class whose output is 0, so that it costs nothing; None where every output is learned.
    scale, offset
        ``[outputs]``: reals are ``scale * sum + offset``; outputs of unequal units are learned in
        units of their own deviation.
    """

    name: str
    metric: str
    outputs: int
    reference: int | None
    scale: FloatArray
    offset: FloatArray

    @property
    def learned(self) -> list[int]:
        """The outputs that the last layer's sums are."""
        return [j for j in range(self.outputs) if j != self.reference]

    def whole(self, sums: Tensor) -> Tensor:
        """``[..., outputs]`` of the last layer's sums: the reference class is put back."""
        if self.reference is None:
            return sums
        zero = torch.zeros_like(sums[..., :1])
        at = self.reference
        return torch.cat([sums[..., :at], zero, sums[..., at:]], dim=-1)

    def loss(self, sums: Tensor, targets: Tensor) -> Tensor:
        """The loss of every network, added up: sums ``[S, N, n]``, targets ``[S, N, ...]``.

        Of reals it is the logarithm of the RMS error: a LUT is worth a share of the error, however
        small that has become.
        """
        count = sums.shape[1]
        if self.name == "classification":
            logits = self.whole(sums).flatten(0, 1)
            return functional.cross_entropy(logits, targets.flatten(), reduction="sum") / count
        if self.name == "binary":
            of_all = functional.binary_cross_entropy_with_logits(sums, targets, reduction="sum")
            return of_all / count
        error = (sums - targets).square().mean(dim=(1, 2))
        return torch.log(error + LEAST_ERROR).sum() / 2

    def merit(self, sums: Tensor, targets: Tensor) -> Tensor:
        """``[S]``: accuracy, or R2 (the mean over outputs)."""
        if self.name == "classification":
            return (self.whole(sums).argmax(-1) == targets).double().mean(1)
        if self.name == "binary":
            return ((sums > 0) == (targets > 0.5)).double().mean(dim=(1, 2))
        error = (sums - targets).double().square().mean(1)
        variance = targets.double().var(dim=1, unbiased=False)
        return (1 - error / torch.where(variance > 0, variance, 1.0)).mean(-1)

    def own_units(self, values: Tensor) -> Tensor:
        """Targets as the loss takes them."""
        if self.name != "regression":
            return values
        scale, offset = (torch.tensor(own, dtype=values.dtype) for own in (self.scale, self.offset))
        return (values - offset) / scale


def task_of(targets: Targets, outputs: int) -> FabricTask:
    """The task of targets that were understood."""
    name = targets.task.name
    reference, scale, offset = None, np.ones(outputs), np.zeros(outputs)
    if name == "classification":
        counts = np.bincount(targets.values.numpy(), minlength=outputs)
        reference = int(counts.argmax())
    if name == "regression":
        values = targets.values.double().numpy()
        spread = values.std(axis=0)
        scale, offset = np.where(spread > 0, spread, 1.0), values.mean(axis=0)
    return FabricTask(name, targets.task.metric, outputs, reference, scale, offset)
