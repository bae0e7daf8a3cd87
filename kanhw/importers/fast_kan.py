"""FastKAN checkpoints (ZiyaoLi/fast-kan): Gaussian bumps of a normalised input.

    z = LayerNorm(x);  y_j = sum_i sum_k W[j, i K + k] exp(-((z_i - g_k) / d)^2)
                             + sum_i w_b[j,i] b(x_i) + bias_j

The base branch reads the raw x. Without a base branch a layer has no bias either.
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
    DEFAULT_EPSILON,
    default_notes,
    epsilon,
    expect_shape,
    flag,
    listed,
    missing,
    read_activation,
    real,
)
from kanhw.model.activation import Activation
from kanhw.model.bases.bspline import UNIFORM_TOLERANCE
from kanhw.model.bases.radial import RadialBasis
from kanhw.model.network import KanLayer, KanModel
from kanhw.model.norm import LayerNorm

__all__ = ["OPTIONS", "build", "layer", "matches"]

OPTIONS = (
    "base_activation", "denominator", "grid_min", "grid_max", "layernorm", "eps", "layers"
)  # fmt: skip

_REQUIRED = ("rbf.grid", "spline_linear.weight")
_NORM = ("layernorm.weight", "layernorm.bias")
_BASE = ("base_linear.weight", "base_linear.bias")
_DENOMINATOR = "rbf.denominator"
_KNOWN = (*_REQUIRED, *_NORM, *_BASE, _DENOMINATOR, "base_activation.weight")

# Layouts with some of the same names that mean another function.
_RELATIVES = {
    "base_weight": (
        "BSRBF_KAN, whose layers add B-splines and bumps of a normalised input, which kanhw does "
        "not read"
    ),
    "spline_weight": (
        "of FastKAN's layout from before May 2024: load it with that version, copy the weights "
        "into today's FastKAN and save it again"
    ),
    "rbf.inv_denominator": "FasterKAN, whose basis 1 - tanh^2 kanhw does not have",
    "spline_conv": "a FastKAN convolution, which kanhw does not read",
}


def matches(state: State) -> bool:
    """Whether a checkpoint holds at least one layer with FastKAN's tensor names."""
    return bool(networks.layer_prefixes(state, _REQUIRED))


def build(state: State, options: Mapping[str, Any]) -> KanModel:
    """Build the network that a checkpoint holds.

    Parameters
    ----------
    state
        Named tensors.
    options
        ``base_activation``: b (default silu, the library's). ``denominator``: d, one number or one
        per layer, where the library's default was overridden. ``grid_min``, ``grid_max``: what d
        follows from where ``rbf.grid`` was edited later. ``layernorm``: False where the layers are
        called with ``use_layernorm=False``. ``eps``: of the LayerNorm (default 1e-5).
        ``layers``: as in :mod:`kanhw.importers.efficient_kan`.

    Raises
    ------
    InputError
        If no single network follows from state and options, or one of its tensors is wrong.
    """
    found = networks.layer_prefixes(state, _REQUIRED)
    modules = networks.select(state, found, options.get("layers"))
    names = [name for name in modules if name in found]
    chosen = _by_layer(options, len(names))
    layers = {
        name: layer(state, name, each) for name, each in zip(names, chosen, strict=True)
    }
    notes = default_notes(layers.values(), options)
    saved = any(f"{networks.start_of(name)}{_DENOMINATOR}" in state for name in names)
    if options.get("eps") is None and any(each.spline_norm for each in layers.values()):
        notes.append(f"LayerNorm's eps {DEFAULT_EPSILON:g} (PyTorch's default)")
    if options.get("denominator") is None and not saved:
        notes.append(f"denominator {_shown(layers)} (the library's default for the grid)")
    return networks.assemble("FastKAN", state, modules, layers, notes)


def _shown(layers: Mapping[str, KanLayer]) -> str:
    bases = [each.basis for each in layers.values()]
    found = {f"{basis.denominator:.6g}" for basis in bases if isinstance(basis, RadialBasis)}
    return ", ".join(sorted(found))


def _by_layer(options: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    given = options.get("denominator")
    values = [None] if given is None else listed(given)
    if len(values) not in (1, count):
        raise InputError(
            f"The option denominator has {len(values)} values for "
            f"{networks.counted(count, 'layer')}: give one for all, or one each"
        )
    return [{**options, "denominator": value} for value in values * (count // len(values))]


def layer(state: State, prefix: str, options: Mapping[str, Any]) -> KanLayer:
    """Read one layer; ``options`` as in :func:`build`."""
    start = networks.start_of(prefix)
    _refuse_relatives(state, prefix)
    networks.refuse_unknown(state, prefix, _KNOWN, "FastKAN")
    centres = parameter(state, f"{start}rbf.grid", 1)
    spline = parameter(state, f"{start}spline_linear.weight", 2)
    n_out, columns = spline.shape
    count = len(centres)
    if not count or columns % count:
        raise InputError(
            f"Tensor '{start}spline_linear.weight' has {columns} columns, which is no multiple of "
            f"the {count} centres of '{start}rbf.grid'"
        )
    n_in = columns // count
    base, bias, activation = _base(state, start, options, (n_out, n_in))
    return KanLayer(
        basis=RadialBasis(centres, _denominator(state, centres, start, options), n_in),
        coefficients=spline.reshape(n_out, n_in, count),
        base_weights=base,
        base_activation=activation,
        bias=bias,
        name=prefix or "layer",
        spline_norm=_norm(state, start, options, n_in),
    )


def _refuse_relatives(state: State, prefix: str) -> None:
    start = networks.start_of(prefix)
    for ending, what in _RELATIVES.items():
        name = f"{start}{ending}"
        if any(each == name or each.startswith(f"{name}.") for each in state):
            raise InputError(f"Tensor {name!r} shows that layer {prefix!r} is {what}")


def _base(
    state: State, start: str, options: Mapping[str, Any], shape: tuple[int, int]
) -> tuple[FloatArray, FloatArray, Activation]:
    if not any(f"{start}{name}" in state for name in _BASE):
        return np.zeros(shape), np.zeros(shape[0]), Activation("zero")
    weights = parameter(state, f"{start}base_linear.weight", 2)
    bias = parameter(state, f"{start}base_linear.bias", 1)
    reference = f"{start}spline_linear.weight"
    expect_shape(f"{start}base_linear.weight", weights, shape, reference)
    expect_shape(f"{start}base_linear.bias", bias, shape[:1], reference)
    return weights, bias, read_activation(state, start, options.get("base_activation"))


def _norm(
    state: State, start: str, options: Mapping[str, Any], n_in: int
) -> LayerNorm | None:
    present = any(f"{start}{name}" in state for name in _NORM)
    wanted = flag("layernorm", options.get("layernorm", present))
    if not wanted:
        return None
    if not present:
        raise InputError(
            f"layernorm=True, but the layer has no tensor '{start}layernorm.weight': leave the "
            "option out"
        )
    gamma, beta = (parameter(state, f"{start}{name}", 1) for name in _NORM)
    for name, array in zip(_NORM, (gamma, beta), strict=True):
        expect_shape(f"{start}{name}", array, (n_in,), f"{start}spline_linear.weight")
    return LayerNorm(gamma, beta, epsilon(options))


def _denominator(
    state: State, centres: FloatArray, start: str, options: Mapping[str, Any]
) -> float:
    if options.get("denominator") is not None:
        return real("denominator", options["denominator"])
    if f"{start}{_DENOMINATOR}" in state:
        saved = np.unique(np.asarray(state[f"{start}{_DENOMINATOR}"], np.float64))
        if len(saved) != 1:
            raise InputError(
                f"Tensor '{start}{_DENOMINATOR}' holds {len(saved)} different values: kanhw reads "
                "one for each layer"
            )
        return float(saved[0])
    if len(centres) < 2:
        raise InputError(
            f"Tensor '{start}rbf.grid' has one centre, from which no denominator follows: pass "
            "denominator=..."
        )
    steps = np.diff(centres)
    told = options.get("grid_min") is not None and options.get("grid_max") is not None
    if not told and np.abs(steps - steps.mean()).max() > UNIFORM_TOLERANCE * np.abs(steps).max():
        raise InputError(
            f"The centres of tensor '{start}rbf.grid' are not evenly spaced, so they were moved "
            f"after the library took the denominator from them: {missing(['denominator'])} (or "
            "grid_min and grid_max, from which it was taken)"
        )
    low, high = (
        real(name, end if options.get(name) is None else options[name])
        for name, end in (("grid_min", float(centres[0])), ("grid_max", float(centres[-1])))
    )
    if high <= low:
        raise InputError(
            f"Tensor '{start}rbf.grid' goes from {low:.6g} to {high:.6g}, from which no "
            "denominator follows: pass denominator=..."
        )
    return (high - low) / (len(centres) - 1)
