"""Checkpoints of inkan (0.5): EfficientKAN's cubic splines on uniform knots, in one matrix.

    weight [out, in K + in] = [c | w_b]
    y_j = sum_i w_b[j,i] b(x_i) + sum_i sum_k c[j,i,k] B_k(x_i)

c is ordered input by input, k fastest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.importers.parts import networks
from kanhw.importers.parts.checkpoint import State, parameter
from kanhw.importers.parts.settings import default_notes, read_activation
from kanhw.model.bases.bspline import UNIFORM_TOLERANCE, BSplineBasis
from kanhw.model.network import KanLayer, KanModel

__all__ = ["OPTIONS", "build", "layer", "matches"]

OPTIONS = ("base_activation", "layers")

_ORDER = 3
_KNOWN = ("weight", "grid_starts", "base_activation.weight")


def matches(state: State) -> bool:
    """Whether a checkpoint holds at least one of inkan's layers."""
    return bool(networks.layer_prefixes(state, ("grid_starts",)))


def build(state: State, options: Mapping[str, Any]) -> KanModel:
    """Build the network that a checkpoint holds.

    Parameters
    ----------
    state
        Named tensors.
    options
        ``base_activation``: b (default silu, the library's). ``layers``: as in
        :mod:`kanhw.importers.efficient_kan`.

    Raises
    ------
    InputError
        If no single network follows from state and options, or one of its tensors is wrong.
    """
    found = networks.layer_prefixes(state, ("grid_starts",))
    return networks.build_from("inkan", state, found, options, layer, default_notes)


def layer(state: State, prefix: str, options: Mapping[str, Any]) -> KanLayer:
    """Read one layer; ``base_activation`` is among the options."""
    start = networks.start_of(prefix)
    networks.refuse_unknown(state, prefix, _KNOWN, "inkan")
    weight = parameter(state, f"{start}weight", 2)
    starts = parameter(state, f"{start}grid_starts", 1)
    n_out, columns = weight.shape
    count = len(starts)
    if columns == count**2 + 2:
        raise InputError(
            f"Tensor '{start}weight' is of a two-dimensional spline surface (dim=2), which is no "
            "sum of functions of one input each: kanhw cannot read it"
        )
    if columns % (count + 1) or not columns:
        raise InputError(
            f"Tensor '{start}weight' has {columns} columns, which is no multiple of "
            f"{count} splines and 1 base weight per input"
        )
    n_in = columns // (count + 1)
    return KanLayer(
        basis=BSplineBasis(np.tile(_knots(starts, start), (n_in, 1)), _ORDER),
        coefficients=weight[:, : n_in * count].reshape(n_out, n_in, count),
        base_weights=weight[:, n_in * count :],
        base_activation=read_activation(state, start, options.get("base_activation")),
        bias=np.zeros(n_out),
        name=prefix or "layer",
    )


def _knots(starts: FloatArray, start: str) -> FloatArray:
    """Where the splines start, and where the last one ends: the knots of a uniform grid."""
    count = len(starts)
    if count <= _ORDER:
        raise InputError(f"Tensor '{start}grid_starts' must hold at least 4 starts, not {count}")
    step = (starts[-1] - starts[0]) / (count - 1)
    if step <= 0 or np.abs(np.diff(starts) - step).max() > UNIFORM_TOLERANCE * step:
        raise InputError(
            f"Tensor '{start}grid_starts' must increase in equal steps: inkan knows no other grid"
        )
    knots: FloatArray = starts[0] + step * np.arange(count + _ORDER + 1)
    return knots
