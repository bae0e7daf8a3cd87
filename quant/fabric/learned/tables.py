"""Tables of quantized edges, and looking them up: what has gradients that PyTorch does not know.

A width has the gradient of HGQ (Sun et al., "Gradient-based automatic mixed precision quantization
for neural networks on-chip", 2024): a rounding error falls as ``2**-bits``, so what is rounded
changes by ln 2 times what rounding has taken away.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import torch
from torch import Tensor

__all__ = ["LN2", "LookUp", "RoundedTables", "round_half_up", "slopes_of"]

LN2 = math.log(2.0)
"""What is taken away by rounding halves with every bit: the gradient of a width is in these."""


def round_half_up(values: Tensor) -> Tensor:
    """Rounded to integers, half up."""
    return torch.floor(values + 0.5)


@cache
def _entries(most_bits: int) -> Tensor:
    """``[M + 1, 2**M]``: which centre, of those of all widths, a code of M bits is read as."""
    codes = torch.arange(1 << most_bits)
    rows = [(codes >> most_bits - bits) + (1 << bits) - 1 for bits in range(most_bits + 1)]
    return torch.stack(rows)


class RoundedTables(torch.autograd.Function):
    """Tables of ``2**M`` entries, at the centres of fewer bits and before and after rounding.

    ``apply(curves, address_bits, fraction_bits)``: curves ``[..., 2**(M + 1) - 1]`` at the centres
    of 0 to M bits, widths ``[...]``. Gives both tables, ``[..., 2**M]``: rounded, and as they were.
    """

    @staticmethod
    def forward(
        ctx: Any, curves: Tensor, address_bits: Tensor, fraction_bits: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tables ``[..., 2**M]``: rounded, and as they were."""
        count = (curves.shape[-1] + 1) // 2
        entries = _entries(count.bit_length() - 1).to(curves.device)
        index = entries[round_half_up(address_bits).long()]
        smooth = curves.gather(-1, index)
        unit = torch.exp2(round_half_up(fraction_bits)).unsqueeze(-1)
        rounded = round_half_up(smooth * unit) / unit
        ctx.save_for_backward(index, curves[..., count - 1 :] - smooth, smooth - rounded)
        return rounded, smooth

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Straight through the rounding to the curves; to widths what rounding has taken away."""
        of_rounded, of_smooth = gradients
        index, coarser, error = ctx.saved_tensors
        of_curves = of_rounded.new_zeros((*index.shape[:-1], 2 * index.shape[-1] - 1))
        of_curves.scatter_add_(-1, index, of_rounded + of_smooth)
        of_address = LN2 * (coarser * of_rounded).sum(-1)
        return of_curves, of_address, LN2 * (error * of_rounded).sum(-1)


def slopes_of(curves: Tensor) -> Tensor:
    """``[..., 2**M]``: how the finest curve rises over a whole range, at every code."""
    count = (curves.shape[-1] + 1) // 2
    fine = curves.detach()[..., count - 1 :]
    ends = fine[..., 1:2] - fine[..., :1], fine[..., -1:] - fine[..., -2:-1]
    inner = (fine[..., 2:] - fine[..., :-2]) / 2
    return torch.cat([ends[0], inner, ends[1]], dim=-1) * count


class LookUp(torch.autograd.Function):
    """Sums of table entries: ``apply(tables, slopes, u)`` gives ``[S, N, n_out]``.

    Tables and slopes are ``[S, n_out, n_in, 2**M]``, shares of ranges u ``[S, N, n_in]``; beyond 0
    and 1 they read the outermost entry and have no gradient; NaN, which padding is, reads 0.
    """

    @staticmethod
    def forward(ctx: Any, tables: Tensor, slopes: Tensor, u: Tensor) -> Tensor:
        """Sums ``[S, N, n_out]``."""
        s, n_out, n_in, count = tables.shape
        nothing = torch.zeros_like(tables[..., :1])
        flat = torch.cat([nothing, tables[..., :1], tables, tables[..., -1:]], -1)
        flat = flat.permute(0, 2, 3, 1).reshape(-1, n_out)
        # Two rows before every table, nothing and what is below, and one behind it.
        place = torch.floor(u.detach() * count).clamp(-1, count)
        address = torch.nan_to_num(place, nan=-2.0).long() + 2
        base = torch.arange(s * n_in, device=u.device).reshape(s, 1, n_in) * (count + 3)
        rows = (address + base).reshape(-1, n_in)
        sums = torch.nn.functional.embedding_bag(rows, flat, mode="sum")
        ctx.save_for_backward(rows, slopes if ctx.needs_input_grad[2] else rows)
        ctx.shape = tables.shape
        return sums.reshape(s, -1, n_out)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, Tensor | None]:
        """To every entry that was read; to u by the slopes."""
        rows, slopes = ctx.saved_tensors
        s, n_out, n_in, count = ctx.shape
        own = gradients[0].reshape(-1, 1, n_out)
        spread = own.expand(-1, n_in, -1)
        of_rows = torch.ops.aten.embedding_dense_backward(
            spread, rows, s * n_in * (count + 3), -1, False
        )
        of_tables = of_rows.reshape(s, n_in, count + 3, n_out).permute(0, 3, 1, 2)
        inner = of_tables[..., 2:-1].clone()
        inner[..., 0] += of_tables[..., 1]
        inner[..., -1] += of_tables[..., -1]
        if not ctx.needs_input_grad[2]:
            return inner, None, None
        flat = torch.nn.functional.pad(slopes, (2, 1)).permute(0, 2, 3, 1).reshape(-1, n_out)
        of_u = (torch.nn.functional.embedding(rows, flat) * own).sum(-1)
        return inner, None, of_u.reshape(s, -1, n_in)
