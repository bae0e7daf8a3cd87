"""A training loop for quantized networks, for those who have none of their own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from kanhw.errors import InputError, TrainingDiverged
from kanhw.quant.training.network import QuantizedNetwork
from kanhw.quant.training.rules.activation_rule import ActivationRule
from kanhw.quant.training.rules.weight_rule import WeightRule

__all__ = ["parameter_groups", "train"]

# A mean loss this many times the first one's is not coming back.
_LOST = 10.0
# What a place in a range counts for at least, as a share of the range.
_SHARE_OF_RANGE = 0.125


def parameter_groups(network: QuantizedNetwork, learning_rate: float) -> list[dict[str, Any]]:
    """Groups for an optimiser of PyTorch: quantizers move relative to their own size.

    Adam moves every number by about the learning rate, but a step of 0.01 and a weight of 1 need
    different ones.

    Parameters
    ----------
    network
        From :func:`kanhw.quant.prepare`.
    learning_rate
        Of the weights.
    """
    sizes: dict[int, float] = {}
    for module in network.modules():
        if isinstance(module, ActivationRule | WeightRule):
            sizes.update(_sizes(module))
    weights = [p for p in network.parameters() if id(p) not in sizes]
    groups: list[dict[str, Any]] = [{"params": weights, "lr": learning_rate}]
    for parameter in network.quantizer_parameters():
        groups.append({"params": [parameter], "lr": learning_rate * sizes[id(parameter)]})
    return groups


def _sizes(rule: nn.Module) -> dict[int, float]:
    """How large each of a rule's parameters is; places (offsets, centres) by the range of codes."""
    sizes = {}
    for name, parameter in rule.named_parameters(recurse=False):
        size = float(parameter.detach().abs().mean())
        if name != "step" and isinstance(rule, ActivationRule):
            # A place near 0 is no smaller a thing than one far away.
            scale = float(rule.affine()[0].detach().mean())
            size = max(size, scale * (rule.format.count - 1) * _SHARE_OF_RANGE)
        sizes[id(parameter)] = size or 1.0
    return sizes


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
    on_epoch: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Train with Adam and a learning rate that falls to 0 along a cosine.

    Parameters
    ----------
    network
        From :func:`kanhw.quant.prepare`; any other module trains by the same schedule, to compare.
    x
        ``[N, *input_shape]`` training features.
    y
        ``[N]`` class indices (integers), or ``[N, n_out]`` reals.
    epochs
        At least 1.
    batch_size, learning_rate, seed
        Of the training; the seed is that of the order of the samples.
    loss
        Of outputs and targets; None is cross entropy for classes and mean squared error for reals.
    on_epoch
        Is told the number of each epoch, from 1, and its mean loss.

    Returns
    -------
    list of float
        The mean loss of every epoch.

    Raises
    ------
    InputError
        If the numbers of samples differ, or a number is out of its range.
    TrainingDiverged
        If the loss is not finite, or has grown tenfold; the network must not be converted then.
    """
    if epochs < 1 or batch_size < 1 or not (math.isfinite(learning_rate) and learning_rate > 0):
        raise InputError(
            "Training needs epochs and batch_size of at least 1 and a positive learning_rate, not "
            f"{epochs}, {batch_size} and {learning_rate}"
        )
    features = torch.tensor(np.asarray(x), dtype=torch.get_default_dtype())
    targets = torch.tensor(np.asarray(y))
    if len(features) != len(targets) or not len(features):
        raise InputError(f"There are {len(features)} samples but {len(targets)} targets")
    classes = not targets.is_floating_point()
    if not classes:
        targets = targets.to(features.dtype)
    measure = loss or (functional.cross_entropy if classes else functional.mse_loss)
    groups: Any = network.parameters()
    if isinstance(network, QuantizedNetwork):
        groups = parameter_groups(network, learning_rate)
    optimiser = torch.optim.Adam(groups, lr=learning_rate)
    steps = epochs * math.ceil(len(features) / batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    generator = torch.Generator().manual_seed(seed)
    losses: list[float] = []
    network.train()
    done = 0
    for epoch in range(epochs):
        total = 0.0
        for rows in torch.split(torch.randperm(len(features), generator=generator), batch_size):
            if isinstance(network, QuantizedNetwork):
                network.anneal(done / steps)
            optimiser.zero_grad()
            value = measure(network(features[rows]), targets[rows])
            value.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            total += float(value.detach()) * len(rows)
            done += 1
            if not math.isfinite(total):
                raise _diverged(network, f"its loss is {total} in epoch {epoch + 1}")
        losses.append(total / len(features))
        if losses[-1] > _LOST * losses[0]:
            raise _diverged(network, f"its loss has grown from {losses[0]:.3g} to {losses[-1]:.3g}")
        if on_epoch is not None:
            on_epoch(epoch + 1, losses[-1])
    if isinstance(network, QuantizedNetwork):
        network.anneal(1.0)
    network.eval()
    return losses


def _diverged(network: nn.Module, what: str) -> TrainingDiverged:
    if isinstance(network, QuantizedNetwork):
        network.diverged = what
    return TrainingDiverged(
        f"Training has diverged: {what}; use a smaller learning_rate, more bits or another rule"
    )
