"""Rounding that gradients pass through, and gradients that are scaled."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["round_half_up", "scale_gradient", "straight_through"]


def straight_through(value: Tensor, soft: Tensor) -> Tensor:
    """``value``, exactly, with the gradient of ``soft``."""
    return soft - soft.detach() + value.detach()


def round_half_up(x: Tensor) -> Tensor:
    """``floor(x + 1/2)``, whose gradient is taken to be 1."""
    return straight_through(torch.floor(x + 0.5), x)


def scale_gradient(x: Tensor, factor: float) -> Tensor:
    """``x`` itself, its gradient times ``factor``."""
    return x.detach() + (x - x.detach()) * factor
