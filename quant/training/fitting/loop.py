"""A training loop for quantized networks, for those who have none of their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor, nn

from kanhw.errors import InputError, TrainingDiverged
from kanhw.quant.training.fitting.groups import parameter_groups
from kanhw.quant.training.fitting.result import Measured, Training
from kanhw.quant.training.fitting.samples import Samples, samples_of
from kanhw.quant.training.network import QuantizedNetwork
from kanhw.values import brief, is_integer, is_number, plain

__all__ = ["train"]

# A mean loss this many times the first one's is not coming back.
_LOST = 10.0


def train(
    network: QuantizedNetwork | nn.Module,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    epochs: int,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    seed: int = 0,
    validation: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    patience: int | None = None,
    on_epoch: Callable[[int, float], None] | None = None,
) -> Training:
    """Train with Adam and a learning rate that falls to 0 along a cosine.

    Parameters
    ----------
    network
        From :func:`kanhw.prepare`; any other module trains by the same schedule, to compare.
    x
        ``[N, *input_shape]`` training features.
    y
        One output: ``[N]`` or ``[N, 1]`` reals, or classes 0 and 1 as integers or bools. Several
        outputs: ``[N]`` class indices, one-hot rows, or ``[N, n_out]`` reals.
    epochs
        At least 1.
    batch_size, learning_rate, seed
        Of the training; the seed is that of the order of the samples.
    loss
        Of outputs and targets; None is cross entropy for classes and mean squared error for reals,
        of every output over its variance where these are unequal.
    validation
        Features and targets that are not trained on: the network ends with the parameters of the
        epoch of the least loss on them.
    patience
        Epochs without a smaller validation loss after which training stops; None never does.
    on_epoch
        Is told the number of each epoch, from 1, and its mean loss.

    Returns
    -------
    Training
        The losses, what loss and metric are, and which epoch was kept.

    Raises
    ------
    InputError
        If the numbers of samples differ, a number is out of its range, or targets do not fit the
        network's outputs.
    TypeError
        If ``network`` is no module, or targets are no numbers.
    TrainingDiverged
        If the loss is not finite, or has grown tenfold; the network must not be converted then.
    """
    if not isinstance(network, nn.Module):
        raise TypeError(
            "train takes the network that kanhw.prepare(model, x, config) gives, not "
            f"{type(network).__name__}"
        )
    epochs, batch_size, learning_rate = map(plain, (epochs, batch_size, learning_rate))
    patience, seed = plain(patience), plain(seed)
    _check(epochs, batch_size, learning_rate, patience, validation is not None)
    if not is_integer(seed):
        raise TypeError(f"seed must be an integer, not {brief(seed)}")
    data, held_out = samples_of(network, x, y, loss, validation)
    steps = epochs * math.ceil(len(data.x) / batch_size)
    run = _Run(network, learning_rate, steps)
    generator = torch.Generator().manual_seed(seed)
    losses: list[float] = []
    best = _Best(network, held_out)
    network.train()
    best.look(0)
    for epoch in range(1, epochs + 1):
        order = torch.randperm(len(data.x), generator=generator)
        losses.append(run.epoch(data, torch.split(order, batch_size), epoch))
        if losses[-1] > _LOST * losses[0]:
            raise _diverged(network, f"its loss has grown from {losses[0]:.3g} to {losses[-1]:.3g}")
        if on_epoch is not None:
            on_epoch(epoch, losses[-1])
        best.look(epoch)
        if patience is not None and epoch - best.epoch >= patience:
            break
    best.restore()
    if isinstance(network, QuantizedNetwork):
        network.anneal(1.0)
    network.eval()
    return Training(
        task=data.targets.task.name,
        loss=data.targets.loss,
        metric=data.targets.task.metric,
        losses=tuple(losses),
        validation=tuple(best.seen),
        kept_epoch=best.epoch,
        stopped_early=len(losses) < epochs,
    )


class _Run:
    """The optimiser of a network, and how far it is."""

    def __init__(self, network: nn.Module, learning_rate: float, steps: int) -> None:
        self.network, self.steps, self.done = network, steps, 0
        groups: Any = network.parameters()
        if isinstance(network, QuantizedNetwork):
            groups = parameter_groups(network, learning_rate)
        self.optimiser = torch.optim.Adam(groups, lr=learning_rate)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimiser, steps)

    def epoch(self, data: Samples, batches: Iterable[Tensor], number: int) -> float:
        """Train on every batch once; the mean loss."""
        total = 0.0
        for rows in batches:
            if isinstance(self.network, QuantizedNetwork):
                self.network.anneal(self.done / self.steps)
            self.optimiser.zero_grad()
            value = data.targets.loss_of(self.network(data.x[rows]), data.targets.values[rows])
            value.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            self.schedule.step()
            total += float(value.detach()) * len(rows)
            self.done += 1
            if not math.isfinite(total):
                raise _diverged(self.network, f"its loss is {total} in epoch {number}")
        return total / len(data.x)


class _Best:
    """The parameters of the least validation loss so far; those of the last epoch without data."""

    def __init__(self, network: nn.Module, held_out: Samples | None) -> None:
        self.network, self.held_out = network, held_out
        self.epoch = 0
        self.seen: list[Measured] = []
        self.state: dict[str, Tensor] = {}

    def look(self, epoch: int) -> None:
        """Measure, and keep the parameters where they are the best."""
        if self.held_out is None:
            self.epoch = epoch
            return
        now = self.held_out.measured(self.network)
        if not self.seen or now.loss < self.seen[self.epoch].loss:
            self.epoch = epoch
            self.state = {name: own.clone() for name, own in self.network.state_dict().items()}
        self.seen.append(now)

    def restore(self) -> None:
        """Give the network its best parameters back."""
        if self.held_out is not None:
            self.network.load_state_dict(self.state)


def _check(
    epochs: object, batch_size: object, learning_rate: object, patience: object, validated: bool
) -> None:
    good = all(is_integer(value) and value >= 1 for value in (epochs, batch_size))
    if not (good and is_number(learning_rate) and 0 < learning_rate < math.inf):
        raise InputError(
            "Training needs epochs and batch_size of at least 1 and a positive learning_rate, not "
            f"{brief(epochs)}, {brief(batch_size)} and {brief(learning_rate)}"
        )
    if patience is not None and not (is_integer(patience) and patience >= 1):
        raise InputError(f"patience must be None or at least 1 epoch, not {brief(patience)}")
    if patience is not None and not validated:
        raise InputError("patience needs validation=(x, y): data that are not trained on")


def _diverged(network: nn.Module, what: str) -> TrainingDiverged:
    if isinstance(network, QuantizedNetwork):
        network.diverged = what
    return TrainingDiverged(
        f"Training has diverged: {what}; use a smaller learning_rate, more bits or another rule"
    )
