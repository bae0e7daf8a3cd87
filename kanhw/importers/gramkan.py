"""GRAMKAN checkpoints (Khochawongwat/GRAMKAN since July 2024).

    y_j = sum_i sum_d W[i,j,d] P_d(tanh x_i)

There is no base branch, no activation and no norm inside; the weights of P_0, which is 1, are
folded into the bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kanhw.importers.parts import networks
from kanhw.importers.parts.checkpoint import State, parameter
from kanhw.importers.parts.settings import check_degree, expect_shape
from kanhw.model.activation import Activation
from kanhw.model.bases.polynomial import GramBasis
from kanhw.model.network import KanLayer, KanModel

__all__ = ["OPTIONS", "build", "layer", "matches"]

OPTIONS = ("degree", "layers")

_WEIGHTS = "basis_weights"
_KNOWN = ("beta_weights", _WEIGHTS)


def matches(state: State) -> bool:
    """Whether a checkpoint holds at least one of GRAMKAN's layers."""
    return bool(networks.layer_prefixes(state, (_WEIGHTS,)))


def build(state: State, options: Mapping[str, Any]) -> KanModel:
    """Build the network that a checkpoint holds.

    Parameters
    ----------
    state
        Named tensors.
    options
        ``degree``: checked against the tensors. ``layers``: the modules in order, separated by
        commas, with the LayerNorms that GRAMKAN's example puts between them.

    Raises
    ------
    InputError
        If no single network follows from state and options, or one of its tensors is wrong.
    """
    found = networks.layer_prefixes(state, (_WEIGHTS,))
    return networks.build_from("GRAMKAN", state, found, options, layer)


def layer(state: State, prefix: str, options: Mapping[str, Any]) -> KanLayer:
    """Read one layer; ``degree`` is among the options."""
    start = networks.start_of(prefix)
    networks.refuse_unknown(state, prefix, _KNOWN, "GRAMKAN")
    beta = parameter(state, f"{start}beta_weights", 1)
    weights = parameter(state, f"{start}{_WEIGHTS}", 3)
    expect_shape(f"{start}{_WEIGHTS}", weights, (None, None, len(beta)), f"{start}beta_weights")
    check_degree(len(beta) - 1, options, f"{start}beta_weights")
    n_in, n_out, _ = weights.shape
    return KanLayer(
        basis=GramBasis(beta, n_in, None, constant=False),
        coefficients=weights[:, :, 1:].transpose(1, 0, 2),
        base_weights=np.zeros((n_out, n_in)),
        base_activation=Activation("zero"),
        bias=weights[:, :, 0].sum(axis=0),
        name=prefix or "layer",
    )
