"""KAGN linear checkpoints (IvanDrokin/torch-conv-kan GRAMLayer, and GRAMKAN of early summer 2024).

    y_j = sum_i w_b[j,i] act(x_i) + sum_i sum_d W[i,j,d] act(P_d(tanh x_i))
    out_j = act(LayerNorm_j(y))

The weights of P_0, which is 1, are folded into the bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kanhw.errors import InputError
from kanhw.importers.parts import networks
from kanhw.importers.parts.checkpoint import State, parameter
from kanhw.importers.parts.settings import (
    activation_name,
    check_degree,
    epsilon,
    expect_shape,
    norm_kind,
)
from kanhw.model.activation import Activation
from kanhw.model.bases.polynomial import GramBasis
from kanhw.model.network import KanLayer, KanModel
from kanhw.model.norm import LayerNorm

__all__ = ["OPTIONS", "build", "layer", "matches", "without_wrappers"]

OPTIONS = ("base_activation", "basis_activation", "degree", "norm", "eps", "layers")

_WEIGHTS = "grams_basis_weights"
_KNOWN = ("beta_weights", _WEIGHTS, "base_weights", "norm.weight", "norm.bias")
# Of GRAMKAN's first days, when the layer computed something else.
_OUTDATED = ("bias_weights", "grams_weights")


def matches(state: State) -> bool:
    """Whether a checkpoint holds at least one KAGN layer, or one of its forerunners."""
    return bool(_layers(state))


def _layers(state: State) -> list[str]:
    return networks.layer_prefixes(without_wrappers(state), (_WEIGHTS, "grams_weights"))


def without_wrappers(state: State) -> State:
    """Take off the L1 wrapper of torch-conv-kan, which does nothing at inference."""
    return {name.replace(".module.", "."): value for name, value in state.items()}


def build(state: State, options: Mapping[str, Any]) -> KanModel:
    """Build the network that a checkpoint holds.

    Parameters
    ----------
    state
        Named tensors.
    options
        ``base_activation``: act (default silu, the library's; the heads of its VGG networks have
        gelu). ``basis_activation``: act around the polynomials where it is another one, such as
        identity. ``degree``: checked against the tensors. ``norm``: only LayerNorm exists.
        ``eps``: of the LayerNorm (default 1e-5). ``layers``: as in
        :mod:`kanhw.importers.efficient_kan`.

    Raises
    ------
    InputError
        If no single network follows from state and options, or one of its tensors is wrong.
    """
    state = without_wrappers(state)
    found = _layers(state)
    modules = networks.select(state, found, options.get("layers"), skip_gaps=True)
    layers = {name: layer(state, name, options) for name in modules if name in found}
    notes = []
    if options.get("base_activation") is None:
        notes.append(
            "base_activation silu (the library's default; heads of its VGG networks have gelu)"
        )
    gaps = networks.gaps(modules)
    if gaps:
        notes.append(f"taken for Dropout: {', '.join(repr(name) for name in gaps)}")
    for name, each in layers.items():
        if each.n_out == 1:
            notes.append(f"layer {name!r} is constant, as its LayerNorm is of one value")
    return networks.assemble("KAGN", state, modules, layers, notes)


def layer(state: State, prefix: str, options: Mapping[str, Any]) -> KanLayer:
    """Read one layer; ``options`` as in :func:`build`."""
    start = networks.start_of(prefix)
    for name in _OUTDATED:
        if f"{start}{name}" in state:
            raise InputError(
                f"Tensor '{start}{name}' is of GRAMKAN's layout of May 2024, which lasted for some "
                f"days and computed something else: kanhw reads {', '.join(_KNOWN)}; train with "
                "today's GRAMKAN or torch-conv-kan"
            )
    networks.refuse_unknown(state, prefix, _KNOWN, "KAGN")
    beta = parameter(state, f"{start}beta_weights", 1)
    weights = parameter(state, f"{start}{_WEIGHTS}", 3)
    base = parameter(state, f"{start}base_weights", 2)
    n_in, n_out, _ = weights.shape
    expect_shape(f"{start}base_weights", base, (n_out, n_in), f"{start}{_WEIGHTS}")
    expect_shape(f"{start}{_WEIGHTS}", weights, (None, None, len(beta)), f"{start}beta_weights")
    check_degree(len(beta) - 1, options, f"{start}beta_weights")
    name = activation_name(options.get("base_activation")) or "silu"
    inner = activation_name(options.get("basis_activation")) or name
    for each in (name, inner):
        if each == "prelu":
            raise InputError("A KAGN layer has no tensor for the slope of prelu")
    basis = GramBasis(beta, n_in, Activation(inner), constant=False)
    activation = Activation(name)
    return KanLayer(
        basis=basis,
        coefficients=weights[:, :, 1:].transpose(1, 0, 2),
        base_weights=base,
        base_activation=activation,
        bias=basis.constant_value * weights[:, :, 0].sum(axis=0),
        name=prefix or "layer",
        post=(_norm(state, start, options, n_out), activation),
    )


def _norm(state: State, start: str, options: Mapping[str, Any], n_out: int) -> LayerNorm:
    if norm_kind(options.get("norm", "layer")) != "layer":
        raise InputError(
            f"norm={options['norm']!r} does not exist in KAGN's linear layer, which has a "
            "LayerNorm: leave the option out"
        )
    gamma = parameter(state, f"{start}norm.weight", 1)
    beta = parameter(state, f"{start}norm.bias", 1)
    for name, array in (("weight", gamma), ("bias", beta)):
        expect_shape(f"{start}norm.{name}", array, (n_out,), f"{start}{_WEIGHTS}")
    return LayerNorm(gamma, beta, epsilon(options))
