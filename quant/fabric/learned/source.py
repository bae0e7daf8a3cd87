"""Structures to learn widths of: of sizes, from scratch, or of a trained float model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.activation import Activation
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel
from kanhw.quant.fabric.learned.structure import (
    HIDDEN_REACH,
    LayerStructure,
    Structure,
    centres,
    line_layer,
    spline_layer,
)
from kanhw.quant.fabric.learned.task import FabricTask
from kanhw.quant.planning.freeze import freeze_norms
from kanhw.records import record_of
from kanhw.values import brief, is_integer

__all__ = ["structure_of_model", "structure_of_sizes"]

# Cells of the grids of hidden layers and of the last one; what a range is in units of slopes.
_CELLS, _LAST_CELLS = 7, 9
_INPUT_SPAN = 5.0
# More inputs than this start with smaller slopes: sums of inputs that are alike, such as pixels,
# grow with their number, and hidden codes must not saturate.
_FEW_INPUTS = 16
# Percent of the data at either end of an input's range that it leaves out at the start.
_TAIL = 0.5
_MOST_LAYERS = 16


def structure_of_sizes(
    sizes: Sequence[int], x: FloatArray, task: FabricTask, most_bits: int
) -> Structure:
    """Layers of cubic B-splines, from scratch.

    Parameters
    ----------
    sizes
        Inputs, hidden neurons and outputs, such as (16, 3, 7).
    x
        ``[N, n_in]`` training features, which ranges start at.
    task
        What is learned.
    most_bits
        M, of an address.
    """
    good = all(is_integer(size) and size >= 1 for size in sizes)
    if not good or not 2 <= len(sizes) <= _MOST_LAYERS + 1:
        raise InputError(
            f"Sizes must be 2 to {_MOST_LAYERS + 1} integers of at least 1, such as 16-3-7, not "
            f"{brief(tuple(sizes))}"
        )
    if sizes[0] != x.shape[1]:
        raise InputError(
            f"The sizes begin with {sizes[0]} inputs, but the data have {x.shape[1]} features"
        )
    outs = [*sizes[1:-1], len(task.learned)]
    layers = []
    few = min(_FEW_INPUTS / sizes[0], 1.0)
    low, high = _ranges(x)
    constant, two_valued = np.ptp(x, axis=0) == 0, _two_valued(x)
    for index, (n_in, n_out) in enumerate(zip(sizes[:-1], outs, strict=True)):
        cells = _LAST_CELLS if index == len(outs) - 1 else _CELLS
        span = 2 * HIDDEN_REACH if index else _INPUT_SPAN * few
        name = f"layers.{index}"
        if index == 0 and (constant | two_valued).all():
            layers.append(line_layer(name, n_in, n_out, span, most_bits))
        else:
            layers.append(spline_layer(name, n_in, n_out, cells, span, most_bits))
    text = "-".join(map(str, sizes))
    # Sums of many inputs also move further in a step.
    layers[0] = replace(layers[0], rate=math.sqrt(few))
    source = f"trained from scratch, {text}"
    return Structure(tuple(layers), low, high, most_bits, source, constant, two_valued)


def structure_of_model(
    model: KanModel, x: FloatArray, task: FabricTask, most_bits: int
) -> Structure:
    """The layers of a trained float model, its norms frozen to the data.

    Parameters
    ----------
    model
        Fully connected layers of any basis.
    x
        ``[N, n_in]`` training features.
    task
        What is learned; outputs are brought to its units, and the reference class taken off.
    most_bits
        M, of an address.

    Raises
    ------
    InputError
        If a layer is of another kind, or multiplies its sums with each other.
    """
    model = freeze_norms(model, x).model
    value = model.flat(x)
    low, high = _ranges(value)
    first_low, first_high = low, high
    layers: list[LayerStructure] = []
    before: tuple[Activation, ...] = ()
    for index, layer in enumerate(model.layers):
        own = record_of(LAYERS, type(layer), "training for the fabric", f"{__name__}.LAYERS")(layer)
        functions, coefficients = _edges(own, low, high, before, most_bits)
        for activation in before:
            value = activation(value)
        value, bias, before = own.sums(value), own.bias, _activations(own)
        if index == len(model.layers) - 1:
            _check_outputs(own, task)
            coefficients, bias = _to_task(coefficients, bias, task)
        else:
            low, high = _ranges(value)
            gain = 2 * HIDDEN_REACH / (high - low)
            coefficients = coefficients * gain[:, None, None]
            bias = (bias - low) * gain - HIDDEN_REACH
        layers.append(LayerStructure(own.name, functions, coefficients, bias))
    flat = model.flat(x)
    constant, two_valued = np.ptp(flat, axis=0) == 0, _two_valued(flat)
    ends = first_low, first_high
    return Structure(tuple(layers), *ends, most_bits, model.source, constant, two_valued)


def _activations(layer: KanLayer) -> tuple[Activation, ...]:
    """What happens to the sums, which the edges of the next layer take into their curves."""
    others = [step for step in layer.post if not isinstance(step, Activation)]
    if others:
        raise InputError(
            f"{layer.name}: its sums are changed by {type(others[0]).__name__}, which no curve of "
            "one sum can be: train this network without learned widths"
        )
    return tuple(step for step in layer.post if isinstance(step, Activation))


def _check_outputs(layer: KanLayer, task: FabricTask) -> None:
    """Classes are told by the sums; reals need them as they are."""
    if layer.post and task.name == "regression":
        raise InputError(
            f"{layer.name}: an activation behind the last sums has no place in a table: train a "
            "network without it, or without learned widths"
        )


# What gives the edges of a layer of every kind.
LAYERS: dict[type, Callable[[Any], KanLayer]] = {KanLayer: lambda layer: layer}


def _ranges(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ends of the range of every value ``[n]``: without tails, and never empty.

    Two values are the middles of the two cells of one bit.
    """
    low, high = np.percentile(x, [_TAIL, 100 - _TAIL], axis=0)
    whole_low, whole_high = x.min(axis=0), x.max(axis=0)
    narrow = high - low <= 1e-3 * (whole_high - whole_low)
    low, high = np.where(narrow, whole_low, low), np.where(narrow, whole_high, high)
    two_valued, margin = _two_valued(x), (whole_high - whole_low) / 2
    low = np.where(two_valued, whole_low - margin, low)
    high = np.where(two_valued, whole_high + margin, high)
    constant = high <= low
    return np.where(constant, low - 0.5, low), np.where(constant, high + 0.5, high)


def _two_valued(x: FloatArray) -> npt.NDArray[np.bool_]:
    """``[n]``: which values are one of two in every sample, and not always the same."""
    low, high = x.min(axis=0), x.max(axis=0)
    return np.asarray(((x == low) | (x == high)).all(axis=0) & (low < high))


def _edges(
    layer: KanLayer,
    low: FloatArray,
    high: FloatArray,
    before: tuple[Activation, ...],
    most_bits: int,
) -> tuple[FloatArray, FloatArray]:
    """Functions ``[n_in, P, K]`` of inputs at centres, and coefficients of all branches."""
    shares = np.concatenate([centres(bits) for bits in range(most_bits + 1)])
    points = low + shares[:, None] * (high - low)
    for activation in before:
        points = activation(points)
    spline = np.stack(
        [layer.basis.evaluate_input(i, points[:, i]) for i in range(layer.n_in)]
    )
    base = layer.base_activation(points).T[:, :, None]
    count = max((sum(own.i == i for own in layer.symbolic) for i in range(layer.n_in)), default=0)
    named = np.zeros((layer.n_in, len(points), count))
    weights = np.zeros((layer.n_sums, layer.n_in, count))
    used = np.zeros(layer.n_in, np.int64)
    for own in layer.symbolic:
        place = used[own.i]
        named[own.i, :, place] = own(points[:, own.i])
        weights[own.j, own.i, place] = 1.0
        used[own.i] += 1
    functions = np.concatenate([spline, base, named], axis=2)
    coefficients = np.concatenate(
        [layer.coefficients, layer.base_weights[:, :, None], weights], axis=2
    )
    return functions, coefficients


def _to_task(
    coefficients: FloatArray, bias: FloatArray, task: FabricTask
) -> tuple[FloatArray, FloatArray]:
    """The last layer in the units of a task."""
    if task.reference is not None:
        at = task.reference
        return (
            (coefficients - coefficients[at])[task.learned],
            (bias - bias[at])[task.learned],
        )
    scale = task.scale[:, None, None]
    return coefficients / scale, (bias - task.offset) / task.scale
