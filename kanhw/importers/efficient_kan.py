"""EfficientKAN checkpoints (Blealtan/efficient-kan, and every clone with its four tensor names).

    y_j = sum_i w_b[j,i] b(x_i) + sum_i s[j,i] sum_k c[j,i,k] B_k(x_i)

The scaler s is folded into c; order and grid size follow from the shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from kanhw.activation import ACTIVATIONS, Activation
from kanhw.basis import BSplineBasis, FloatArray
from kanhw.errors import InputError
from kanhw.importers.checkpoint import State, parameter, strip_wrappers
from kanhw.model import KanLayer, KanModel

__all__ = ["OPTIONS", "build", "matches"]

OPTIONS = ("base_activation", "layers")

_REQUIRED = ("base_weight", "spline_weight", "grid")
_SCALER = "spline_scaler"
_SLOPE = "base_activation.weight"  # the one parameter of torch.nn.PReLU
_KNOWN = (*_REQUIRED, _SCALER, _SLOPE)


@dataclass(frozen=True)
class _Network:
    """KAN layers that follow one another under one parent: their prefixes, in order."""

    prefix: str
    layers: tuple[str, ...]


def matches(state: State) -> bool:
    """Whether a checkpoint holds at least one layer with EfficientKAN's tensor names."""
    return bool(_layer_prefixes(state))


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
    prefixes = _select(state, options.get("layers"))
    layers = tuple(_build_layer(state, p, options.get("base_activation")) for p in prefixes)
    _check_widths(layers)
    return KanModel(layers, source=_describe(state, prefixes))


# Which layers -----------------------------------------------------------------------------------


def _layer_prefixes(state: State) -> list[str]:
    """Where at least two of the three tensors lie, so that a missing third can be named."""
    seen: dict[str, int] = {}
    for name in state:
        prefix, _, last = name.rpartition(".")
        if last in _REQUIRED:
            seen[prefix] = seen.get(prefix, 0) + 1
    return [prefix for prefix, count in seen.items() if count >= 2]


def _networks(state: State) -> list[_Network]:
    groups: dict[str, list[str]] = {}
    for prefix in _layer_prefixes(state):
        parent, _, last = prefix.rpartition(".")
        groups.setdefault(parent if last.isdecimal() else prefix, []).append(prefix)
    return [
        _Network(parent, tuple(sorted(members, key=lambda p: _index(p) or 0)))
        for parent, members in groups.items()
    ]


def _index(prefix: str) -> int | None:
    last = prefix.rpartition(".")[2]
    return int(last) if last.isdecimal() else None


def _select(state: State, wanted: object) -> tuple[str, ...]:
    networks = _networks(state)
    if wanted is None:
        if len(networks) > 1:
            raise InputError(
                f"The checkpoint holds several networks: {_listing(networks)}; pick one with "
                f"layers='PREFIX', or name its layers in order with layers='FIRST,SECOND'"
            )
        chosen = networks[0]
    elif not isinstance(wanted, str):
        raise TypeError(f"The option layers must be a string, not {wanted!r}")
    else:
        # Wrappers were taken off the names, but not off what the user reads in the file.
        names = [name.strip() for name in wanted.split(",")]
        names = [name if _has(networks, name) else _unwrapped(name) for name in names]
        singles = {layer for network in networks for layer in network.layers}
        groups = {network.prefix: network for network in networks}
        if len(names) == 1 and names[0] in groups:
            chosen = groups[names[0]]
        elif all(name in singles for name in names):
            return tuple(names)
        else:
            raise InputError(
                f"layers={wanted!r} names no network of the checkpoint, which holds: "
                f"{_listing(networks)}"
            )
    _check_nothing_between(chosen, state)
    return chosen.layers


def _has(networks: list[_Network], name: str) -> bool:
    return any(name == network.prefix or name in network.layers for network in networks)


def _unwrapped(name: str) -> str:
    (result,) = strip_wrappers({f"{name}.": None})
    return result.removesuffix(".")


def _listing(networks: list[_Network]) -> str:
    return ", ".join(f"{n.prefix!r} ({_count(len(n.layers), 'layer')})" for n in networks)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _check_nothing_between(network: _Network, state: State) -> None:
    """Refuse a sequence with other modules among its KAN layers, which we would leave out."""
    places = {_index(layer): layer for layer in network.layers}
    indices = [index for index in places if index is not None]
    if not indices:
        return
    start = f"{network.prefix}." if network.prefix else ""
    for index in range(min(indices), max(indices)):
        if index in places:
            continue
        others = [name for name in state if name.startswith(f"{start}{index}.")]
        what = f"tensor {others[0]!r}" if others else "no tensors (an activation, or Dropout)"
        raise InputError(
            f"Module '{start}{index}' stands between the KAN layers and holds {what}: kanhw would "
            f"leave it out; if it does nothing at inference, say so with "
            f"layers='{','.join(network.layers)}'"
        )


def _check_widths(layers: tuple[KanLayer, ...]) -> None:
    if all(a.n_out == b.n_in for a, b in pairwise(layers)):
        return
    shapes = ", ".join(f"{layer.name!r} {layer.n_in} -> {layer.n_out}" for layer in layers)
    raise InputError(
        f"The KAN layers do not follow one another: {shapes}; pick the ones that do with "
        f"layers='PREFIX' or layers='FIRST,SECOND'"
    )


def _describe(state: State, prefixes: tuple[str, ...]) -> str:
    starts = tuple(f"{prefix}." if prefix else "" for prefix in prefixes)
    left = [name for name in state if not name.startswith(starts)]
    names = ", ".join(repr(prefix) for prefix in prefixes)
    text = f"EfficientKAN, {_count(len(prefixes), 'layer')} ({names})"
    if left:
        shown = ", ".join(left[:4]) + (", ..." if len(left) > 4 else "")
        text += f"; not loaded: {_count(len(left), 'tensor')} outside of them ({shown})"
    return text


# One layer --------------------------------------------------------------------------------------


def _build_layer(state: State, prefix: str, activation: object) -> KanLayer:
    start = f"{prefix}." if prefix else ""
    for name in state:
        if name.startswith(start) and name.removeprefix(start) not in _KNOWN:
            raise InputError(
                f"Tensor {name!r} lies in the KAN layer {prefix!r} but EfficientKAN has no such "
                f"parameter: kanhw reads {', '.join(_KNOWN)}"
            )
    base = parameter(state, f"{start}base_weight", 2)
    spline = parameter(state, f"{start}spline_weight", 3)
    grid = parameter(state, f"{start}grid", 2)
    n_out, n_in = base.shape
    _expect(f"{start}spline_weight", spline, (n_out, n_in, None), f"{start}base_weight")
    _expect(f"{start}grid", grid, (n_in, None), f"{start}base_weight")
    if f"{start}{_SCALER}" in state:
        scaler = parameter(state, f"{start}{_SCALER}", 2)
        _expect(f"{start}{_SCALER}", scaler, (n_out, n_in), f"{start}base_weight")
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
        base_activation=_activation(state, start, activation),
        bias=np.zeros(n_out),
        name=prefix or "layer",
    )


def _expect(
    name: str, array: FloatArray, shape: tuple[int | None, ...], reference: str
) -> None:
    if any(want not in (None, got) for want, got in zip(shape, array.shape, strict=True)):
        expected = ", ".join("any" if size is None else str(size) for size in shape)
        raise InputError(
            f"Tensor {name!r} must have shape [{expected}] to fit {reference!r}, not "
            f"{list(array.shape)}"
        )


def _activation(state: State, start: str, wanted: object) -> Activation:
    if wanted is not None and not isinstance(wanted, str):
        raise TypeError(f"The option base_activation must be a string, not {wanted!r}")
    name = None if wanted is None else wanted.rpartition(".")[2].lower()
    if f"{start}{_SLOPE}" not in state:
        if name == "prelu":
            raise InputError(
                f"base_activation='prelu' needs its slope, but there is no tensor "
                f"'{start}{_SLOPE}'"
            )
        return Activation(name or "silu")
    if name not in (None, "prelu"):
        raise InputError(
            f"base_activation={wanted!r} contradicts tensor '{start}{_SLOPE}', which makes it "
            f"prelu (of {', '.join(ACTIVATIONS)}): leave the option out"
        )
    slopes = np.unique(parameter(state, f"{start}{_SLOPE}", 1))
    if len(slopes) != 1:
        raise InputError(
            f"Tensor '{start}{_SLOPE}' holds {len(slopes)} different slopes: kanhw reads one "
            f"PReLU slope per layer"
        )
    return Activation("prelu", float(slopes[0]))
