"""Costs of every layer of a Program under a schedule, without building it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from kanhw.errors import InputError
from kanhw.gateware.folded.folded_costs import buffer_costs, folded_costs
from kanhw.gateware.folded.folded_layer import FoldedLayer
from kanhw.gateware.heads.resident_stage import ResidentStage
from kanhw.gateware.parts.address import Address
from kanhw.gateware.parts.costs import HardwareCosts, MemoryShape, choice_luts
from kanhw.gateware.stream.stage import Payload
from kanhw.gateware.top.chain import STAGES, is_folded
from kanhw.gateware.unrolled.unrolled_layers import layer_costs
from kanhw.program import (
    ConvolutionLayer,
    NormLayer,
    PoolingLayer,
    Program,
    ProgramLayer,
    ResidentLayer,
)
from kanhw.schedule.fold import fold_of
from kanhw.schedule.schedule import Schedule
from kanhw.schedule.window_fold import window_fold
from kanhw.windows import Window

__all__ = ["STAGE_COSTS", "LayerOption", "layer_option", "stage_costs"]


@dataclass(frozen=True)
class LayerOption:
    """A layer under some schedule.

    Parameters
    ----------
    parallel
        Inputs and outputs at a time; None where the layer is not folded.
    clocks
        Between two vectors or images.
    costs
        What it is made of.
    """

    parallel: tuple[int, int] | None
    clocks: int
    costs: HardwareCosts


def stage_costs(program: Program, schedule: Schedule) -> list[LayerOption]:
    """Every layer of a Program, in order."""
    return [
        layer_option(program, index, schedule, schedule.parallel(layer.name))
        for index, layer in enumerate(program.layers)
    ]


def layer_option(
    program: Program, index: int, schedule: Schedule, parallel: tuple[int, int]
) -> LayerOption:
    """One layer: folded by ``parallel`` if the schedule folds such layers, else as it always is.

    Raises
    ------
    InputError
        If nothing says what layers of its kind cost.
    """
    layer = program.layers[index]
    if is_folded(layer, schedule):
        return _folded(layer, _widths(program, index), schedule, parallel)
    if layer.kind in STAGE_COSTS:
        return STAGE_COSTS[layer.kind](layer, max(_widths(program, index)))
    if layer.kind in STAGES:
        raise InputError(
            f"There are no costs of layers of kind {layer.kind!r}, so they cannot be modelled: add "
            "them to STAGE_COSTS (kanhw.gateware.top.stage_costs), beside their stage in STAGES"
        )
    return LayerOption(None, 1, layer_costs(layer))


def _widths(program: Program, index: int) -> list[int]:
    """Bits of the codes of every stream in front of a layer."""
    if index == 0:
        return [program.input.format.width]
    before = program.layers[index - 1]
    own = [r.format.width for r in before.requantizers if r.format is not None]
    widths = _widths(program, index - 1) if before.passes else []
    return own + [widths[stream] for stream in before.passes]


def _folded(
    layer: ProgramLayer, widths: list[int], schedule: Schedule, parallel: tuple[int, int]
) -> LayerOption:
    addresses = tuple((Address(width, 0, (1 << width) - 1, width),) for width in widths)
    word = sum(widths[stream] for stream in set(layer.streams))
    if isinstance(layer, ConvolutionLayer):
        windows, taps = window_fold(layer.window, parallel[0]), layer.taps
        fold = fold_of(
            *(taps.n_in, taps.n_out, parallel), order=windows.order, padded=windows.padded
        )
        folded = FoldedLayer(taps, Payload(addresses), schedule, fold)
        channels, _, columns = layer.window.shape
        # The rows that windows reach over and one more, for every tap that is read at a time.
        rows = layer.window.dilation[0] * (layer.window.size[0] - 1) + 2
        words = rows * columns * -(-channels // windows.channels)
        memory = MemoryShape(words, word * windows.channels, written=True)
        buffer = HardwareCosts(counters=6 * words.bit_length(), memories=(memory,) * windows.taps)
        clocks = max(fold.steps * layer.window.positions, layer.n_in // windows.channels)
        return LayerOption(parallel, clocks, folded_costs(taps, folded, fold) + buffer)
    fold = fold_of(layer.n_in, layer.n_out, parallel)
    if isinstance(layer, ResidentLayer):
        portion = Payload(tuple(stream * fold.parallel_inputs for stream in addresses))
        return LayerOption(
            parallel, fold.steps, ResidentStage(layer, portion, schedule, fold).costs
        )
    folded = FoldedLayer(layer, Payload(addresses), schedule, fold)
    costs = folded_costs(layer, folded, fold) + buffer_costs(fold, word * fold.parallel_inputs)
    return LayerOption(parallel, fold.steps, costs)


def _norm(of: ProgramLayer, width: int) -> LayerOption:
    """A register for the vector, a choice among its elements, and the arithmetic of one."""
    layer = cast(NormLayer, of)
    bits = layer.width * layer.n_in
    own = sum(r.format.width for r in layer.requantizers if r.format is not None)
    sums = layer.fraction_bits + layer.width
    choice = choice_luts(layer.n_in, layer.width)
    return LayerOption(
        None,
        max(layer.n_in, layer.fraction_bits + 10),
        HardwareCosts(
            adder_bits=12 * sums,
            choice_luts=choice + own * layer.n_in,
            register_bits=bits + own * layer.n_in + 12 * sums,
            multipliers=4,
            counters=3 * layer.n_in.bit_length(),
        ),
    )


def _convolution(layer: ProgramLayer, width: int) -> LayerOption:
    """A line buffer, then the layer of a window, unrolled."""
    convolution = cast(ConvolutionLayer, layer)
    buffer, _ = _line_buffer(convolution.window, width)
    positions = convolution.window.shape[1] * convolution.window.shape[2]
    return LayerOption(None, positions, buffer + layer_costs(convolution.taps))


def _pooling(layer: ProgramLayer, width: int) -> LayerOption:
    """A line buffer, then sums or comparisons of a window."""
    window = cast(PoolingLayer, layer).window
    buffer, taps = _line_buffer(window, width)
    tree = HardwareCosts(adder_bits=taps + taps // 2, register_bits=taps)
    return LayerOption(None, window.shape[1] * window.shape[2], buffer + tree)


def _line_buffer(window: Window, width: int) -> tuple[HardwareCosts, int]:
    """Of the rows that windows reach over; and the bits of a window."""
    channels, _, columns = window.shape
    line = MemoryShape(columns, channels * width, written=True)
    lines = (line,) * (window.dilation[0] * (window.size[0] - 1))
    taps = window.size[0] * window.size[1] * channels * width
    return HardwareCosts(
        register_bits=taps, counters=4 * columns.bit_length(), memories=lines
    ), taps


# layer, bits of its codes -> what its stage takes, for every kind in STAGES.
STAGE_COSTS: dict[str, Callable[[ProgramLayer, int], LayerOption]] = {
    "layer_norm": _norm,
    "convolution": _convolution,
    "pooling": _pooling,
}
