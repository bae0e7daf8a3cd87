"""Trainable FastKAN layers, whose checkpoints are FastKAN's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from kanhw.errors import InputError
from kanhw.importers import fast_kan
from kanhw.layers.common import activation_name, arrays, checked_sizes, positive, rows
from kanhw.model.network import KanLayer, KanModel

__all__ = ["FastKAN", "FastKANLayer"]


class _Bumps(nn.Module):
    """exp(-((z - g_k) / d)^2): ``[..., n]`` to ``[..., n, K]``."""

    def __init__(self, centres: Tensor, denominator: float) -> None:
        super().__init__()
        # In the checkpoint, but not trained, as in the library.
        self.grid = nn.Parameter(centres, requires_grad=False)
        self.denominator = denominator

    def forward(self, z: Tensor) -> Tensor:
        return torch.exp(-(((z.unsqueeze(-1) - self.grid) / self.denominator) ** 2))


class FastKANLayer(nn.Module):
    """y_j = sum_i sum_k W[j,i,k] exp(-((z_i - g_k)/d)^2) + sum_i w_b[j,i] b(x_i) + bias_j.

    z is LayerNorm(x). The state_dict has FastKAN's names, shapes and meaning: ``layernorm.weight``
    and ``layernorm.bias`` [in], ``rbf.grid`` [K], ``spline_linear.weight`` [out, in K],
    ``base_linear.weight`` [out, in], ``base_linear.bias`` [out].

    Parameters
    ----------
    in_features, out_features
        Sizes of the last axis of the input and output, at least 1.
    grid_min, grid_max
        The first and last centre.
    num_grids
        K, the centres, at least 2.
    use_base_update
        Whether there is a base branch, and with it a bias.
    use_layernorm
        Whether the bumps read the normalised input, or the raw one.
    base_activation
        A class of PyTorch modules, called without arguments, for b.
    denominator
        d; None is the distance between centres. No checkpoint holds it.
    spline_weight_init_scale
        Standard deviation of a fresh layer's spline weights.

    Raises
    ------
    InputError
        If a size is too small, the range is empty or the denominator not positive.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        grid_min: float = -2.0,
        grid_max: float = 2.0,
        num_grids: int = 8,
        *,
        use_base_update: bool = True,
        use_layernorm: bool = True,
        base_activation: Callable[[], nn.Module] = nn.SiLU,
        denominator: float | None = None,
        spline_weight_init_scale: float = 0.1,
    ) -> None:
        super().__init__()
        self.in_features = positive("in_features", in_features)
        self.out_features = positive("out_features", out_features)
        positive("num_grids", num_grids)
        if denominator is None:
            denominator = _distance(grid_min, grid_max, num_grids)
        if not (math.isfinite(denominator) and denominator > 0):
            raise InputError(f"denominator must be positive and finite, not {denominator}")
        self.layernorm = nn.LayerNorm(in_features) if use_layernorm else None
        self.rbf = _Bumps(torch.linspace(grid_min, grid_max, num_grids), denominator)
        self.spline_linear = nn.Linear(in_features * num_grids, out_features, bias=False)
        nn.init.trunc_normal_(self.spline_linear.weight, std=spline_weight_init_scale)
        self.base_activation = base_activation()
        self.base_linear = nn.Linear(in_features, out_features) if use_base_update else None

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layer: [..., in_features] to [..., out_features]."""
        flat = rows("FastKANLayer", x, self.in_features)
        z = flat if self.layernorm is None else self.layernorm(flat)
        y = functional.linear(self.rbf(z).flatten(1), self.spline_linear.weight)
        if self.base_linear is not None:
            y = y + self.base_linear(self.base_activation(flat))
        return y.reshape(*x.shape[:-1], self.out_features)

    def to_layer(self, name: str = "layer") -> KanLayer:
        """Convert the layer as it is now to the float record.

        Raises
        ------
        InputError
            If kanhw has no equal of the base activation, or a weight is NaN or infinite.
        """
        options: dict[str, Any] = {"denominator": self.rbf.denominator}
        if self.base_linear is not None:
            options["base_activation"] = activation_name(self.base_activation)
        if self.layernorm is not None:
            options["eps"] = self.layernorm.eps
        state = {f"{name}.{key}": value for key, value in arrays(self).items()}
        return fast_kan.layer(state, name, options)

    def extra_repr(self) -> str:
        """Name the sizes in the module's printed form."""
        return f"in_features={self.in_features}, out_features={self.out_features}"


class FastKAN(nn.Module):
    """FastKANLayer layers one after the other.

    Parameters
    ----------
    layers_hidden
        At least two sizes: inputs, hidden layers, outputs.
    grid_min, grid_max, num_grids
        As in :class:`FastKANLayer`, for every layer.
    **options
        The keyword arguments of :class:`FastKANLayer`, for every layer.

    Raises
    ------
    InputError
        If there are fewer than two sizes, or :class:`FastKANLayer` refuses an argument.
    """

    def __init__(
        self,
        layers_hidden: Sequence[int],
        grid_min: float = -2.0,
        grid_max: float = 2.0,
        num_grids: int = 8,
        **options: Any,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            FastKANLayer(n_in, n_out, grid_min, grid_max, num_grids, **options)
            for n_in, n_out in pairwise(checked_sizes("FastKAN", layers_hidden))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Compute the network on [..., inputs]: [..., outputs]."""
        for layer in self.layers:
            x = layer(x)
        return x

    def to_model(self) -> KanModel:
        """Convert the network as it is now to the float record that quantization starts from."""
        layers = [layer for layer in self.layers if isinstance(layer, FastKANLayer)]
        return KanModel(
            tuple(layer.to_layer(f"layers.{index}") for index, layer in enumerate(layers)),
            source="kanhw.layers.FastKAN",
        )


def _distance(grid_min: float, grid_max: float, num_grids: int) -> float:
    if not (math.isfinite(grid_min) and math.isfinite(grid_max) and grid_min < grid_max):
        raise InputError(
            f"grid_min and grid_max must be finite and in this order, not {grid_min} and {grid_max}"
        )
    if num_grids < 2:
        raise InputError("One centre has no distance to another: pass denominator")
    return (grid_max - grid_min) / (num_grids - 1)
