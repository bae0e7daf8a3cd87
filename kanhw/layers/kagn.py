"""Trainable KAGN layers, whose checkpoints are torch-conv-kan's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from kanhw.importers import kagn
from kanhw.layers.common import (
    activation_name,
    arrays,
    at_least,
    checked_sizes,
    positive,
    rows,
)
from kanhw.model.bases.polynomial import recurrence_factors
from kanhw.model.network import KanLayer, KanModel

__all__ = ["KAGN", "KAGNLayer", "gram_polynomials"]


def gram_polynomials(t: Tensor, beta: Tensor) -> list[Tensor]:
    """P_0..P_D of t, of any shape, for the learned beta [D + 1]."""
    degree = len(beta) - 1
    factors = beta[1:-1] * beta.new_tensor(recurrence_factors(degree))
    values = [torch.ones_like(t), t][: degree + 1]
    for m in range(2, degree + 1):
        values.append(t * values[m - 1] - factors[m - 2] * values[m - 2])
    return values


class KAGNLayer(nn.Module):
    """act(LayerNorm_j(sum_i w_b[j,i] act(x_i) + sum_i sum_d W[i,j,d] act(P_d(tanh x_i)))).

    The state_dict has the names, shapes and meaning of torch-conv-kan's GRAMLayer:
    ``beta_weights`` [D + 1], ``grams_basis_weights`` [in, out, D + 1], ``base_weights`` [out, in],
    ``norm.weight`` and ``norm.bias`` [out].

    Parameters
    ----------
    in_features, out_features
        Sizes of the last axis of the input and output, at least 1.
    degree
        D, at least 0.
    base_activation
        A class of PyTorch modules, called without arguments, for act.

    Raises
    ------
    InputError
        If a size is too small.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        degree: int = 3,
        base_activation: Callable[[], nn.Module] = nn.SiLU,
    ) -> None:
        super().__init__()
        self.in_features = positive("in_features", in_features)
        self.out_features = positive("out_features", out_features)
        self.degree = at_least("degree", degree, 0)
        self.base_activation = base_activation()
        self.beta_weights = nn.Parameter(torch.empty(degree + 1))
        self.grams_basis_weights = nn.Parameter(torch.empty(in_features, out_features, degree + 1))
        self.base_weights = nn.Parameter(torch.empty(out_features, in_features))
        self.norm = nn.LayerNorm(out_features)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw fresh weights; beta near 0, as its multipliers are large."""
        terms = self.in_features * (self.degree + 1)
        with torch.no_grad():
            self.beta_weights.normal_(0.0, 1.0 / terms)
            self.grams_basis_weights.normal_(0.0, terms**-0.5)
            self.base_weights.normal_(0.0, self.in_features**-0.5)
        self.norm.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layer: [..., in_features] to [..., out_features]."""
        act = self.base_activation
        flat = rows("KAGNLayer", x, self.in_features)
        basis = torch.stack(gram_polynomials(torch.tanh(flat), self.beta_weights), dim=-1)
        y = torch.einsum("nid,iod->no", act(basis), self.grams_basis_weights)
        y = y + functional.linear(act(flat), self.base_weights)
        y = functional.layer_norm(
            y, (self.out_features,), self.norm.weight, self.norm.bias, self.norm.eps
        )
        result: Tensor = act(y).reshape(*x.shape[:-1], self.out_features)
        return result

    def to_layer(self, name: str = "layer") -> KanLayer:
        """Convert the layer as it is now to the float record.

        Raises
        ------
        InputError
            If kanhw has no equal of the activation, or a weight is NaN or infinite.
        """
        state = {f"{name}.{key}": value for key, value in arrays(self).items()}
        options = {"base_activation": activation_name(self.base_activation), "eps": self.norm.eps}
        return kagn.layer(state, name, options)

    def extra_repr(self) -> str:
        """Name the sizes in the module's printed form."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"degree={self.degree}"
        )


class KAGN(nn.Module):
    """KAGNLayer layers one after the other.

    Parameters
    ----------
    layers_hidden
        At least two sizes: inputs, hidden layers, outputs.
    degree
        As in :class:`KAGNLayer`, for every layer.
    **options
        The other arguments of :class:`KAGNLayer`, for every layer.

    Raises
    ------
    InputError
        If there are fewer than two sizes, or :class:`KAGNLayer` refuses an argument.
    """

    def __init__(self, layers_hidden: Sequence[int], degree: int = 3, **options: Any) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            KAGNLayer(n_in, n_out, degree, **options)
            for n_in, n_out in pairwise(checked_sizes("KAGN", layers_hidden))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Compute the network on [..., inputs]: [..., outputs]."""
        for layer in self.layers:
            x = layer(x)
        return x

    def to_model(self) -> KanModel:
        """Convert the network as it is now to the float record that quantization starts from."""
        layers = [layer for layer in self.layers if isinstance(layer, KAGNLayer)]
        return KanModel(
            tuple(layer.to_layer(f"layers.{index}") for index, layer in enumerate(layers)),
            source="kanhw.layers.KAGN",
        )
