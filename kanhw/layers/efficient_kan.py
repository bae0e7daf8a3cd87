"""Trainable KAN layers for PyTorch, whose checkpoints EfficientKAN reads too, and their pruning."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from kanhw.errors import InputError
from kanhw.importers import efficient_kan
from kanhw.layers.common import activation_name, arrays, checked_sizes, positive
from kanhw.layers.pruning import EdgeRemoval
from kanhw.model.network import KanLayer, KanModel
from kanhw.values import is_integer

__all__ = ["KAN", "KANLinear"]

# Basis values held at a time while edges are measured.
CHUNK_VALUES = 1 << 22


class KANLinear(nn.Module):
    """y_j = sum_i [ w_b[j,i] b(x_i) + s[j,i] sum_k c[j,i,k] B_k(x_i) ] on uniform B-splines.

    The state_dict has EfficientKAN's names, shapes and meaning: ``base_weight`` [out, in],
    ``spline_weight`` [out, in, G + p], ``spline_scaler`` [out, in] (unless it is switched off) and
    ``grid`` [in, G + 2 p + 1].

    Parameters
    ----------
    in_features, out_features
        Sizes of the last axis of the input and output, at least 1.
    grid_size
        G, the cells that ``grid_range`` is cut into, at least 1.
    spline_order
        p, the degree of the polynomials, at least 1.
    scale_noise
        Standard deviation of a fresh layer's spline output, relative to its base branch; small, so
        that training starts near a plain network of base activations.
    scale_base, scale_spline
        Factors on the initial ``base_weight`` and ``spline_scaler``.
    enable_standalone_scale_spline
        Whether there is a trainable ``spline_scaler``.
    base_activation
        A class of PyTorch modules, called without arguments, for b.
    grid_range
        Ends of the grid. Beyond them the splines fade to 0 within p more cells.

    Raises
    ------
    InputError
        If a size is too small or the range is empty.
    """

    grid: Tensor
    edge_mask: Tensor

    def __init__(
        self,
        in_features: int,
        out_features: int,
        grid_size: int = 5,
        spline_order: int = 3,
        *,
        scale_noise: float = 0.1,
        scale_base: float = 1.0,
        scale_spline: float = 1.0,
        enable_standalone_scale_spline: bool = True,
        base_activation: Callable[[], nn.Module] = nn.SiLU,
        grid_range: Sequence[float] = (-1.0, 1.0),
    ) -> None:
        super().__init__()
        self.in_features = positive("in_features", in_features)
        self.out_features = positive("out_features", out_features)
        self.grid_size = positive("grid_size", grid_size)
        self.spline_order = positive("spline_order", spline_order)
        knots = _extended_knots(grid_range, grid_size, spline_order)
        self.register_buffer("grid", knots.repeat(in_features, 1))
        # Not in the state_dict, where zero weights say the same.
        mask = torch.ones(out_features, in_features, dtype=torch.bool)
        self.register_buffer("edge_mask", mask, persistent=False)

        self.base_weight = nn.Parameter(torch.empty(out_features, in_features))
        self.spline_weight = nn.Parameter(
            torch.empty(out_features, in_features, grid_size + spline_order)
        )
        if enable_standalone_scale_spline:
            self.spline_scaler = nn.Parameter(torch.empty(out_features, in_features))
        else:
            self.register_parameter("spline_scaler", None)
        self.base_activation = base_activation()
        self.reset_parameters(scale_noise, scale_base, scale_spline)

    def reset_parameters(
        self, scale_noise: float = 0.1, scale_base: float = 1.0, scale_spline: float = 1.0
    ) -> None:
        """Draw fresh weights and take every pruned edge back; the arguments are the class's."""
        fan = 1.0 / math.sqrt(self.in_features)
        with torch.no_grad():
            self.base_weight.uniform_(-1.0, 1.0).mul_(math.sqrt(3.0) * fan * scale_base)
            self.spline_weight.normal_(0.0, scale_noise * fan)
            # All scalers alike: the spread is in the coefficients, and each learns equally fast.
            if self.spline_scaler is not None:
                self.spline_scaler.fill_(scale_spline)
            else:
                self.spline_weight.mul_(scale_spline)
            self.edge_mask.fill_(True)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layer.

        Parameters
        ----------
        x
            [..., in_features].

        Returns
        -------
        Tensor
            [..., out_features].
        """
        rows = self._rows(x)
        bases = _b_splines(rows, self.grid, self.spline_order).flatten(1)
        base = functional.linear(self.base_activation(rows), self._masked_base_weight())
        spline = functional.linear(bases, self._masked_spline_weight().flatten(1))
        return (base + spline).reshape(*x.shape[:-1], self.out_features)

    def prune(self, mask: Tensor) -> None:
        """Remove edges for good: their weights become 0 and stay so in further training.

        Parameters
        ----------
        mask
            [out_features, in_features], bool: True keeps an edge, as in torch.nn.utils.prune. An
            edge that an earlier call removed stays removed.

        Raises
        ------
        InputError
            If the shape is another one.
        TypeError
            If it is not a bool tensor.
        """
        if not isinstance(mask, Tensor) or mask.dtype is not torch.bool:
            raise TypeError("A pruning mask must be a bool tensor, True where an edge is kept")
        if mask.shape != self.edge_mask.shape:
            raise InputError(
                f"The pruning mask must have shape {list(self.edge_mask.shape)} "
                f"[out_features, in_features], not {list(mask.shape)}"
            )
        self.edge_mask.logical_and_(mask.to(self.edge_mask.device))
        self._zero_pruned()

    @torch.no_grad()
    def edge_norms(self, x: Tensor) -> Tensor:
        """Measure how much each edge varies.

        Parameters
        ----------
        x
            [..., in_features]: a batch of this layer's own inputs.

        Returns
        -------
        Tensor
            [out_features, in_features], float64: standard deviation of each edge's contribution.
        """
        rows = self._rows(x, at_least=2)
        weights = torch.cat(
            [self._masked_base_weight().unsqueeze(-1), self._masked_spline_weight()], dim=-1
        ).double()
        activated = self.base_activation(rows)
        step = max(1, CHUNK_VALUES // (len(rows) * self.grid.shape[1]))
        parts = []
        for start in range(0, self.in_features, step):
            part = slice(start, start + step)
            bases = _b_splines(rows[:, part], self.grid[part], self.spline_order)
            terms = torch.cat([activated[:, part].unsqueeze(-1), bases], dim=-1).double()
            # An edge is linear in its terms, so their covariance gives its variance: no need to
            # hold [N, out, in] contributions.
            terms = (terms - terms.mean(dim=0)).permute(1, 0, 2)
            covariance = terms.transpose(1, 2) @ terms / len(rows)
            chosen = weights[:, part].permute(1, 0, 2)
            parts.append(((chosen @ covariance) * chosen).sum(dim=-1).T)
        return torch.cat(parts, dim=1).clamp_min(0.0).sqrt()

    def _rows(self, x: Tensor, at_least: int = 0) -> Tensor:
        if x.ndim == 0 or x.shape[-1] != self.in_features:
            raise InputError(
                f"KANLinear takes {self.in_features} features in the last axis, but the input has "
                f"shape {list(x.shape)}"
            )
        rows = x.reshape(-1, self.in_features)
        if len(rows) < at_least:
            raise InputError(
                f"Measuring edges needs at least {at_least} samples, not {len(rows)}: pass a part "
                f"of the training data"
            )
        return rows

    def _masked_base_weight(self) -> Tensor:
        return self.base_weight * self.edge_mask

    def _masked_spline_weight(self) -> Tensor:
        factor = self.edge_mask.to(self.spline_weight.dtype)
        if self.spline_scaler is not None:
            factor = factor * self.spline_scaler
        return self.spline_weight * factor.unsqueeze(-1)

    @torch.no_grad()
    def _zero_pruned(self) -> None:
        self.base_weight.masked_fill_(~self.edge_mask, 0.0)
        self.spline_weight.masked_fill_(~self.edge_mask.unsqueeze(-1), 0.0)

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        # An optimizer's momentum moves pruned weights even though their gradient is 0.
        self._zero_pruned()
        super()._save_to_state_dict(destination, prefix, keep_vars)

    def _load_from_state_dict(self, *args: Any) -> None:
        """Take the pruned edges from the checkpoint too: they are the ones that are all zero."""
        super()._load_from_state_dict(*args)
        with torch.no_grad():
            used = (self.base_weight != 0) | (self.spline_weight != 0).any(dim=-1)
            self.edge_mask.copy_(used)

    def to_layer(self, name: str = "layer") -> KanLayer:
        """Convert the layer as it is now to the float record.

        Raises
        ------
        InputError
            If kanhw has no equal of the base activation, or a weight is NaN or infinite.
        """
        state = {f"{name}.{key}": value for key, value in arrays(self).items()}
        options = {"base_activation": activation_name(self.base_activation)}
        return efficient_kan.layer(state, name, options)

    def extra_repr(self) -> str:
        """Name the sizes in the module's printed form."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"grid_size={self.grid_size}, spline_order={self.spline_order}"
        )


class KAN(nn.Module):
    """KANLinear layers one after the other.

    Parameters
    ----------
    layers_hidden
        At least two sizes: inputs, hidden layers, outputs.
    grid_size, spline_order
        As in :class:`KANLinear`, for every layer.
    **options
        The keyword arguments of :class:`KANLinear`, for every layer.

    Raises
    ------
    InputError
        If there are fewer than two sizes, or :class:`KANLinear` refuses an argument.
    """

    def __init__(
        self,
        layers_hidden: Sequence[int],
        grid_size: int = 5,
        spline_order: int = 3,
        **options: Any,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            KANLinear(n_in, n_out, grid_size, spline_order, **options)
            for n_in, n_out in pairwise(checked_sizes("KAN", layers_hidden))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Compute the network on [..., inputs]: [..., outputs]."""
        for layer in self._kan_layers:
            x = layer(x)
        return x

    @property
    def active_edges(self) -> int:
        """Edges that pruning has left."""
        return sum(int(layer.edge_mask.sum()) for layer in self._kan_layers)

    @torch.no_grad()
    def prune_to(self, edge_count: int, x: Tensor) -> int:
        """Keep the ``edge_count`` most important edges of the whole network.

        The importance of an edge is the standard deviation of its contribution over ``x``, relative
        to that of the sum that it feeds. Edges that cannot matter go first: those whose output
        nothing reads, and those whose input is constant over ``x``. A constant contribution is lost
        with its edge, so train on for a while after each call, and prune in several steps.

        Parameters
        ----------
        edge_count
            How many edges to keep at most; fewer stay where the others became useless. With no
            more than that many edges left already, nothing changes.
        x
            [..., inputs]: at least two samples, such as a part of the training set.

        Returns
        -------
        int
            The edges that are left; each of them was left before.
        """
        if not is_integer(edge_count):
            raise TypeError(f"edge_count must be an integer, not {edge_count!r}")
        if edge_count < 0:
            raise InputError(f"edge_count must be at least 0, not {edge_count}")
        layers = self._kan_layers
        if self.active_edges <= edge_count:
            return self.active_edges
        rows = layers[0]._rows(x, at_least=2)
        importance, constant = [], []
        for layer in layers:
            constant.append((rows.amax(dim=0) == rows.amin(dim=0)).cpu().numpy())
            y = _in_chunks(layer, rows)
            spread = y.double().std(dim=0, correction=0).unsqueeze(-1)
            relative = torch.where(spread > 0, layer.edge_norms(rows) / spread, 0.0)
            importance.append(relative.cpu().numpy())
            rows = y
        removal = EdgeRemoval([layer.edge_mask.cpu().numpy().copy() for layer in layers])
        removal.remove_constant(constant)
        removal.remove_least(importance, edge_count)
        for layer, mask in zip(layers, removal.masks, strict=True):
            layer.prune(torch.from_numpy(mask))
        return self.active_edges

    def to_model(self) -> KanModel:
        """Convert the network as it is now to the float record that quantization starts from.

        Raises
        ------
        InputError
            If kanhw has no equal of the base activation, or a weight is NaN or infinite.
        """
        layers = self._kan_layers
        return KanModel(
            tuple(layer.to_layer(f"layers.{index}") for index, layer in enumerate(layers)),
            source="kanhw.layers.KAN",
        )

    @property
    def _kan_layers(self) -> list[KANLinear]:
        return [layer for layer in self.layers if isinstance(layer, KANLinear)]


def _b_splines(x: Tensor, knots: Tensor, order: int) -> Tensor:
    """Cox-de Boor on half-open cells: x [N, n] and knots [n, M] give [N, n, M - order - 1]."""
    x = x.unsqueeze(-1)
    values = ((x >= knots[:, :-1]) & (x < knots[:, 1:])).to(x.dtype)
    for degree in range(1, order + 1):
        # How far x is on the way through the support of each function of the degree below.
        progress = (x - knots[:, :-degree]) / (knots[:, degree:] - knots[:, :-degree])
        rising, falling = progress[..., :-1], 1.0 - progress[..., 1:]
        values = rising * values[..., :-1] + falling * values[..., 1:]
    return values


def _extended_knots(grid_range: Sequence[float], grid_size: int, order: int) -> Tensor:
    if len(grid_range) != 2 or not all(math.isfinite(end) for end in grid_range):
        raise InputError(f"grid_range must be two finite numbers, not {grid_range!r}")
    low, high = grid_range
    if low >= high:
        raise InputError(f"grid_range must go from a lower to a higher number, not {grid_range!r}")
    steps = torch.arange(-order, grid_size + order + 1, dtype=torch.float64)
    return (low + steps * (high - low) / grid_size).to(torch.get_default_dtype())


def _in_chunks(layer: KANLinear, rows: Tensor) -> Tensor:
    count = max(1, CHUNK_VALUES // layer.grid.numel())
    starts = range(0, len(rows), count)
    return torch.cat([layer(rows[start : start + count]) for start in starts])
