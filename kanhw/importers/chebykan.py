"""ChebyKAN checkpoints (SynodicMonth/ChebyKAN).

    y_j = sum_i sum_d C[i,j,d] T_d(tanh x_i)

There is no base branch; the coefficients of T_0, which is 1, are folded into the bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kanhw.errors import InputError
from kanhw.importers.parts import networks
from kanhw.importers.parts.checkpoint import State, parameter
from kanhw.importers.parts.settings import check_degree
from kanhw.model.activation import Activation
from kanhw.model.bases.polynomial import ChebyshevBasis
from kanhw.model.network import KanLayer, KanModel

__all__ = ["OPTIONS", "build", "layer", "matches"]

OPTIONS = ("degree", "layers")

_WEIGHTS = "cheby_coeffs"
_KNOWN = (_WEIGHTS, "arange")


def matches(state: State) -> bool:
    """Whether a checkpoint holds at least one of ChebyKAN's layers."""
    return bool(networks.layer_prefixes(state, (_WEIGHTS,)))


def build(state: State, options: Mapping[str, Any]) -> KanModel:
    """Build the network that a checkpoint holds.

    Parameters
    ----------
    state
        Named tensors.
    options
        ``degree``: checked against the tensors. ``layers``: the modules in order, separated by
        commas, with the LayerNorms that ChebyKAN's examples put between them.

    Raises
    ------
    InputError
        If no single network follows from state and options, or one of its tensors is wrong.
    """
    found = networks.layer_prefixes(state, (_WEIGHTS,))
    return networks.build_from("ChebyKAN", state, found, options, layer)


def layer(state: State, prefix: str, options: Mapping[str, Any]) -> KanLayer:
    """Read one layer; ``degree`` is among the options."""
    start = networks.start_of(prefix)
    networks.refuse_unknown(state, prefix, _KNOWN, "ChebyKAN")
    weights = parameter(state, f"{start}{_WEIGHTS}", 3)
    n_in, n_out, count = weights.shape
    if count < 1:
        raise InputError(f"Tensor '{start}{_WEIGHTS}' holds no coefficients: {weights.shape}")
    check_degree(count - 1, options, f"{start}{_WEIGHTS}")
    _check_arange(state, start, count)
    return KanLayer(
        basis=ChebyshevBasis(count - 1, n_in),
        coefficients=weights[:, :, 1:].transpose(1, 0, 2),
        base_weights=np.zeros((n_out, n_in)),
        base_activation=Activation("zero"),
        bias=weights[:, :, 0].sum(axis=0),
        name=prefix or "layer",
    )


def _check_arange(state: State, start: str, count: int) -> None:
    """``arange`` holds the degrees, and the library computes with them."""
    name = f"{start}arange"
    if name in state and not np.array_equal(state[name], np.arange(count)):
        raise InputError(
            f"Tensor {name!r} must hold the degrees 0 to {count - 1} of '{start}{_WEIGHTS}'"
        )
