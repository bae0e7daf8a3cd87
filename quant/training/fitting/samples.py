"""Samples and what a network is trained towards on them, checked against the network."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kanhw.errors import InputError
from kanhw.quant.training.fitting.result import Measured
from kanhw.quant.training.fitting.targets import Targets, understand
from kanhw.quant.training.network import QuantizedNetwork

__all__ = ["Samples", "samples_of", "targets_of"]

_MEASURED_AT_ONCE = 1024


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples and what they are trained towards."""

    x: Tensor
    targets: Targets

    def measured(self, network: nn.Module) -> Measured:
        """Loss and metric of the network as it is now; leaves it in training mode."""
        network.eval()
        with torch.no_grad():
            outputs = torch.cat([network(rows) for rows in torch.split(self.x, _MEASURED_AT_ONCE)])
        network.train()
        return self.targets.measured(outputs)


def samples_of(
    network: nn.Module,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    loss: Callable[[Tensor, Tensor], Tensor] | None,
    validation: tuple[npt.ArrayLike, npt.ArrayLike] | None,
) -> tuple[Samples, Samples | None]:
    """What is trained on, and what is measured on."""
    features, targets = _features(network, x), np.asarray(y)
    if len(features) != len(targets) or not len(features):
        raise InputError(f"There are {len(features)} samples but {len(targets)} targets")
    n_out = _outputs(network, features)
    if validation is None:
        return Samples(features, understand(targets, n_out, loss).scaled()), None
    held_out, expected = _features(network, validation[0]), np.asarray(validation[1])
    if len(held_out) != len(expected) or not len(held_out):
        raise InputError(
            f"There are {len(held_out)} validation samples but {len(expected)} targets"
        )
    own, rest = targets_of(targets, expected, n_out, loss)
    return Samples(features, own), Samples(held_out, rest)


def targets_of(
    y: npt.ArrayLike,
    held_out: npt.ArrayLike,
    n_out: int,
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> tuple[Targets, Targets]:
    """Targets that are trained on, and those of a validation part, understood alike."""
    targets, expected = np.asarray(y), np.asarray(held_out)
    if targets.shape[1:] != expected.shape[1:]:
        raise InputError(
            f"Targets of the validation part have shape {list(expected.shape)}, but those that are "
            f"trained on {list(targets.shape)}"
        )
    # Understood as one: a part by itself may look like something else.
    both = understand(np.concatenate([targets, expected]), n_out, loss)
    own = both.rows(0, len(targets)).scaled()
    return own, replace(both.rows(len(targets)), spread=own.spread)


def _features(network: nn.Module, x: npt.ArrayLike) -> Tensor:
    given = np.asarray(x)
    if given.dtype.kind not in "biuf":
        raise TypeError(f"Features x must be numbers, not {given.dtype}")
    if isinstance(network, QuantizedNetwork):
        count = math.prod(network.shape)
        if given.ndim < 2 or math.prod(given.shape[1:]) != count:
            shape = ", ".join(map(str, network.shape))
            raise InputError(f"Features x must be [N, {shape}], not {list(given.shape)}")
    return torch.tensor(given, dtype=torch.get_default_dtype())


def _outputs(network: nn.Module, features: Tensor) -> int:
    """How many outputs a network has."""
    if isinstance(network, QuantizedNetwork):
        return int(network.plan.values[-1].shape[1])
    was_training = network.training
    network.eval()
    with torch.no_grad():
        shape = list(network(features[:1]).shape)
    network.train(was_training)
    if len(shape) != 2:
        raise InputError(f"The network gives outputs of shape {shape} for 1 sample, not [1, n_out]")
    return int(shape[1])
