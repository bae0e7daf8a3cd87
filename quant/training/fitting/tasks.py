"""Tasks that a network can be trained for: what is minimised, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["TASKS", "Task", "given_task"]


@dataclass(frozen=True)
class Task:
    """What outputs are to become, and how that is measured.

    Parameters
    ----------
    name
        ``classification``, ``binary``, ``regression``, or ``given`` for a loss of one's own.
    loss, metric
        What they are called.
    loss_of
        The loss of outputs ``[N, n_out]`` and targets, with gradients.
    metric_of
        The figure of merit of outputs and targets; larger is better, but for a loss of one's own.
    """

    name: str
    loss: str
    metric: str
    loss_of: Callable[[Tensor, Tensor], Tensor]
    metric_of: Callable[[Tensor, Tensor], float]


def _accuracy(outputs: Tensor, classes: Tensor) -> float:
    return float((outputs.argmax(dim=1) == classes).double().mean())


def _side_accuracy(outputs: Tensor, targets: Tensor) -> float:
    # Class 1 is an output above 0, as reports have it.
    return float(((outputs > 0) == (targets > 0.5)).double().mean())


def _determination(outputs: Tensor, targets: Tensor) -> float:
    """R2, the mean over outputs; an output that never varies counts by its error alone."""
    outputs, targets = outputs.double(), targets.double()
    error = (outputs - targets).square().mean(dim=0)
    variance = targets.var(dim=0, unbiased=False)
    return float((1 - error / torch.where(variance > 0, variance, 1.0)).mean())


TASKS: dict[str, Task] = {
    "classification": Task(
        "classification", "cross entropy", "accuracy", functional.cross_entropy, _accuracy
    ),
    "binary": Task(
        "binary",
        "binary cross entropy of the output as a logit",
        "accuracy",
        functional.binary_cross_entropy_with_logits,
        _side_accuracy,
    ),
    "regression": Task(
        "regression", "mean squared error", "R2", functional.mse_loss, _determination
    ),
}


def given_task(loss: Callable[[Tensor, Tensor], Tensor]) -> Task:
    """The task of a loss of one's own, which is its metric, too."""
    name = getattr(loss, "__name__", type(loss).__name__)
    return Task("given", name, name, loss, lambda outputs, targets: float(loss(outputs, targets)))
