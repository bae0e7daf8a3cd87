"""A trainable KAGN convolution, whose checkpoints are torch-conv-kan's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from kanhw.errors import InputError
from kanhw.importers import kagn_conv
from kanhw.layers.common import arrays, at_least, pair, positive
from kanhw.layers.kagn import gram_polynomials
from kanhw.model.convolution import ConvLayer
from kanhw.model.network import KanModel

__all__ = ["KAGNConv2DLayer"]

Pair = int | Sequence[int]


class KAGNConv2DLayer(nn.Module):
    """silu(Norm(conv(silu x) + conv([silu P_0, .., silu P_D](tanh x)))), by groups of channels.

    The padding is put around the basis values. The state_dict has the names, shapes and meaning of
    torch-conv-kan's layer: ``poly_weights`` [groups, out/g, (D + 1) in/g, rows, columns] with
    channels degree by degree, ``beta_weights`` [D + 1], ``base_conv.G.weight``, ``layer_norm.G.*``.

    Parameters
    ----------
    input_dim, output_dim
        Channels, multiples of ``groups``.
    kernel_size, padding, stride, dilation
        As those of ``nn.Conv2d``.
    degree
        D, at least 0.
    groups
        Groups of channels that do not mix.
    dropout
        Share of channels of tanh(x) that training drops.
    norm_layer
        What makes a group's norm of its channels: ``nn.BatchNorm2d``, which hardware takes for
        nothing, where the library's default is ``nn.InstanceNorm2d``; ``nn.Identity`` is none.
    **norm_kwargs
        Arguments of ``norm_layer``.

    Raises
    ------
    InputError
        If a size is too small or the groups do not divide the channels.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        kernel_size: Pair,
        degree: int = 3,
        groups: int = 1,
        padding: Pair = 0,
        stride: Pair = 1,
        dilation: Pair = 1,
        dropout: float = 0.0,
        norm_layer: Callable[..., nn.Module] = nn.BatchNorm2d,
        **norm_kwargs: Any,
    ) -> None:
        super().__init__()
        self.groups = positive("groups", groups)
        self.in_channels = positive("input_dim", input_dim)
        self.out_channels = positive("output_dim", output_dim)
        if input_dim % groups or output_dim % groups:
            raise InputError(
                f"{groups} groups do not divide {input_dim} input and {output_dim} output channels"
            )
        self.degree = at_least("degree", degree, 0)
        size = pair("kernel_size", kernel_size)
        self.stride = pair("stride", stride)
        self.padding = pair("padding", padding, 0)
        self.dilation = pair("dilation", dilation)
        self.dropout = nn.Dropout2d(dropout)
        n_in, n_out = input_dim // groups, output_dim // groups
        self.base_conv = nn.ModuleList(
            nn.Conv2d(
                n_in, n_out, size, self.stride, self.padding, self.dilation, bias=False
            )
            for _ in range(groups)
        )
        self.layer_norm = nn.ModuleList(norm_layer(n_out, **norm_kwargs) for _ in range(groups))
        self.poly_weights = nn.Parameter(torch.empty(groups, n_out, (degree + 1) * n_in, *size))
        self.beta_weights = nn.Parameter(torch.empty(degree + 1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw fresh weights; beta near 0, as its multipliers are large."""
        terms = self.poly_weights[0, 0].numel()
        with torch.no_grad():
            self.poly_weights.normal_(0.0, terms**-0.5)
            self.beta_weights.normal_(0.0, 1.0 / terms)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layer on images [N, in, H, W]: [N, out, H', W']."""
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            raise InputError(
                f"KAGNConv2DLayer takes images [N, {self.in_channels}, H, W], but the input has "
                f"shape {list(x.shape)}"
            )
        channels = self.in_channels // self.groups
        parts = [
            self._group(index, part) for index, part in enumerate(torch.split(x, channels, dim=1))
        ]
        return torch.cat(parts, dim=1)

    def _group(self, index: int, x: Tensor) -> Tensor:
        t = self.dropout(torch.tanh(x))
        basis = functional.silu(torch.cat(gram_polynomials(t, self.beta_weights), dim=1))
        y = functional.conv2d(
            basis,
            self.poly_weights[index],
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
        )
        y = y + self.base_conv[index](functional.silu(x))
        return functional.silu(self.layer_norm[index](y))

    def to_layer(self, input_shape: Sequence[int], name: str = "layer") -> ConvLayer:
        """Convert the layer as it is now to the float record, for images (C, H, W).

        Raises
        ------
        InputError
            If its norm cannot be folded, the images do not fit or a weight is NaN or infinite.
        """
        state = {f"{name}.{key}": value for key, value in arrays(self).items()}
        return kagn_conv.layer(
            state, name, self.options(), kagn_conv.input_shape(list(input_shape))
        )

    def options(self) -> dict[str, Any]:
        """What no checkpoint holds, as :mod:`kanhw.importers.kagn_conv` takes it."""
        norm = self.layer_norm[0]
        return {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "norm": type(norm).__name__,
            "eps": getattr(norm, "eps", None) or 1e-5,
        }

    def to_model(self, input_shape: Sequence[int]) -> KanModel:
        """Convert the layer on its own to a network for images (C, H, W)."""
        shape = tuple(input_shape)
        return KanModel((self.to_layer(shape),), "kanhw.layers.KAGNConv2DLayer", shape)

    def extra_repr(self) -> str:
        """Name the sizes in the module's printed form."""
        return (
            f"{self.in_channels}, {self.out_channels}, degree={self.degree}, groups={self.groups}, "
            f"stride={self.stride}, padding={self.padding}, dilation={self.dilation}"
        )
