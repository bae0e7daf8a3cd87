"""Structures to learn widths of: of a shape, from scratch, or of a trained float model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import FloatArray, IntArray
from kanhw.model.activation import Activation
from kanhw.model.convolution import ConvLayer, PoolLayer
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel
from kanhw.model.rescaling import linear_layer
from kanhw.quant.fabric.learned.pooling import Pool
from kanhw.quant.fabric.learned.reading import Reading
from kanhw.quant.fabric.learned.shape import Shape
from kanhw.quant.fabric.learned.structure import (
    HIDDEN_REACH,
    LayerStructure,
    Structure,
    are_binary,
    centres,
    line_layer,
    spline_layer,
)
from kanhw.quant.fabric.learned.task import FabricTask
from kanhw.quant.planning.freeze import freeze_norms
from kanhw.records import record_of
from kanhw.windows import Window

__all__ = ["structure_of_model", "structure_of_shape"]

# Cells of the grids of hidden layers and of the last one; what a range is in units of slopes.
_CELLS, _LAST_CELLS = 7, 9
_INPUT_SPAN = 5.0
# More inputs than this start with smaller slopes: sums of inputs that are alike, such as pixels,
# grow with their number, and hidden codes must not saturate.
_FEW_INPUTS = 16
# Percent of the data at either end of an input's range that it leaves out at the start.
_TAIL = 0.5


def structure_of_shape(shape: Shape, x: FloatArray, task: FabricTask, most_bits: int) -> Structure:
    """Layers of cubic B-splines, from scratch.

    Parameters
    ----------
    shape
        Such as that of 16-3-7: 16 inputs, 3 hidden neurons and 7 outputs.
    x
        ``[N, n_in]`` training features, which ranges start at.
    task
        What is learned.
    most_bits
        M, of an address.
    """
    count = math.prod(shape.inputs)
    if count != x.shape[1]:
        begin = "x".join(map(str, shape.inputs))
        values = "" if len(shape.inputs) == 1 else f" of {count} values"
        raise InputError(
            f"The sizes begin with {begin} inputs{values}, but the data have {x.shape[1]} features"
        )
    inputs = _Inputs.of(x, _reading(shape.layers[0].window, (), count))
    few = min(_FEW_INPUTS / inputs.reading.n_in, 1.0)
    layers: list[LayerStructure] = []
    for index, own in enumerate(shape.layers):
        last = index == len(shape.layers) - 1
        name, n_out = f"layers.{index}", len(task.learned) if last else own.n_out
        reading = _reading(own.window, layers, count)
        span = 2 * HIDDEN_REACH if index else _INPUT_SPAN * few
        if index == 0 and are_binary(inputs.constant, inputs.two_valued):
            made = line_layer(name, reading, n_out, span, most_bits)
        else:
            cells = _LAST_CELLS if last else _CELLS
            made = spline_layer(name, reading, n_out, cells, span, most_bits)
        # Sums of many inputs also move further in a step.
        rate = 1.0 if index else math.sqrt(few)
        layers.append(replace(made, pool=_pool(own.pool), rate=rate))
    return inputs.structure(layers, most_bits, f"trained from scratch, {shape.text}")


def _pool(layer: PoolLayer | None) -> Pool | None:
    """Of codes, as of values."""
    return None if layer is None else Pool(layer.kind, layer.window, layer.name)


def _reading(window: Window | None, before: Sequence[LayerStructure], n_in: int) -> Reading:
    """Of windows, or of all values that the layer before gives, of which there may be none yet."""
    if window is not None:
        return Reading.of_windows(window)
    return Reading(before[-1].channels if before else np.arange(n_in))


def structure_of_model(
    model: KanModel, x: FloatArray, task: FabricTask, most_bits: int
) -> Structure:
    """The layers of a trained float model, its norms frozen to the data.

    Parameters
    ----------
    model
        Layers of any basis, fully connected, or in windows of images with pooling behind them.
    x
        ``[N, n_in]`` training features.
    task
        What is learned; outputs are brought to its units, and the reference class taken off.
    most_bits
        M, of an address.

    Raises
    ------
    InputError
        If a layer is of another kind, multiplies its sums with each other, or pools what are no
        sums of edges.
    """
    model = freeze_norms(model, x).model
    inputs = value = model.flat(x)
    given: list[_Given] = []
    for part in model.layers:
        record_of(LAYERS, type(part), "training for the fabric", f"{__name__}.LAYERS")(part, given)
    layers: list[LayerStructure] = []
    ranges: list[tuple[FloatArray, FloatArray]] = []
    before: tuple[Activation, ...] = ()
    for layer in given:
        own, reading = layer.edges, _reading(layer.window, layers, model.n_in)
        if not layers:
            ranges.append(_ranges(value, reading.channels))
        low, high = (reading.by_input(end) for end in ranges[-1])
        functions, coefficients = _edges(own, low, high, before, most_bits)
        for activation in before:
            value = activation(value)
        value, bias, before = layer.sums(value), own.bias, _activations(own)
        if layer is given[-1]:
            _check_outputs(layer, task)
            coefficients, bias = _to_task(coefficients, bias, task)
        else:
            low, high = _ranges(value, np.repeat(np.arange(own.n_sums), reading.positions))
            ranges.append((low, high))
            gain = 2 * HIDDEN_REACH / (high - low)
            coefficients = coefficients * gain[:, None, None]
            bias = (bias - low) * gain - HIDDEN_REACH
        if layer.pool is not None:
            value = layer.pool(value)
        pool = _pool(layer.pool)
        layers.append(LayerStructure(own.name, reading, functions, coefficients, bias, pool=pool))
    return _Inputs.of(inputs, layers[0].reading).structure(layers, most_bits, model.source)


@dataclass(eq=False)
class _Given:
    """A float layer of edges, in windows or not, and the pooling behind it."""

    edges: KanLayer
    window: Window | None = None
    pool: PoolLayer | None = None

    def sums(self, value: FloatArray) -> FloatArray:
        """Of all windows, without what happens to them."""
        if self.window is None:
            return self.edges.sums(value)
        return ConvLayer(replace(self.edges, post=()), self.window)(value)


def _add_pool(layer: PoolLayer, given: list[_Given]) -> None:
    """Pooling belongs to the sums in front of it.

    An activation in between goes behind it, as the largest of values and of those of a rising
    function are at the same place. An average is one of the function's values: these get codes,
    by edges that hand on the value of a channel each.
    """
    if not given or given[-1].pool is not None:
        raise InputError(
            f"{layer.name}: only the sums of a layer are pooled, and once: "
            f"{'pool the data' if not given else 'join it with the pooling before'}, or train this "
            "network without learned widths"
        )
    activations = _activations(given[-1].edges)
    if layer.kind == "average" and not all(own.is_identity for own in activations):
        channels = layer.window.shape[0]
        values = linear_layer(f"{layer.name}.values", np.eye(channels), np.zeros(channels))
        given.append(_Given(values, Window(layer.window.shape, (1, 1))))
    given[-1].pool = layer


# What adds a layer of every kind to those before it.
LAYERS: dict[type, Callable[[Any, list[_Given]], None]] = {
    KanLayer: lambda layer, given: given.append(_Given(layer)),
    ConvLayer: lambda layer, given: given.append(_Given(layer.taps, layer.window)),
    PoolLayer: _add_pool,
}


def _activations(layer: KanLayer) -> tuple[Activation, ...]:
    """What happens to the sums, which the edges of the next layer take into their curves."""
    others = [step for step in layer.post if not isinstance(step, Activation)]
    if others:
        raise InputError(
            f"{layer.name}: its sums are changed by {type(others[0]).__name__}, which no curve of "
            "one sum can be: train this network without learned widths"
        )
    return tuple(step for step in layer.post if isinstance(step, Activation))


def _check_outputs(layer: _Given, task: FabricTask) -> None:
    """Classes are told by the sums; reals need them as they are."""
    if layer.window is not None or layer.pool is not None:
        raise InputError(
            f"{layer.edges.name}: the last layer must read all values, not windows, and is not "
            "pooled: end the network with a fully connected layer, or train it without learned "
            "widths"
        )
    if layer.edges.post and task.name == "regression":
        raise InputError(
            f"{layer.edges.name}: an activation behind the last sums has no place in a table: "
            "train a network without it, or without learned widths"
        )


def _by_channel(x: FloatArray, channels: IntArray) -> FloatArray:
    """Values ``[N, n]`` as those of channels, ``[N * positions, channels]``."""
    count = int(channels.max()) + 1
    return x.reshape(len(x), count, -1).swapaxes(1, 2).reshape(-1, count)


@dataclass(frozen=True, eq=False)
class _Inputs:
    """What the data say of a network's inputs, ``[channels]`` each."""

    reading: Reading
    low: FloatArray
    high: FloatArray
    constant: npt.NDArray[np.bool_]
    two_valued: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, x: FloatArray, reading: Reading) -> _Inputs:
        """Of features ``[N, n_in]``, as the first layer reads them."""
        own = _by_channel(x, reading.channels)
        constant = np.asarray(np.ptp(own, axis=0) == 0)
        return cls(reading, *_ranges(x, reading.channels), constant, _two_valued(own))

    def structure(self, layers: Sequence[LayerStructure], most_bits: int, source: str) -> Structure:
        """Of layers behind them."""
        ends = self.low, self.high
        return Structure(tuple(layers), *ends, most_bits, source, self.constant, self.two_valued)


def _ranges(x: FloatArray, channels: IntArray) -> tuple[FloatArray, FloatArray]:
    """Ends of the range of every channel: without tails, and never empty.

    Two values are the middles of the two cells of one bit.
    """
    x = _by_channel(x, channels)
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
    spline = np.stack([layer.basis.evaluate_input(i, points[:, i]) for i in range(layer.n_in)])
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
