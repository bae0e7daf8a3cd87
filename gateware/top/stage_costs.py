"""What every layer of a Program is made of under a schedule, without building it."""

from __future__ import annotations

from dataclasses import dataclass

from kanhw.gateware.folded.folded_costs import buffer_costs, folded_costs
from kanhw.gateware.folded.folded_layer import FoldedLayer
from kanhw.gateware.parts.address import Address
from kanhw.gateware.parts.costs import Costs, MemoryShape, choice_luts
from kanhw.gateware.stream.stage import Payload
from kanhw.gateware.top.chain import is_folded
from kanhw.gateware.unrolled.unrolled_layers import layer_costs
from kanhw.program import ConvolutionLayer, NormLayer, PoolingLayer, Program, ProgramLayer
from kanhw.schedule.fold import fold_of
from kanhw.schedule.schedule import Schedule
from kanhw.schedule.window_fold import window_fold

__all__ = ["LayerOption", "layer_option", "stage_costs"]


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
    costs: Costs


def stage_costs(program: Program, schedule: Schedule) -> list[LayerOption]:
    """Every layer of a Program, in order."""
    return [
        layer_option(program, index, schedule, schedule.parallel(layer.name))
        for index, layer in enumerate(program.layers)
    ]


def layer_option(
    program: Program, index: int, schedule: Schedule, parallel: tuple[int, int]
) -> LayerOption:
    """One layer: folded by ``parallel`` if the schedule folds such layers, else as it always is."""
    layer = program.layers[index]
    if is_folded(layer, schedule):
        return _folded(layer, _widths(program, index), schedule, parallel)
    if isinstance(layer, NormLayer):
        return _norm(layer)
    if isinstance(layer, ConvolutionLayer | PoolingLayer):
        return _windowed(layer, max(_widths(program, index)))
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
        buffer = Costs(counters=6 * words.bit_length(), memories=(memory,) * windows.taps)
        clocks = max(fold.steps * layer.window.positions, layer.n_in // windows.channels)
        return LayerOption(parallel, clocks, folded_costs(taps, folded, fold) + buffer)
    fold = fold_of(layer.n_in, layer.n_out, parallel)
    folded = FoldedLayer(layer, Payload(addresses), schedule, fold)
    costs = folded_costs(layer, folded, fold) + buffer_costs(fold, word * fold.parallel_inputs)
    return LayerOption(parallel, fold.steps, costs)


def _norm(layer: NormLayer) -> LayerOption:
    """A register for the vector, a choice among its elements, and the arithmetic of one."""
    bits = layer.width * layer.n_in
    own = sum(r.format.width for r in layer.requantizers if r.format is not None)
    sums = layer.fraction_bits + layer.width
    choice = choice_luts(layer.n_in, layer.width)
    return LayerOption(
        None,
        max(layer.n_in, layer.fraction_bits + 10),
        Costs(
            adder_bits=12 * sums,
            choice_bits=choice + own * layer.n_in,
            register_bits=bits + own * layer.n_in + 12 * sums,
            multipliers=4,
            counters=3 * layer.n_in.bit_length(),
        ),
    )


def _windowed(layer: ConvolutionLayer | PoolingLayer, width: int) -> LayerOption:
    """A line buffer, then the layer of a window."""
    window = layer.window
    channels, rows, columns = window.shape
    line = MemoryShape(columns, channels * width, written=True)
    lines = (line,) * (window.dilation[0] * (window.size[0] - 1))
    taps = window.size[0] * window.size[1] * channels * width
    buffer = Costs(register_bits=taps, counters=4 * columns.bit_length(), memories=lines)
    if isinstance(layer, ConvolutionLayer):
        return LayerOption(None, rows * columns, buffer + layer_costs(layer.taps))
    tree = Costs(adder_bits=taps + taps // 2, register_bits=taps)
    return LayerOption(None, rows * columns, buffer + tree)
