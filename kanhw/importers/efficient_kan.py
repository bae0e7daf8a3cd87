"""EfficientKAN checkpoints (Blealtan/efficient-kan, and every clone with its four tensor names).

    y_j = sum_i w_b[j,i] b(x_i) + sum_i s[j,i] sum_k c[j,i,k] B_k(x_i)

The scaler s is folded into c; order and grid size follow from the shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.importers.parts import networks
from kanhw.importers.parts.checkpoint import State, parameter
from kanhw.importers.parts.settings import default_notes, expect_shape, read_activation
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.network import KanLayer, KanModel

__all__ = ["OPTIONS", "build", "layer", "matches"]

OPTIONS = ("base_activation", "layers")

_REQUIRED = ("base_weight", "spline_weight", "grid")
_SCALER = "spline_scaler"
_KNOWN = (*_REQUIRED, _SCALER, "base_activation.weight")


def matches(state: State) -> bool:
    """Whether a checkpoint holds at least one layer with EfficientKAN's tensor names."""
    return bool(_layers(state))


def build(state: State, options: Mapping[str, Any]) -> KanModel:
    """Build the network that a checkpoint holds.

    Parameters
    ----------
    state
        Named tensors.
    options
        ``base_activation``: the name of b, which no checkpoint tells (default silu, the
        library's). ``layers``: the prefix of the network or layer to read where there are several;
        or the prefixes of layers in order, separated by commas.

    Raises
    ------
    InputError
        If no single network follows from state and options, or one of its tensors is wrong.
    """
    return networks.build_from("EfficientKAN", state, _layers(state), options, layer, default_notes)


def _layers(state: State) -> list[str]:
    """Where at least two of the three tensors lie, so that a missing third can be named."""
    return networks.layer_prefixes(state, _REQUIRED, at_least=2)


def _grid(state: State, name: str, n_in: int) -> FloatArray:
    """The knots ``[n_in, T]``; of some clones one vector ``[1, T]`` or ``[T]`` for all inputs."""
    single = np.ndim(state.get(name, 0)) == 1
    grid = parameter(state, name, 1 if single else 2)
    grid = grid[np.newaxis] if single else grid
    return np.repeat(grid, n_in, axis=0) if len(grid) == 1 else grid


def layer(state: State, prefix: str, options: Mapping[str, Any]) -> KanLayer:
    """Read one layer; ``base_activation`` is among the options."""
    start = networks.start_of(prefix)
    networks.refuse_unknown(state, prefix, _KNOWN, "EfficientKAN")
    base = parameter(state, f"{start}base_weight", 2)
    spline = parameter(state, f"{start}spline_weight", 3)
    n_out, n_in = base.shape
    grid = _grid(state, f"{start}grid", n_in)
    expect_shape(f"{start}spline_weight", spline, (n_out, n_in, None), f"{start}base_weight")
    expect_shape(f"{start}grid", grid, (n_in, None), f"{start}base_weight")
    if f"{start}{_SCALER}" in state:
        scaler = parameter(state, f"{start}{_SCALER}", 2)
        expect_shape(f"{start}{_SCALER}", scaler, (n_out, n_in), f"{start}base_weight")
        spline = spline * scaler[:, :, np.newaxis]
    count = spline.shape[2]
    order = grid.shape[1] - count - 1
    if order < 1 or count <= order:
        raise InputError(
            f"Tensor '{start}grid' has {grid.shape[1]} knots for the {count} coefficients of "
            f"'{start}spline_weight': G + 2 p + 1 knots and G + p coefficients are needed with "
            f"an order p >= 1 and G >= 1 cells"
        )
    try:
        basis = BSplineBasis(grid, order)
    except InputError as error:
        raise InputError(f"Tensor '{start}grid': {error}") from error
    return KanLayer(
        basis=basis,
        coefficients=spline,
        base_weights=base,
        base_activation=read_activation(state, start, options.get("base_activation")),
        bias=np.zeros(n_out),
        name=prefix or "layer",
    )
