"""Units in which parameters of unequal sizes are kept, so that one learning rate suits them all."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["learning_units"]

# Sizes that differ by no more than this factor share a unit.
_ALIKE = 4.0


def learning_units(sizes: Tensor) -> Tensor:
    """What every entry of a parameter is multiplied by; 1 where they are alike.

    Adam moves all entries of a parameter by the same amount. Steps of 0.01 and 60, of features in
    different physical units, would need different ones.

    Parameters
    ----------
    sizes
        Positive, of any shape: how large the entries are when training starts.
    """
    if float(sizes.max()) <= _ALIKE * float(sizes.min()):
        return torch.ones_like(sizes)
    return sizes / sizes.mean()
