"""Understanding what a network is to be trained towards: classes, one bit, or reals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kanhw.errors import InputError
from kanhw.quant.training.fitting.result import Measured
from kanhw.quant.training.fitting.tasks import TASKS, Task, given_task

__all__ = ["Targets", "understand"]

# Outputs whose spreads differ by more than this factor each count by their own.
_COMPARABLE = 4.0


@dataclass(frozen=True, eq=False)
class Targets:
    """Targets in the form that a task's loss takes.

    Parameters
    ----------
    task
        What they were understood to be.
    values
        ``[N]`` class indices, or ``[N, n_out]`` reals.
    spread
        ``[n_out]``: what an error of every output is divided by in the loss; None for none.
    """

    task: Task
    values: Tensor
    spread: Tensor | None = None

    @property
    def loss(self) -> str:
        """The name of the loss."""
        suffix = "" if self.spread is None else ", every output over its own variance"
        return self.task.loss + suffix

    def loss_of(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of outputs and some rows of the values."""
        if self.spread is not None:
            outputs, targets = outputs / self.spread, targets / self.spread
        return self.task.loss_of(outputs, targets)

    def measured(self, outputs: Tensor) -> Measured:
        """Loss and metric of outputs ``[N, n_out]``, without gradients."""
        with torch.no_grad():
            loss = float(self.loss_of(outputs, self.values))
            return Measured(loss, self.task.metric_of(outputs, self.values))

    def measured_on(self, outputs: npt.NDArray[np.float64]) -> Measured:
        """The same of numbers that are no tensor."""
        return self.measured(_reals(outputs))

    def rows(self, start: int, stop: int | None = None) -> Targets:
        """Those of some samples."""
        return replace(self, values=self.values[start:stop])

    def scaled(self) -> Targets:
        """The same, regarding every output in its own unit where their spreads are unequal."""
        if self.task.name != "regression" or self.values.shape[1] < 2:
            return self
        spread = self.values.std(dim=0, unbiased=False)
        spread = torch.where(spread > 0, spread, spread.max())
        if float(spread.max()) <= _COMPARABLE * float(spread.min()):
            return self
        return replace(self, spread=spread)


def understand(
    y: npt.ArrayLike, n_out: int, loss: Callable[[Tensor, Tensor], Tensor] | None = None
) -> Targets:
    """Say what targets are, and bring them into the form that the loss takes.

    Parameters
    ----------
    y
        One output: ``[N]`` or ``[N, 1]`` reals, or classes 0 and 1 as integers or bools. Several
        outputs: ``[N]`` or ``[N, 1]`` class indices, one-hot rows, or ``[N, n_out]`` reals.
    n_out
        The network's outputs.
    loss
        One's own: targets of one output are ``[N, 1]`` reals for it, others are as they are given.

    Raises
    ------
    InputError
        If they are none of these; it says what is allowed.
    TypeError
        If they are no numbers.
    """
    given = np.asarray(y)
    if given.dtype.kind not in "biuf":
        raise TypeError(
            f"Targets y must be numbers, not {given.dtype}: give classes as integers from 0 on"
        )
    if given.dtype.kind == "f" and not np.isfinite(given).all():
        raise InputError("Targets y hold NaN or infinity: remove or fill those rows")
    if given.ndim == 2 and given.shape[1] == 1:
        given = given[:, 0]
    if given.ndim != 1 and given.shape[1:] != (n_out,):
        raise InputError(f"Targets y have shape {list(given.shape)}: {_allowed(n_out)}")
    if loss is not None:
        own = given[:, None] if given.ndim == 1 and n_out == 1 else given
        reals = own.dtype.kind == "f" or n_out == 1
        return Targets(given_task(loss), _reals(own) if reals else _integers(own))
    if given.ndim == 2:
        return _of_rows(given, n_out)
    return _of_one_output(given) if n_out == 1 else _of_classes(given, n_out)


def _of_one_output(given: npt.NDArray[Any]) -> Targets:
    """One number a sample, for one output."""
    whole = given.dtype.kind != "f"
    two = whole and bool(((given == 0) | (given == 1)).all())
    return Targets(TASKS["binary" if two else "regression"], _reals(given[:, None]))


def _of_classes(given: npt.NDArray[Any], n_out: int) -> Targets:
    """One number a sample, for several outputs."""
    if given.dtype.kind == "f":
        hint = "; if these are classes, pass y.astype(int)" if _whole(given) else ""
        raise InputError(f"Targets y are {len(given)} reals, one a sample: {_allowed(n_out)}{hint}")
    classes = _integers(given)
    low, high = int(classes.min()), int(classes.max())
    if low < 0 or high >= n_out:
        hint = "; these start at 1: pass y - 1" if low == 1 and high == n_out else ""
        raise InputError(
            f"Targets y are classes {low} to {high}, but a network of {n_out} outputs has classes "
            f"0 to {n_out - 1}{hint}"
        )
    return Targets(TASKS["classification"], classes)


def _of_rows(given: npt.NDArray[Any], n_out: int) -> Targets:
    """A row of n_out numbers a sample."""
    bits = bool(((given == 0) | (given == 1)).all())
    if bits and bool((given.sum(axis=1) == 1).all()):
        return Targets(TASKS["classification"], _integers(given.argmax(axis=1)))
    if bits and given.dtype.kind != "f":
        raise InputError(
            "Targets y are rows of 0 and 1 with not exactly one 1 each, several labels a sample: "
            "pass a loss, such as torch.nn.functional.binary_cross_entropy_with_logits, and "
            f"y.astype(float); else {_allowed(n_out)}"
        )
    return Targets(TASKS["regression"], _reals(given))


def _allowed(n_out: int) -> str:
    if n_out == 1:
        return "for one output there must be [N] or [N, 1] reals, or classes 0 and 1 as integers"
    return (
        f"for {n_out} outputs there must be [N] integers, classes 0 to {n_out - 1}, one-hot rows, "
        f"or [N, {n_out}] reals"
    )


def _whole(values: npt.NDArray[Any]) -> bool:
    return bool((values == np.floor(values)).all())


def _reals(values: npt.NDArray[Any]) -> Tensor:
    return torch.tensor(values.astype(np.float64), dtype=torch.get_default_dtype())


def _integers(values: npt.NDArray[Any]) -> Tensor:
    return torch.tensor(values.astype(np.int64))
