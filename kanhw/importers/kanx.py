"""Checkpoints of kanx (0.2, PyTorch): EfficientKAN with inputs first and knots not extended.

    y_j = sum_i w_b[i,j] b(x_i) + sum_i sum_k c[i,j,k] B_k(x_i)

Its tensors have EfficientKAN's names, but there are fewer knots than coefficients. Every layer
adds p knots to its grid on either side, at its mean step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.importers.parts import networks
from kanhw.importers.parts.checkpoint import State, parameter
from kanhw.importers.parts.settings import (
    activation_name,
    default_notes,
    expect_shape,
    integers,
)
from kanhw.model.activation import Activation
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.network import KanLayer, KanModel

__all__ = ["OPTIONS", "build", "layer", "matches"]

OPTIONS = ("base_activation", "spline_order", "layers")

_KNOWN = ("base_weight", "spline_weight", "grid")
_ALIASES = {"swish": "silu", "linear": "identity"}  # kanx knows these names too


def matches(state: State) -> bool:
    """Whether a checkpoint holds a layer of three tensors with fewer knots than coefficients."""
    return bool(_layers(state))


def _layers(state: State) -> list[str]:
    found = networks.layer_prefixes(state, _KNOWN, at_least=3)
    return [prefix for prefix in found if _not_extended(state, networks.start_of(prefix))]


def _not_extended(state: State, start: str) -> bool:
    grid, spline = state[f"{start}grid"], state[f"{start}spline_weight"]
    return grid.ndim == 2 and spline.ndim == 3 and grid.shape[1] <= spline.shape[2]


def build(state: State, options: Mapping[str, Any]) -> KanModel:
    """Build the network that a checkpoint holds.

    Parameters
    ----------
    state
        Named tensors.
    options
        ``base_activation``: b (default silu, the library's). ``spline_order``: checked against the
        tensors. ``layers``: as in :mod:`kanhw.importers.efficient_kan`.

    Raises
    ------
    InputError
        If no single network follows from state and options, or one of its tensors is wrong.
    """
    return networks.build_from("kanx", state, _layers(state), options, layer, default_notes)


def layer(state: State, prefix: str, options: Mapping[str, Any]) -> KanLayer:
    """Read one layer; ``options`` as in :func:`build`."""
    start = networks.start_of(prefix)
    networks.refuse_unknown(state, prefix, _KNOWN, "kanx")
    base = parameter(state, f"{start}base_weight", 2)
    spline = parameter(state, f"{start}spline_weight", 3)
    grid = parameter(state, f"{start}grid", 2)
    n_in, n_out = base.shape
    expect_shape(f"{start}spline_weight", spline, (n_in, n_out, None), f"{start}base_weight")
    expect_shape(f"{start}grid", grid, (n_in, None), f"{start}base_weight")
    order = _order(grid, spline, start, options)
    try:
        basis = BSplineBasis(_extended(grid, order), order)
    except InputError as error:
        raise InputError(f"Tensor '{start}grid': {error}") from error
    name = activation_name(options.get("base_activation")) or "silu"
    return KanLayer(
        basis=basis,
        coefficients=spline.transpose(1, 0, 2),
        base_weights=base.T,
        base_activation=Activation(_ALIASES.get(name, name)),
        bias=np.zeros(n_out),
        name=prefix or "layer",
    )


def _order(
    grid: FloatArray, spline: FloatArray, start: str, options: Mapping[str, Any]
) -> int:
    """K = G + p coefficients and G + 1 knots tell p."""
    knots, count = int(grid.shape[1]), int(spline.shape[2])
    order = count - knots + 1
    if knots < 2 or order < 1:
        raise InputError(
            f"Tensor '{start}grid' has {knots} knots for the {count} coefficients of "
            f"'{start}spline_weight': G + 1 knots and G + p coefficients are needed"
        )
    given = options.get("spline_order")
    if given is not None and integers("spline_order", given) != (order,):
        raise InputError(
            f"spline_order={given!r} contradicts tensor '{start}spline_weight': its {count} "
            f"coefficients on {knots - 1} cells are of order {order}"
        )
    return order


def _extended(grid: FloatArray, order: int) -> FloatArray:
    step = (grid[:, -1:] - grid[:, :1]) / (grid.shape[1] - 1)
    more = np.arange(1, order + 1)
    return np.hstack([grid[:, :1] - step * more[::-1], grid, grid[:, -1:] + step * more])
