"""KAGN convolutions (IvanDrokin/torch-conv-kan KAGNConv2DLayer).

For every group g of channels,

    y = conv(silu(x); base_conv.g) + conv([silu(P_0), .., silu(P_D)](tanh x); poly_weights[g])
    out = silu(BatchNorm_g(y))

The channels of poly_weights go degree by degree. The padding is put around the basis values, so a
padded tap contributes 0 even to the constant silu(P_0). BatchNorm is folded into the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.importers.kagn import without_wrappers
from kanhw.importers.parts import networks
from kanhw.importers.parts.chain import Chain
from kanhw.importers.parts.checkpoint import State, parameter
from kanhw.importers.parts.plain import batch_norm
from kanhw.importers.parts.settings import (
    check_degree,
    epsilon,
    expect_shape,
    integers,
    listed,
    missing,
    norm_kind,
    pairs,
)
from kanhw.model.activation import Activation
from kanhw.model.bases.polynomial import GramBasis
from kanhw.model.convolution import ConvLayer
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel
from kanhw.windows import Window

__all__ = ["LAYER_OPTIONS", "OPTIONS", "build", "input_shape", "layer", "matches", "per_layer"]

LAYER_OPTIONS = ("stride", "padding", "dilation", "norm", "degree", "eps")
OPTIONS = (*LAYER_OPTIONS, "input_shape", "layers")

_POLY = "poly_weights"
_V2 = "poly_conv.weight"
_SILU = Activation("silu")


def matches(state: State) -> bool:
    """Whether a checkpoint holds at least one KAGN convolution."""
    return bool(_layers(state))


def _layers(state: State) -> list[str]:
    return networks.layer_prefixes(without_wrappers(state), (_POLY, _V2))


def build(state: State, options: Mapping[str, Any]) -> KanModel:
    """Build a network of KAGN convolutions only, one right after the other.

    A network with pooling, linear layers and so on is read by
    :mod:`kanhw.importers.sequential`, which needs the list of its ``modules``.

    Parameters
    ----------
    state
        Named tensors.
    options
        ``input_shape``: channels, height and width of the images. ``stride``, ``padding``,
        ``norm``: one for all layers or one each; ``norm`` only where the checkpoint has no
        BatchNorm's statistics. ``dilation`` (default 1, the library's). ``degree``: checked.
        ``eps``: of the BatchNorm (default 1e-5). ``layers``: as in
        :mod:`kanhw.importers.efficient_kan`.

    Raises
    ------
    InputError
        If an option is missing, or a tensor is wrong.
    """
    state = without_wrappers(state)
    found = _layers(state)
    if options.get("layers") is None:
        _check_alone(state, found)
    modules = networks.select(state, found, options.get("layers"))
    if any(module not in found for module in modules):
        raise InputError("Other layers among KAGN convolutions are read from 'modules' only")
    chosen = per_layer(options, len(modules))
    notes = [] if options.get("dilation") else ["dilation 1 (the library's default)"]
    shape = options.get("input_shape")
    chain = Chain()
    for module, each in zip(modules, chosen, strict=True):
        ask = missing_options(state, module, each)
        if chain.shape is None:
            ask += ["input_shape"] if shape is None else []
        if ask:
            raise InputError(missing(ask))
        if chain.shape is None:
            chain = Chain(input_shape(shape))
        chain.append(layer(state, module, each, chain.image(module)))
    return chain.model("; ".join([networks.describe("KAGN convolutions", state, modules), *notes]))


def _check_alone(state: State, layers: list[str]) -> None:
    """Refuse a network with other modules, of which pooling leaves no trace in the checkpoint."""
    starts = tuple(networks.start_of(layer) for layer in layers)
    others = [name for name in state if not name.startswith(starts)]
    gaps = networks.gaps(tuple(layers))
    if others or gaps:
        found = (
            f"The checkpoint holds more than KAGN convolutions (tensor {others[0]!r})"
            if others
            else f"Module {gaps[0]!r} stands between the KAGN convolutions"
        )
        raise InputError(
            f"{found}: list all its modules in order, pooling and flatten too, under 'modules' in "
            "config.json, or name the convolutions to read with layers='FIRST,SECOND'"
        )


def input_shape(value: object) -> tuple[int, int, int]:
    """The option ``input_shape``: channels, height, width."""
    numbers = integers("input_shape", value)
    if len(numbers) != 3 or min(numbers) < 1:
        raise InputError(
            f"The option input_shape is channels, height and width of an image, not {value!r}"
        )
    return numbers[0], numbers[1], numbers[2]


def per_layer(options: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """The options of every one of ``count`` convolutions, from one for all or one for each."""
    chosen: list[dict[str, Any]] = [{} for _ in range(count)]
    for name in LAYER_OPTIONS:
        if options.get(name) is None:
            continue
        values = listed(options[name])
        if len(values) not in (1, count):
            raise InputError(
                f"The option {name} has {len(values)} values for "
                f"{networks.counted(count, 'convolution')}: give one for all, or one each (rows "
                "and columns that differ as 2x1)"
            )
        for each, value in zip(chosen, values * (count // len(values)), strict=True):
            each[name] = value
    return chosen


def missing_options(state: State, prefix: str, options: Mapping[str, Any]) -> list[str]:
    """Which options this layer needs but has not: those that no default exists for."""
    start = networks.start_of(prefix)
    names = ["stride", "padding"]
    if f"{start}layer_norm.0.running_mean" not in state:
        names.append("norm")
    return [name for name in names if options.get(name) is None]


def layer(
    state: State, prefix: str, options: Mapping[str, Any], shape: tuple[int, int, int]
) -> ConvLayer:
    """Read one convolution over images of ``shape``; ``options`` are those of one layer."""
    start = networks.start_of(prefix)
    if f"{start}{_V2}" in state:
        raise InputError(
            f"Tensor '{start}{_V2}' is of torch-conv-kan's V2 layer, which kanhw does not read: "
            "train with KAGNConv2DLayer"
        )
    weights = _poly_weights(state, start)
    groups, rows, columns = weights.shape[0], weights.shape[1], weights.shape[2]
    _refuse_unknown(state, prefix, groups)
    beta = parameter(state, f"{start}beta_weights", 1)
    check_degree(len(beta) - 1, options, f"{start}beta_weights")
    if not len(beta) or columns % len(beta):
        raise InputError(
            f"Tensor '{start}{_POLY}' has {columns} channels, which is no multiple of the "
            f"{len(beta)} polynomials of '{start}beta_weights'"
        )
    channels = columns // len(beta)
    window = Window(
        shape=shape,
        size=(weights.shape[3], weights.shape[4]),
        stride=_pair("stride", options["stride"]),
        padding=_pair("padding", options["padding"]),
        dilation=_pair("dilation", options.get("dilation") or 1),
    )
    if shape[0] != groups * channels:
        raise InputError(
            f"{prefix or 'layer'} takes images of {groups * channels} channels, but is given "
            f"{shape}"
        )
    taps = channels * weights.shape[3] * weights.shape[4]
    coefficients = np.zeros((groups, rows, groups, taps, len(beta)))
    base = np.zeros((groups, rows, groups, taps))
    bias = np.zeros((groups, rows))
    for g in range(groups):
        name = f"{start}base_conv.{g}.weight"
        kernel = parameter(state, name, 4)
        expect_shape(name, kernel, (rows, channels, *weights.shape[3:]), f"{start}{_POLY}")
        scale, bias[g] = _norm(state, f"{start}layer_norm.{g}", options, rows)
        by_degree = weights[g].reshape(rows, len(beta), taps)
        coefficients[g, :, g] = by_degree.transpose(0, 2, 1) * scale[:, np.newaxis, np.newaxis]
        base[g, :, g] = kernel.reshape(rows, taps) * scale[:, np.newaxis]
    n_out, n_in = groups * rows, groups * taps
    return ConvLayer(
        KanLayer(
            basis=GramBasis(beta, n_in, _SILU, constant=True),
            coefficients=coefficients.reshape(n_out, n_in, len(beta)),
            base_weights=base.reshape(n_out, n_in),
            base_activation=_SILU,
            bias=bias.reshape(n_out),
            name=prefix or "layer",
            post=(_SILU,),
        ),
        window,
    )


def _poly_weights(state: State, start: str) -> FloatArray:
    """``[groups, out / groups, (D + 1) in / groups, rows, columns]``."""
    name = f"{start}{_POLY}"
    dimensions = np.ndim(state.get(name, 0)) - 3
    if dimensions in (1, 3):
        raise InputError(
            f"Tensor {name!r} is of a {dimensions}-dimensional convolution: kanhw reads "
            "convolutions over images only"
        )
    return parameter(state, name, 5)


def _refuse_unknown(state: State, prefix: str, groups: int) -> None:
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    known = [_POLY, "beta_weights"]
    for g in range(groups):
        known += [f"base_conv.{g}.weight", *(f"layer_norm.{g}.{name}" for name in norm)]
    networks.refuse_unknown(state, prefix, tuple(known), "KAGNConv2DLayer")


def _norm(
    state: State, prefix: str, options: Mapping[str, Any], n_out: int
) -> tuple[FloatArray, FloatArray]:
    """Scale and shift of a group's norm, whose kind the statistics tell if it has any."""
    present = any(name.startswith(f"{prefix}.") for name in state)
    statistics = f"{prefix}.running_mean" in state
    kind = "batch" if statistics and options.get("norm") is None else norm_kind(options["norm"])
    if kind == "none" and not present:
        return np.ones(n_out), np.zeros(n_out)
    # With running statistics an InstanceNorm does at inference what a BatchNorm does.
    if kind != "batch" and not (kind == "instance" and statistics):
        found = "it has tensors" if present else "without tensors"
        hint = {
            "none": f"contradicts the tensors of {prefix!r}: leave the option out",
            "instance": (
                "takes mean and variance of every image, in a second pass over it, which kanhw "
                "does not do: train with norm_layer=nn.BatchNorm2d"
            ),
        }.get(kind, f"({found}) is no norm that can be folded: train with nn.BatchNorm2d")
        raise InputError(f"norm={options['norm']!r} {hint}")
    if not statistics:
        raise InputError(
            f"norm={options['norm']!r}, but there is no tensor '{prefix}.running_mean': without "
            "running statistics the network depends on what else is in a batch; train with "
            "track_running_stats=True"
        )
    scale, shift = batch_norm(state, prefix, epsilon(options))
    expect_shape(f"{prefix}.running_mean", scale, (n_out,), _POLY)
    return scale, shift


def _pair(name: str, value: object) -> tuple[int, int]:
    both = [value] if isinstance(value, list | tuple) else value
    found = pairs(name, both)
    if len(found) != 1:
        raise InputError(f"The option {name} of one layer is one number or two, not {value!r}")
    return found[0]
