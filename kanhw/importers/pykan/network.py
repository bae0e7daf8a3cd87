"""PyKAN checkpoints (KindXiaoming/pykan, v0.0.x to 0.2.8): a state_dict, or saveckpt's three files.

For layer l, with inputs i, sums j and nodes n:

    u_j = sigma_j (sum_i m[i,j] (a[i,j] b(x_i) + s[i,j] spline_ij(x_i))
                   + sum_i M[j,i] (A2 f_ji(A0 x_i + A1) + A3)) + tau_j
    v   = sums that are nodes, then products of groups of sums
    x'_n = nu_n v_n + mu_n

Masks, scales, sigma and tau are folded into the coefficients; nu and mu too, where a layer has no
products. Sizes, orders and node counts follow from the shapes, whatever a config says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.importers.parts.checkpoint import State
from kanhw.importers.parts.left_over import check_nothing_left, left_over, named
from kanhw.importers.pykan.options import PykanOptions
from kanhw.importers.pykan.tensors import Tensors, matches, read_network
from kanhw.importers.pykan.triple import Triple, calibration_data, find_triple
from kanhw.model.activation import Activation
from kanhw.model.bases.basis import Basis
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.bases.repeated_knots import RepeatedKnotBasis
from kanhw.model.network import KanLayer, KanModel
from kanhw.model.products import Products
from kanhw.model.symbolic import SYMBOLIC_FUNCTIONS, SymbolicEdge

__all__ = [
    "OPTIONS",
    "Triple",
    "build",
    "calibration_data",
    "find_triple",
    "load_triple",
    "matches",
]

OPTIONS = PykanOptions.NAMES

_BESIDE = "read the KAN alone with layers={0!r} if nothing else takes part"


def build(state: State, options: Mapping[str, Any]) -> KanModel:
    """Build the network that a checkpoint holds.

    Parameters
    ----------
    state
        Named tensors.
    options
        See :class:`kanhw.importers.pykan.options.PykanOptions`.

    Raises
    ------
    InputError
        If no single network follows from state and options, one of its tensors is wrong, or an
        edge has a function that kanhw does not know; the message names the tensor or edge.
    """
    return _build(state, PykanOptions.of(options))


def load_triple(triple: Triple, options: Mapping[str, Any]) -> KanModel:
    """Build the network that ``saveckpt`` wrote.

    Parameters
    ----------
    triple
        From :func:`find_triple`.
    options
        As for :func:`build`; what the config holds need not, and cannot, be told again.

    Raises
    ------
    InputError
        As :func:`build`.
    """
    try:
        settings = PykanOptions.of(options).with_config(triple.config())
        model = _build(triple.state(), settings)
    except InputError as error:
        raise InputError(f"{triple.state_path}: {error}") from error
    return replace(model, source=f"{triple.prefix.name}: {model.source}")


def _build(state: State, options: PykanOptions) -> KanModel:
    network = read_network(state, options.layers)
    if options.layers is None:
        check_nothing_left(state, [network.prefix], lambda _: _BESIDE.format(network.prefix[:-1]))
    builder = _Builder(options, strict=network.old)
    layers = [builder.layer(index, each) for index, each in enumerate(network.layers)]
    if options.input_ids is not None:
        layers[0] = _widened(layers[0], options.input_ids, options.n_features)
    version = "PyKAN v0.0.x" if network.old else "PyKAN"
    count = f"{len(layers)} layer{'' if len(layers) == 1 else 's'}"
    notes = [f"{version}, {count}", *options.notes, *options.describe_activation(), *builder.notes]
    outside = left_over(state, [network.prefix])
    if outside:
        notes.append(f"not loaded, as told: {named(outside)}")
    return KanModel(tuple(layers), "; ".join(notes))


# Folding ----------------------------------------------------------------------------------------


class _Builder:
    """Folds one layer after the other, and notes what a report should say about them."""

    def __init__(self, options: PykanOptions, *, strict: bool) -> None:
        self._options = options
        self._strict = strict
        self.notes: list[str] = []

    def layer(self, index: int, tensors: Tensors) -> KanLayer:
        arities = self._arities(index, tensors)
        scale, bias = tensors.subnode_scale, tensors.subnode_bias
        if not arities:
            scale = tensors.node_scale * scale
            bias = tensors.node_scale * bias + tensors.node_bias
        basis, live = self._basis(tensors)
        coefficients = (tensors.mask * tensors.scale_sp)[:, :, None] * tensors.coef
        coefficients = coefficients.transpose(1, 0, 2) * scale[:, None, None]
        base = (tensors.mask * tensors.scale_base).T * scale[:, None]
        activation = Activation(self._options.activation)
        if activation.name == "zero":
            base = np.zeros_like(base)
        edges, constants = self._symbolic(index, tensors, scale)
        singles = len(tensors.node_bias) - len(arities)
        products = Products(singles, arities, tensors.node_scale, tensors.node_bias)
        return KanLayer(
            basis=basis,
            # Adding 0 makes a plain 0 of what a mask has made -0.
            coefficients=np.where(live[:, None], coefficients, 0.0) + 0.0,
            base_weights=base + 0.0,
            base_activation=activation,
            bias=bias + constants,
            name=tensors.name,
            symbolic=edges,
            post=(products,) if arities else (),
        )

    def _arities(self, index: int, tensors: Tensors) -> tuple[int, ...]:
        """How many sums each multiplication node of a layer takes."""
        sums, nodes = len(tensors.subnode_bias), len(tensors.node_bias)
        given = self._options.arity_of_layer(index)
        if isinstance(given, tuple):
            arities = given
        elif sums == nodes:
            return ()
        elif sums < nodes or given < 2 or (sums - nodes) % (given - 1):
            raise InputError(
                f"{tensors.name!r} makes {nodes} nodes of {sums} sums, which products of {given} "
                f"sums each cannot; tell their mult_arity (an integer, or a list of lists with "
                f"one list for each layer of nodes, the inputs' first)"
            )
        else:
            arities = (given,) * ((sums - nodes) // (given - 1))
            if self._options.mult_arity is None:
                self.notes.append(f"mult_arity {given} in {tensors.name} (the library's default)")
        if (
            min(arities, default=2) < 2
            or nodes - len(arities) != sums - sum(arities)
            or (len(arities) > nodes)
        ):
            raise InputError(
                f"{tensors.name!r} makes {nodes} nodes of {sums} sums, but mult_arity gives it "
                f"products of {list(arities)} sums"
            )
        return arities

    def _basis(self, tensors: Tensors) -> tuple[Basis, npt.NDArray[np.bool_]]:
        """The basis, and [in] whether the splines of an input are anything but 0."""
        knots, order = tensors.knots, tensors.order
        live = np.ones(len(knots), bool)
        try:
            if self._strict:
                # v0.0.x divides 0 by 0 on repeated knots, and says NaN.
                return BSplineBasis(knots, order), live
            live = knots[:, 0] != knots[:, -1]
            if not live.all():
                knots = np.where(live[:, None], knots, _spread(knots))
                inputs = ", ".join(map(str, np.flatnonzero(~live)))
                self.notes.append(
                    f"{tensors.name}: all knots of input {inputs} are alike, so its splines are 0"
                )
            if (np.diff(knots, axis=1) > 0).all():
                return BSplineBasis(knots, order), live
            self.notes.append(f"{tensors.name}: knots repeat, read by PyKAN's rule")
            return RepeatedKnotBasis(knots, order), live
        except InputError as error:
            raise InputError(f"Tensor '{tensors.name}.grid': {error}") from error

    def _symbolic(
        self, index: int, tensors: Tensors, scale: FloatArray
    ) -> tuple[tuple[SymbolicEdge, ...], FloatArray]:
        """The edges with a function, and [sums] what those add whose function is 0."""
        constants = np.zeros(len(scale))
        places = [(int(j), int(i)) for j, i in np.argwhere(tensors.symbolic_mask != 0)]
        if places and self._options.symbolic_enabled is False:
            self.notes.append(
                f"WARNING: {tensors.symbolic_name}: {len(places)} symbolic edges are dropped, "
                f"because symbolic_enabled is false (PyKAN's speed() mode)"
            )
            return (), constants
        edges = []
        for j, i in places:
            a, b, c, d = map(float, tensors.affine[j, i])
            factor = float(tensors.symbolic_mask[j, i] * scale[j])
            name = self._function(index, tensors, j, i)
            if name == "0":
                constants[j] += factor * d
            else:
                edges.append(SymbolicEdge(j, i, name, a, b, factor * c, factor * d))
        return tuple(edges), constants

    def _function(self, index: int, tensors: Tensors, j: int, i: int) -> str:
        edge = f"The symbolic edge from input {i} to sum {j} of '{tensors.symbolic_name}'"
        names = self._options.names_of_layer(index, *tensors.symbolic_mask.shape)
        if names is None:
            raise InputError(
                f"{edge} is in use, but a state_dict does not hold its function: load what "
                f"model.saveckpt('PATH') writes, or tell the names with symbolic_names (a list "
                f"[layer][sum][input], PyKAN's symbolic_fun[l].funs_name)"
            )
        name = names[j][i]
        if name not in SYMBOLIC_FUNCTIONS:
            what = "a function of your own" if name == "anonymous" else f"the function {name!r}"
            raise InputError(
                f"{edge} is {what}, which no checkpoint holds: kanhw knows "
                f"{', '.join(SYMBOLIC_FUNCTIONS)}; make it numeric again with "
                f"model.unfix_symbolic({index}, {i}, {j})"
            )
        return name


def _spread(knots: FloatArray) -> FloatArray:
    """Harmless knots around the first one of each input, 1 apart."""
    count = knots.shape[1]
    spread: FloatArray = knots[:, :1] + np.arange(count) - (count - 1) / 2
    return spread


def _widened(layer: KanLayer, ids: tuple[int, ...], count: int | None) -> KanLayer:
    """The first layer, taking all columns of the data and reading those that were kept."""
    if len(ids) != layer.n_in:
        raise InputError(
            f"input_ids {list(ids)} names {len(ids)} columns, but {layer.name!r} takes "
            f"{layer.n_in} inputs"
        )
    basis = layer.basis
    if not isinstance(basis, BSplineBasis | RepeatedKnotBasis):
        raise TypeError(f"{layer.name}: no columns can be put between those of {basis!r}")
    columns = list(ids)
    total = max(columns) + 1 if count is None else count
    knots = np.repeat(_spread(basis.knots[:1]), total, axis=0)
    knots[columns] = basis.knots
    coefficients = np.zeros((layer.n_sums, total, basis.count))
    coefficients[:, columns] = layer.coefficients
    base = np.zeros((layer.n_sums, total))
    base[:, columns] = layer.base_weights
    return replace(
        layer,
        basis=replace(basis, knots=knots),
        coefficients=coefficients,
        base_weights=base,
        symbolic=tuple(replace(edge, i=columns[edge.i]) for edge in layer.symbolic),
    )
