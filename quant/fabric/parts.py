"""Which samples a seed is trained on, and which its networks are chosen by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kanhw.errors import InputError

__all__ = ["COPIES", "Part", "epoch_order", "fewest", "fold_parts", "one_part"]

COPIES = 8
"""Of every sample, each with other noise, where noise is added to features."""

# The parts are the same for all settings, so that these can be compared.
_FOLD_SEED = 0


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of all data: those that a seed is trained on, and those that it is chosen by."""

    trained: Tensor
    held_out: Tensor


def one_part(trained: int, held_out: int, seeds: int) -> tuple[Part, ...]:
    """The same part for every seed: the training rows come first.

    Parameters
    ----------
    trained, held_out
        How many rows either has.
    seeds
        How many there are.
    """
    rows = torch.arange(trained + held_out)
    return (Part(rows[:trained], rows[trained:]),) * seeds


def fold_parts(targets: Tensor, folds: int, seeds: int) -> tuple[Part, ...]:
    """Another part for every seed: the k-th holds out the k-th of so many, then they come again.

    Classes have the same share in all parts, to a row.

    Parameters
    ----------
    targets
        ``[N]`` classes, or ``[N, n_out]`` values, of all data.
    folds, seeds
        How many parts, and how many seeds.

    Raises
    ------
    InputError
        If there are fewer rows than parts.
    """
    count = len(targets)
    if count < folds:
        raise InputError(f"{count} samples cannot fall into {folds} folds: use fewer")
    order = torch.randperm(count, generator=torch.Generator().manual_seed(_FOLD_SEED))
    if targets.dim() == 1:
        order = order[torch.argsort(targets[order], stable=True)]
    parts = []
    for fold in range(folds):
        held_out = torch.zeros(count, dtype=torch.bool)
        held_out[order[fold::folds]] = True
        parts.append(Part(*(torch.nonzero(own).flatten() for own in (~held_out, held_out))))
    return tuple(parts[k % folds] for k in range(seeds))


def epoch_order(rows: Tensor, number: int, count: int, *, jitter: bool) -> Tensor:
    """The samples of an epoch in the order of steps.

    Parameters
    ----------
    rows
        Of the data, each of which is taken once.
    number
        Of the epoch: another order every time.
    count
        How many rows all data have.
    jitter
        Whether there are copies of the data with noise, of which one is taken of every row.
    """
    random = torch.Generator().manual_seed(number)
    order = rows[torch.randperm(len(rows), generator=random)]
    if not jitter:
        return order
    return order + count * torch.randint(1, COPIES + 1, order.shape, generator=random)


def fewest(parts: Sequence[Part]) -> int:
    """The rows that every seed has at least to be trained on."""
    return min(len(own.trained) for own in parts)
