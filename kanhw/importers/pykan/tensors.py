"""The tensors of a PyKAN network, in the layout of 0.2.8 whatever layout they came in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.importers.parts.checkpoint import State, parameter

__all__ = ["Network", "Tensors", "matches", "read_network"]

_LAYER = re.compile(r"(?P<prefix>(?:.*\.)?)act_fun\.(?P<index>\d+)\.coef\Z")
_KNOWN = re.compile(
    r"act_fun\.\d+\.(?:grid|coef|mask|scale_base|scale_sp)"
    r"|symbolic_fun\.\d+\.(?:mask|affine)"
    r"|(?:sub)?node_(?:bias|scale)_\d+"
    r"|biases\.\d+\.weight"
)


@dataclass(frozen=True)
class Tensors:
    """One layer's tensors in the layout of 0.2.8, checked against one another."""

    name: str
    knots: FloatArray  # [in, G + 2 p + 1]
    coef: FloatArray  # [in, sums, G + p]
    mask: FloatArray  # [in, sums], as the next two
    scale_base: FloatArray
    scale_sp: FloatArray
    symbolic_name: str
    symbolic_mask: FloatArray  # [sums, in]
    affine: FloatArray  # [sums, in, 4]
    subnode_scale: FloatArray  # [sums]
    subnode_bias: FloatArray
    node_scale: FloatArray  # [nodes]
    node_bias: FloatArray

    @property
    def order(self) -> int:
        """Of the splines: p."""
        return int(self.knots.shape[1]) - int(self.coef.shape[2]) - 1


@dataclass(frozen=True)
class Network:
    """The layers that lie under one prefix of a checkpoint; ``old`` is the layout of v0.0.x."""

    prefix: str
    layers: tuple[Tensors, ...]
    old: bool


def matches(state: State) -> bool:
    """Whether a checkpoint holds at least one layer with PyKAN's tensor names."""
    return any(_LAYER.match(name) for name in state)


def read_network(state: State, wanted: str | None) -> Network:
    """Read the network under the prefix ``wanted``, or the only one.

    Raises
    ------
    InputError
        If there is not one such network, or a tensor is missing, unknown or of a wrong shape.
    """
    prefix, indices = _select(state, wanted)
    _check_names(state, prefix)
    old = any(f"{prefix}biases.{index}.weight" in state for index in indices)
    read = _read_old if old else _read
    layers = tuple(read(state, prefix, index) for index in indices)
    _check_widths(layers)
    return Network(prefix, layers, old)


def _select(state: State, wanted: str | None) -> tuple[str, list[int]]:
    found: dict[str, list[int]] = {}
    for name in state:
        match = _LAYER.match(name)
        if match is not None:
            found.setdefault(match["prefix"], []).append(int(match["index"]))
    if wanted is not None:
        prefix = f"{wanted.rstrip('.')}." if wanted else ""
        if prefix not in found:
            raise InputError(
                f"layers={wanted!r} names no network of the checkpoint, which holds: "
                f"{_listing(found)}"
            )
    elif len(found) == 1:
        (prefix,) = found
    else:
        raise InputError(
            f"The checkpoint holds several networks: {_listing(found)}; pick one with "
            f"layers='PREFIX'"
        )
    indices = sorted(found[prefix])
    if indices != list(range(len(indices))):
        raise InputError(
            f"The layers {', '.join(f'{prefix}act_fun.{i}' for i in indices)} do not count from 0: "
            f"the checkpoint is incomplete"
        )
    return prefix, indices


def _listing(found: Mapping[str, list[int]]) -> str:
    return ", ".join(f"{p.rstrip('.')!r} ({len(layers)} layers)" for p, layers in found.items())


def _check_names(state: State, prefix: str) -> None:
    for name in state:
        if name.startswith(prefix) and not _KNOWN.fullmatch(name.removeprefix(prefix)):
            hint = ""
            if ".base_fun." in f".{name}":
                hint = "; a base function with parameters of its own has no equal here"
            raise InputError(f"Tensor {name!r} is none of PyKAN's: kanhw would leave it out{hint}")


def _read(state: State, prefix: str, index: int) -> Tensors:
    act, symbolic = f"{prefix}act_fun.{index}", f"{prefix}symbolic_fun.{index}"
    coef = parameter(state, f"{act}.coef", 3)
    n_in, n_sums, _ = coef.shape
    nodes = parameter(state, f"{prefix}node_bias_{index}", 1).shape[0]

    def sized(name: str, *shape: int | None) -> FloatArray:
        return _sized(state, name, shape, f"{act}.coef")

    return Tensors(
        name=act,
        knots=_checked_knots(sized(f"{act}.grid", n_in, None), coef, act),
        coef=coef,
        mask=sized(f"{act}.mask", n_in, n_sums),
        scale_base=sized(f"{act}.scale_base", n_in, n_sums),
        scale_sp=sized(f"{act}.scale_sp", n_in, n_sums),
        symbolic_name=symbolic,
        symbolic_mask=sized(f"{symbolic}.mask", n_sums, n_in),
        affine=sized(f"{symbolic}.affine", n_sums, n_in, 4),
        subnode_scale=sized(f"{prefix}subnode_scale_{index}", n_sums),
        subnode_bias=sized(f"{prefix}subnode_bias_{index}", n_sums),
        node_scale=sized(f"{prefix}node_scale_{index}", nodes),
        node_bias=sized(f"{prefix}node_bias_{index}", nodes),
    )


def _read_old(state: State, prefix: str, index: int) -> Tensors:
    """The layout of v0.0.x: a row for each edge (row j * in + i), knots that are not extended."""
    act, symbolic = f"{prefix}act_fun.{index}", f"{prefix}symbolic_fun.{index}"
    symbolic_mask = parameter(state, f"{symbolic}.mask", 2)
    n_sums, n_in = symbolic_mask.shape
    reference = f"{symbolic}.mask"
    grid = _sized(state, f"{act}.grid", (n_sums * n_in, None), reference)
    coef = _sized(state, f"{act}.coef", (n_sums * n_in, None), reference)
    order = coef.shape[1] - grid.shape[1] + 1
    if order < 1 or grid.shape[1] < 2:
        raise InputError(
            f"Tensors '{act}.grid' and '{act}.coef' have {grid.shape[1]} and {coef.shape[1]} "
            f"columns: G + 1 knots and G + p coefficients are needed, with p >= 1"
        )
    per_edge = grid.reshape(n_sums, n_in, -1)
    differs = (per_edge != per_edge[:1]).any(axis=(0, 2))
    if differs.any():
        raise InputError(
            f"Tensor '{act}.grid' has other knots for other outputs of input "
            f"{int(np.argmax(differs))}: kanhw takes one knot vector per input"
        )

    def edges(name: str) -> FloatArray:
        values = _sized(state, f"{act}.{name}", (n_sums * n_in,), reference)
        return values.reshape(n_sums, n_in).T

    ones, bias = np.ones(n_sums), _sized(state, f"{prefix}biases.{index}.weight", (1, n_sums), act)
    return Tensors(
        name=act,
        knots=_extended(per_edge[0], order),
        coef=coef.reshape(n_sums, n_in, -1).transpose(1, 0, 2),
        mask=edges("mask"),
        scale_base=edges("scale_base"),
        scale_sp=edges("scale_sp"),
        symbolic_name=symbolic,
        symbolic_mask=symbolic_mask,
        affine=_sized(state, f"{symbolic}.affine", (n_sums, n_in, 4), reference),
        subnode_scale=ones,
        subnode_bias=np.zeros(n_sums),
        node_scale=ones,
        node_bias=bias[0],
    )


def _extended(grid: FloatArray, order: int) -> FloatArray:
    """Knots with p more on either side, a mean step apart."""
    step = (grid[:, -1:] - grid[:, :1]) / (grid.shape[1] - 1)
    more = np.arange(1, order + 1)
    return np.concatenate([grid[:, :1] - step * more[::-1], grid, grid[:, -1:] + step * more], 1)


def _sized(state: State, name: str, shape: tuple[int | None, ...], reference: str) -> FloatArray:
    array = parameter(state, name, len(shape))
    if any(want not in (None, got) for want, got in zip(shape, array.shape, strict=True)):
        expected = ", ".join("any" if size is None else str(size) for size in shape)
        raise InputError(
            f"Tensor {name!r} must have shape [{expected}] to fit {reference!r}, not "
            f"{list(array.shape)}"
        )
    return array


def _checked_knots(knots: FloatArray, coef: FloatArray, act: str) -> FloatArray:
    order = knots.shape[1] - coef.shape[2] - 1
    if order < 1 or coef.shape[2] <= order:
        raise InputError(
            f"Tensor '{act}.grid' has {knots.shape[1]} knots for the {coef.shape[2]} coefficients "
            f"of '{act}.coef': G + 2 p + 1 knots and G + p coefficients are needed with an order "
            f"p >= 1 and G >= 1 cells"
        )
    return knots


def _check_widths(tensors: tuple[Tensors, ...]) -> None:
    for before, after in pairwise(tensors):
        if len(before.node_bias) != after.coef.shape[0]:
            raise InputError(
                f"{before.name!r} has {len(before.node_bias)} nodes but {after.name!r} takes "
                f"{after.coef.shape[0]} inputs: the checkpoint is inconsistent"
            )
