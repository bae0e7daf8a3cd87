"""Trainable PyKAN networks: same tensor names and outputs as pykan 0.2.8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from kanhw.errors import InputError
from kanhw.importers.pykan import network as pykan
from kanhw.layers.common import arrays, at_least
from kanhw.layers.pykan import BASE_FUNCTIONS, FUNCTIONS, PyKANLayer, PyKANSymbolic
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.bases.repeated_knots import RepeatedKnotBasis
from kanhw.model.network import KanLayer, KanModel, ModelLayer
from kanhw.model.products import Products

__all__ = ["PyKAN"]

Width = Sequence[int | Sequence[int]]


class PyKAN(nn.Module):
    """A network of numeric and symbolic edges and multiplication nodes.

    ``load_state_dict`` takes the state_dict of pykan's KAN (MultKAN) of the same sizes, and pykan's
    takes this one's. Names of symbolic functions are no part of it: copy
    ``symbolic_fun[l].funs_name``.

    Parameters
    ----------
    width
        Nodes of every layer, the inputs first: a number of sums, or ``[sums, products]``.
    grid, k
        Cells and order of the splines, for all layers or one for each.
    mult_arity
        Sums that a product takes: one number, or a list for each layer of nodes.
    base_fun
        silu, identity or zero.
    symbolic_enabled
        Whether symbolic edges take part.
    affine_trainable
        Whether the scales and biases of nodes are trained.
    grid_range, noise_scale
        See :class:`PyKANLayer`.

    Raises
    ------
    InputError
        If a size is too small, or lists do not fit the width.
    """

    def __init__(
        self,
        width: Width,
        grid: int | Sequence[int] = 3,
        k: int | Sequence[int] = 3,
        mult_arity: int | Sequence[Sequence[int]] = 2,
        *,
        base_fun: str = "silu",
        symbolic_enabled: bool = True,
        affine_trainable: bool = False,
        grid_range: Sequence[float] = (-1.0, 1.0),
        noise_scale: float = 0.3,
    ) -> None:
        super().__init__()
        self.width = [_node_counts(entry) for entry in width]
        if len(self.width) < 2 or self.width[0][1]:
            raise InputError(
                f"width must hold at least two layers, the first without products, not {width!r}"
            )
        self.mult_arity = mult_arity
        self.symbolic_enabled = symbolic_enabled
        self.base_fun_name = base_fun
        self.arities = [
            _arities(mult_arity, layer, self.width[layer][1]) for layer in range(1, len(self.width))
        ]
        depth = len(self.arities)
        grids, orders = _per_layer("grid", grid, depth), _per_layer("k", k, depth)
        self.act_fun, self.symbolic_fun = nn.ModuleList(), nn.ModuleList()
        for layer, arities in enumerate(self.arities):
            n_in, nodes = sum(self.width[layer]), sum(self.width[layer + 1])
            sums = self.width[layer + 1][0] + sum(arities)
            self.act_fun.append(
                PyKANLayer(
                    n_in,
                    sums,
                    grids[layer],
                    orders[layer],
                    base_fun=base_fun,
                    grid_range=grid_range,
                    noise_scale=noise_scale,
                )
            )
            self.symbolic_fun.append(PyKANSymbolic(n_in, sums))
            for name, size in (("node", nodes), ("subnode", sums)):
                for kind, fresh in (("bias", torch.zeros(size)), ("scale", torch.ones(size))):
                    value = nn.Parameter(fresh, requires_grad=affine_trainable)
                    self.register_parameter(f"{name}_{kind}_{layer}", value)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [N, nodes of the last layer] of inputs [N, nodes of the first]."""
        if x.ndim != 2 or x.shape[1] != self.width[0][0]:
            raise InputError(f"PyKAN takes inputs [N, {self.width[0][0]}], not {list(x.shape)}")
        for layer in range(len(self.arities)):
            x = self._layer(layer, x)
        return x

    def _layer(self, layer: int, x: Tensor) -> Tensor:
        u: Tensor = self.act_fun[layer](x)
        if self.symbolic_enabled:
            u = u + self.symbolic_fun[layer](x)
        u = self._affine("subnode", layer, u)
        start = self.width[layer + 1][0]
        nodes = [u[:, :start]]
        for arity in self.arities[layer]:
            nodes.append(u[:, start : start + arity].prod(dim=1, keepdim=True))
            start += arity
        return self._affine("node", layer, torch.cat(nodes, dim=1))

    def _affine(self, name: str, layer: int, values: Tensor) -> Tensor:
        scale, bias = (self.get_parameter(f"{name}_{kind}_{layer}") for kind in ("scale", "bias"))
        return scale * values + bias

    @torch.no_grad()
    def fix_symbolic(
        self,
        layer: int,
        i: int,
        j: int,
        function: str,
        affine: Sequence[float] = (1.0, 0.0, 1.0, 0.0),
    ) -> None:
        """Make the edge from input i to sum j the function ``c f(a x + b) + d``, and that alone.

        Parameters
        ----------
        layer, i, j
            The edge.
        function
            One of :data:`kanhw.model.symbolic.SYMBOLICFUNCTIONS`.
        affine
            a, b, c, d.
        """
        if function not in FUNCTIONS:
            raise InputError(
                f"Unknown symbolic function {function!r}; known are {', '.join(FUNCTIONS)}"
            )
        numeric, symbolic = self._edge_layers(layer)
        symbolic.funs_name[j][i] = function
        symbolic.mask[j, i] = 1.0
        symbolic.affine[j, i] = torch.tensor(affine).to(symbolic.affine)
        numeric.mask[i, j] = 0.0

    @torch.no_grad()
    def update_grid(self, x: Tensor, grid_eps: float = 0.02) -> None:
        """Fit the knots of every layer to what a batch [N, in] sends there; see pykan's fit()."""
        for layer in range(len(self.arities)):
            numeric, _ = self._edge_layers(layer)
            numeric.update_grid(x, grid_eps)
            x = self._layer(layer, x)

    def _edge_layers(self, layer: int) -> tuple[PyKANLayer, PyKANSymbolic]:
        numeric, symbolic = self.act_fun[layer], self.symbolic_fun[layer]
        if not (isinstance(numeric, PyKANLayer) and isinstance(symbolic, PyKANSymbolic)):
            raise TypeError(f"Layer {layer} of this network is no layer of PyKAN's")
        return numeric, symbolic

    def to_model(self) -> KanModel:
        """Convert the network as it is now to the float record that quantization starts from.

        Raises
        ------
        InputError
            If a parameter is NaN or infinite.
        """
        names = [self._edge_layers(layer)[1].funs_name for layer in range(len(self.arities))]
        options = {
            "base_activation": self.base_fun_name,
            "mult_arity": self.mult_arity,
            "symbolic_enabled": self.symbolic_enabled,
            "symbolic_names": names,
        }
        return replace(pykan.build(arrays(self), options), source="kanhw.layers.PyKAN")

    @staticmethod
    def from_model(model: KanModel) -> PyKAN:
        """Make the trainable network of a float record, in PyTorch's default type.

        What was folded stays folded: masks, ``scale_sp`` and subnode scales are 1, a bias is the
        subnodes'.

        Raises
        ------
        InputError
            If a layer is not B-splines, a base branch of silu, identity or zero, symbolic edges
            and products; the message names it.
        """
        for layer in model.layers:
            _check_trainable(layer, model)
        layers = [layer for layer in model.layers if isinstance(layer, KanLayer)]
        arities: list[tuple[int, ...]] = [()]
        width: list[tuple[int, int]] = [(layers[0].n_in, 0)]
        cells: list[int] = []
        orders: list[int] = []
        for layer in layers:
            products = _products(layer)
            width.append((products.sum_count, len(products.arities)))
            arities.append(products.arities)
            orders.append(layer.basis.spare)
            cells.append(layer.basis.count - layer.basis.spare)
        name = layers[0].base_activation.name
        network = PyKAN(width, cells, orders, arities, base_fun=name)
        with torch.no_grad():
            for index, layer in enumerate(layers):
                network._take(index, layer)
        return network

    def _take(self, index: int, layer: KanLayer) -> None:
        numeric, symbolic = self._edge_layers(index)
        products = _products(layer)
        basis = layer.basis
        if isinstance(basis, BSplineBasis | RepeatedKnotBasis):
            numeric.grid.copy_(torch.tensor(basis.knots))
        numeric.coef.copy_(torch.tensor(layer.coefficients).transpose(0, 1))
        numeric.scale_base.copy_(torch.tensor(layer.base_weights).T)
        numeric.scale_sp.fill_(1.0)
        for edge in layer.symbolic:
            symbolic.funs_name[edge.j][edge.i] = edge.function
            symbolic.mask[edge.j, edge.i] = 1.0
            symbolic.affine[edge.j, edge.i] = torch.tensor([edge.a, edge.b, edge.c, edge.d])
        for name, values in (
            ("subnode_bias", layer.bias),
            ("node_scale", products.scale),
            ("node_bias", products.bias),
        ):
            self.get_parameter(f"{name}_{index}").copy_(torch.tensor(values))


def _node_counts(entry: int | Sequence[int]) -> tuple[int, int]:
    sums, products = (entry, 0) if isinstance(entry, int) else entry
    if at_least("sums", sums, 0) + at_least("products", products, 0) < 1:
        raise InputError(f"A layer's width must be a count, or [sums, products], not {entry!r}")
    return sums, products


def _arities(given: int | Sequence[Sequence[int]], layer: int, products: int) -> tuple[int, ...]:
    arities: tuple[int, ...] = ()
    if isinstance(given, int):
        arities = (given,) * products
    elif layer < len(given):
        arities = tuple(given[layer])
    if len(arities) != products or min(arities, default=2) < 2:
        raise InputError(
            f"mult_arity must give the {products} products of layer {layer} at least 2 sums each, "
            f"not {given!r}"
        )
    return arities


def _per_layer(name: str, given: int | Sequence[int], depth: int) -> list[int]:
    values = [given] * depth if isinstance(given, int) else list(given)
    if len(values) != depth:
        raise InputError(f"{name} must be one number, or {depth} of them, not {given!r}")
    return values


def _products(layer: KanLayer) -> Products:
    """The products of a layer, or those of one that has none."""
    for step in layer.post:
        if isinstance(step, Products):
            return step
    return Products(layer.n_sums, (), np.ones(layer.n_sums), np.zeros(layer.n_sums))


def _check_trainable(layer: ModelLayer, model: KanModel) -> None:
    first = model.layers[0]
    fits = (
        isinstance(layer, KanLayer)
        and isinstance(first, KanLayer)
        and isinstance(layer.basis, BSplineBasis | RepeatedKnotBasis)
        and layer.spline_norm is None
        and all(isinstance(step, Products) for step in layer.post)
        and len(layer.post) <= 1
        and layer.base_activation == first.base_activation
        and layer.base_activation.name in BASE_FUNCTIONS
        and not layer.base_activation.scale
        and len({(edge.j, edge.i) for edge in layer.symbolic}) == len(layer.symbolic)
    )
    if not fits:
        raise InputError(
            f"{layer.name} has no equal in PyKAN, whose layers are B-splines, one base function "
            f"({', '.join(BASE_FUNCTIONS)}) in all layers, symbolic edges and products"
        )
