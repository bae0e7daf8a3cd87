"""All parameters of many networks as one tensor: a row a network, a slice a parameter."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kanhw.formats import FloatArray
from kanhw.quant.fabric.learned.structure import Structure

__all__ = ["LayerParameters", "Layout", "Parameter"]

# Fraction bits that training starts with: of hidden sums, and of outputs.
_FRACTION = {False: 4.0, True: 4.0}
_MOST_FRACTION = 10.0
# A range cannot become narrower than this share of where it started.
_NARROWEST = 0.05


@dataclass(frozen=True, eq=False)
class Parameter:
    """A parameter of every network.

    Parameters
    ----------
    layer, name
        Which one; the names are those of :class:`LayerParameters`.
    shape
        Of one network's.
    rate
        Its learning rate, in units of that of hidden coefficients.
    lower, upper
        Where it stays, the same for all of its numbers or what broadcasts to them.
    is_width
        Whether it is a width, which is frozen at the end.
    """

    layer: int
    name: str
    shape: tuple[int, ...]
    rate: float
    lower: float | FloatArray
    upper: float | FloatArray
    is_width: bool

    @property
    def size(self) -> int:
        """Numbers of one network."""
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class LayerParameters:
    """The parameters of a layer of S networks.

    Parameters
    ----------
    coefficients
        ``[S, n_out, n_in, K]`` of the edge functions.
    bias
        ``[S, n_out]``.
    address_bits
        ``[S, n_out, n_in]`` of every edge's table.
    fraction_bits
        ``[S, n_out, n_in]``: what a table hands out is a multiple of ``2**-fraction_bits``.
    code_bits
        ``[S, n_out]`` of the codes behind the sums; None for outputs.
    low, high
        ``[S, channels]``: ends of the inputs' ranges, in units of those of the start; None behind
        the first layer.
    """

    coefficients: Tensor
    bias: Tensor
    address_bits: Tensor
    fraction_bits: Tensor
    code_bits: Tensor | None = None
    low: Tensor | None = None
    high: Tensor | None = None


class Layout:
    """Where every parameter of a structure is in a row.

    Parameters
    ----------
    structure
        The network.
    """

    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self.parameters = tuple(_parameters(structure))
        self.size = sum(own.size for own in self.parameters)

    def layers(self, rows: Tensor) -> list[LayerParameters]:
        """The parameters of networks ``[S, size]``, as views."""
        parts = torch.split(rows, [own.size for own in self.parameters], dim=1)
        named: list[dict[str, Tensor]] = [{} for _ in self.structure.layers]
        for own, part in zip(self.parameters, parts, strict=True):
            named[own.layer][own.name] = part.reshape(-1, *own.shape)
        return [LayerParameters(**own) for own in named]

    def each(self, field: str) -> Tensor:
        """``[size]``: a field of :class:`Parameter` for every number of a row."""
        kind = torch.get_default_dtype()
        parts = [
            torch.tensor(np.broadcast_to(getattr(own, field), own.shape), dtype=kind).flatten()
            for own in self.parameters
        ]
        return torch.cat(parts)

    def start(self, seed: int, number: int) -> Tensor:
        """``[size]``: one of the random starts of a seed."""
        random = np.random.default_rng([seed, number])
        most = float(self.structure.most_bits)
        drawn = [layer.start(random) for layer in self.structure.layers]
        parts = []
        for own in self.parameters:
            last = own.layer == len(drawn) - 1
            values = {
                "coefficients": drawn[own.layer][0],
                "bias": drawn[own.layer][1],
                "address_bits": most,
                "fraction_bits": _FRACTION[last],
                "code_bits": most,
                "low": 0.0,
                "high": 1.0,
            }[own.name]
            drawn_values = np.broadcast_to(np.asarray(values, np.float64), own.shape)
            parts.append(drawn_values.clip(own.lower, own.upper).ravel())
        return torch.tensor(np.concatenate(parts), dtype=torch.get_default_dtype())


def _parameters(structure: Structure) -> Iterator[Parameter]:
    most, count = float(structure.most_bits), len(structure.layers)
    two_valued = structure.two_valued
    # Nothing is learned of the range and the codes of two values.
    told = np.zeros(structure.low.shape, bool) if two_valued is None else two_valued
    for index, layer in enumerate(structure.layers):
        last = index == count - 1
        edges = (layer.n_out, layer.n_in)
        functions = (*edges, layer.functions.shape[2])
        rate = 2.0 if last else 1.0
        far = math.inf
        yield Parameter(index, "coefficients", functions, rate * layer.rate, -far, far, False)
        yield Parameter(index, "bias", (layer.n_out,), 1.0, -far, far, False)
        widest = np.where(layer.reading.by_input(told), 1.0, most) if index == 0 else most
        yield Parameter(index, "address_bits", edges, 1.0, 0.0, widest, True)
        yield Parameter(index, "fraction_bits", edges, 1.0, -2.0, _MOST_FRACTION, True)
        if not last:
            yield Parameter(index, "code_bits", (layer.n_out,), 1.0, 1.0, most, True)
        if index == 0:
            inputs = structure.low.shape
            ends = [(-1.0, 0.5 - _NARROWEST), (0.5 + _NARROWEST, 2.0)]
            for name, start, (lower, upper) in zip(("low", "high"), (0.0, 1.0), ends, strict=True):
                bounds = np.where(told, start, lower), np.where(told, start, upper)
                yield Parameter(index, name, inputs, 0.2, *bounds, False)
