"""Functions that are looked up by code while a network trains, as they are in hardware."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["cell_slopes", "look_up"]


def look_up(addresses: Tensor, real: Tensor, table: Tensor, slopes: Tensor) -> Tensor:
    """Functions at codes, with a gradient to the reals that the codes stand for.

    Parameters
    ----------
    addresses
        ``[N, n_in]`` int64.
    real
        ``[N, n_in]``: receives the gradient.
    table
        ``[T, A, F]``: F functions at every code, of every input or (T = 1) of all alike.
    slopes
        As ``table``: their derivatives.

    Returns
    -------
    Tensor
        ``[N, n_in, F]``.
    """
    if len(table) > 1:
        depth = table.shape[1]
        offsets = torch.arange(len(table), device=addresses.device) * depth
        addresses = addresses + offsets
    flat = table.flatten(0, 1), slopes.flatten(0, 1)
    result: Tensor = _LookUp.apply(real, addresses, *flat)  # type: ignore[no-untyped-call]
    return result


class _LookUp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, real: Tensor, rows: Tensor, table: Tensor, slopes: Tensor) -> Tensor:
        ctx.save_for_backward(rows, slopes)
        return functional.embedding(rows, table)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, None, None]:
        if not ctx.needs_input_grad[0]:
            return None, None, None, None
        rows, slopes = ctx.saved_tensors
        return (gradients[0] * functional.embedding(rows, slopes)).sum(-1), None, None, None


def cell_slopes(table: Tensor, step: Tensor) -> Tensor:
    """Derivatives ``[T, A, F]`` of tabulated functions: differences over neighbouring codes.

    A code stands for a whole cell of reals, over which this is about the mean slope; the ends take
    one neighbour only.

    Parameters
    ----------
    table
        ``[T, A, F]``.
    step
        ``[T]`` or ``[1]``: reals between two codes.
    """
    if table.shape[1] == 1:
        return torch.zeros_like(table)
    inner = (table[:, 2:] - table[:, :-2]) / 2
    ends = table[:, 1:2] - table[:, :1], table[:, -1:] - table[:, -2:-1]
    return torch.cat([ends[0], inner, ends[1]], dim=1) / step.reshape(-1, 1, 1)
