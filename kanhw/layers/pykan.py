"""Trainable PyKAN layers: edges that are splines, and edges that are named functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from kanhw.errors import InputError
from kanhw.layers.common import positive

__all__ = ["BASE_FUNCTIONS", "FUNCTIONS", "PyKANLayer", "PyKANSymbolic"]

BASE_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": nn.functional.silu,
    "identity": lambda x: x,
    "zero": torch.zeros_like,
}
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "0": torch.zeros_like,
    "x": lambda x: x,
    "x^2": lambda x: x**2,
    "x^3": lambda x: x**3,
    "x^4": lambda x: x**4,
    "x^5": lambda x: x**5,
    "1/x": lambda x: 1 / x,
    "1/x^2": lambda x: 1 / x**2,
    "1/x^3": lambda x: 1 / x**3,
    "1/x^4": lambda x: 1 / x**4,
    "1/x^5": lambda x: 1 / x**5,
    "sqrt": torch.sqrt,
    "x^0.5": torch.sqrt,
    "x^1.5": lambda x: torch.sqrt(x) ** 3,
    "1/sqrt(x)": torch.rsqrt,
    "1/x^0.5": torch.rsqrt,
    "exp": torch.exp,
    "log": torch.log,
    "abs": torch.abs,
    "sin": torch.sin,
    "cos": torch.cos,
    "tan": torch.tan,
    "tanh": torch.tanh,
    "sgn": torch.sign,
    "arcsin": torch.arcsin,
    "arccos": torch.arccos,
    "arctan": torch.arctan,
    "arctanh": torch.arctanh,
    "gaussian": lambda x: torch.exp(-(x**2)),
}


class PyKANLayer(nn.Module):
    """``mask * (scale_base b(x_i) + scale_sp spline(x_i))`` for every edge, summed over inputs.

    Tensors: ``grid`` [in, G + 2 p + 1] (extended knots), ``coef`` [in, out, G + p], ``mask``,
    ``scale_base`` and ``scale_sp`` [in, out].

    Parameters
    ----------
    in_features, out_features
        Inputs and sums.
    grid
        G, cells of ``grid_range``.
    k
        p, the degree of the polynomials.
    base_fun
        silu, identity or zero.
    grid_range
        Ends of the first grid; :meth:`PyKAN.update_grid` fits it to data.
    noise_scale
        How far first splines are from 0, relative to 1 / G.
    """

    grid: nn.Parameter

    def __init__(
        self,
        in_features: int,
        out_features: int,
        grid: int = 3,
        k: int = 3,
        *,
        base_fun: str = "silu",
        grid_range: Sequence[float] = (-1.0, 1.0),
        noise_scale: float = 0.3,
    ) -> None:
        super().__init__()
        for name, value in (("grid", grid), ("k", k), ("in", in_features), ("out", out_features)):
            positive(name, value)
        if base_fun not in BASE_FUNCTIONS:
            raise InputError(
                f"base_fun must be one of {', '.join(BASE_FUNCTIONS)}, not {base_fun!r}"
            )
        low, high = grid_range
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise InputError(f"grid_range must be two rising finite numbers, not {grid_range!r}")
        self.base_fun_name, self.k = base_fun, k
        inner = torch.linspace(low, high, grid + 1).repeat(in_features, 1)
        self.grid = nn.Parameter(_extended(inner, k), requires_grad=False)
        shape, fan = (in_features, out_features), 1 / math.sqrt(in_features)
        self.coef = nn.Parameter((torch.rand(*shape, grid + k) - 0.5) * noise_scale / grid)
        self.mask = nn.Parameter(torch.ones(shape), requires_grad=False)
        self.scale_base = nn.Parameter((torch.rand(shape) * 2 - 1) * fan)
        self.scale_sp = nn.Parameter(torch.full(shape, fan))

    def forward(self, x: Tensor) -> Tensor:
        """Sums [N, out] of inputs [N, in]."""
        spline = _basis(x, self.grid, self.k).flatten(1)
        coef = (self.mask * self.scale_sp).unsqueeze(-1) * self.coef
        base = BASE_FUNCTIONS[self.base_fun_name](x) @ (self.mask * self.scale_base)
        return base + spline @ coef.transpose(1, 2).flatten(0, 1)

    @torch.no_grad()
    def update_grid(self, x: Tensor, grid_eps: float = 0.02) -> None:
        """Move the knots to the quantiles of ``x`` [N, in] and fit the splines anew.

        ``grid_eps`` is the share of an even grid that is mixed in.
        """
        ordered = x.sort(dim=0).values.to(self.grid)
        cells = self.grid.shape[1] - 1 - 2 * self.k
        values = torch.einsum("nik,iok->ino", _basis(ordered, self.grid, self.k), self.coef)
        places = [len(x) * cell // cells for cell in range(cells)] + [-1]
        adaptive = ordered[places].T
        share = torch.linspace(0, 1, cells + 1).to(adaptive)
        even = adaptive[:, :1] + (adaptive[:, -1:] - adaptive[:, :1]) * share
        self.grid.copy_(_extended(grid_eps * even + (1 - grid_eps) * adaptive, self.k))
        basis = _basis(ordered, self.grid, self.k).transpose(0, 1).double()
        # The pseudo-inverse, because functions between two samples see no data.
        fitted = torch.linalg.pinv(basis, rtol=1e-6) @ values.double()
        self.coef.copy_(fitted.transpose(1, 2))


class PyKANSymbolic(nn.Module):
    """``mask * (c f(a x_i + b) + d)`` for the edges that are named functions, summed over inputs.

    Tensors: ``mask`` [out, in] and ``affine`` [out, in, 4]. ``funs_name`` [out][in] is not in the
    state_dict, as in pykan. Edges whose mask is 0 are not evaluated.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.mask = nn.Parameter(torch.zeros(out_features, in_features), requires_grad=False)
        self.affine = nn.Parameter(torch.zeros(out_features, in_features, 4))
        self.funs_name = [["0"] * in_features for _ in range(out_features)]

    def forward(self, x: Tensor) -> Tensor:
        """Sums [N, out] of inputs [N, in]."""
        columns = [x.new_zeros(len(x))] * len(self.funs_name)
        for j, i in self.mask.nonzero().tolist():
            a, b, c, d = self.affine[j, i]
            inner = FUNCTIONS[self.funs_name[j][i]](a * x[:, i] + b)
            columns[j] = columns[j] + self.mask[j, i] * (c * inner + d)
        return torch.stack(columns, dim=1)


def _basis(x: Tensor, knots: Tensor, order: int) -> Tensor:
    """Cox-de Boor as pykan computes it: x [N, in] and knots [in, M] give [N, in, M - order - 1].

    pykan turns the sum of the two terms to 0 where either is 0/0. Here nothing is divided by 0, so
    that gradients stay finite.
    """
    x = x.unsqueeze(-1)
    values = ((x >= knots[:, :-1]) & (x < knots[:, 1:])).to(x.dtype)
    for degree in range(1, order + 1):
        width = knots[:, degree:] - knots[:, :-degree]
        empty = width == 0
        progress = (x - knots[:, :-degree]) / width.masked_fill(empty, 1.0)
        values = progress[..., :-1] * values[..., :-1] + (1 - progress[..., 1:]) * values[..., 1:]
        values = values * ~(empty[:, :-1] | empty[:, 1:])
    return values


def _extended(inner: Tensor, order: int) -> Tensor:
    """Knots with ``order`` more on either side, a mean step apart."""
    step = (inner[:, -1:] - inner[:, :1]) / (inner.shape[1] - 1)
    more = torch.arange(1, order + 1).to(inner)
    return torch.cat([inner[:, :1] - step * more.flip(0), inner, inner[:, -1:] + step * more], 1)
