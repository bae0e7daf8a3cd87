"""Costs of every layer of a Program under a schedule, without building it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from kanhw.errors import InputError
from kanhw.gateware.folded.folded_costs import buffer_costs, folded_costs
from kanhw.gateware.folded.folded_layer import FoldedLayer
from kanhw.gateware.heads.resident_stage import ResidentStage
from kanhw.gateware.norm.norm_stage import NormStage
from kanhw.gateware.parts.address import Address
from kanhw.gateware.parts.costs import HardwareCosts, MemoryShape
from kanhw.gateware.stream.input_conversion import ConversionStage
from kanhw.gateware.stream.input_ranges import InputRanges, input_payload, is_clamped
from kanhw.gateware.stream.stage import Payload
from kanhw.gateware.unrolled.unrolled_layers import layer_costs
from kanhw.program import ConvolutionLayer, PoolingLayer, Program
from kanhw.schedule.code_streams import inputs_as_codes
from kanhw.schedule.layer_fold import input_transfer
from kanhw.schedule.layer_layouts import edges_of
from kanhw.schedule.layout import planned_alone
from kanhw.schedule.planned_stage import PlannedStage
from kanhw.schedule.schedule import Schedule
from kanhw.schedule.table_ranges import ranges_in_tables
from kanhw.windows import Window

__all__ = ["STAGE_COSTS", "CostSite", "LayerOption", "layer_option", "stage_costs"]


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


@dataclass(frozen=True)
class CostSite:
    """A layer whose stage is to be counted.

    Parameters
    ----------
    layer
        Of the kind that such stages compute.
    planned
        The stage.
    widths
        Bits of the codes of every stream in front of it.
    schedule
        Registers.
    """

    layer: Any
    planned: PlannedStage
    widths: tuple[int, ...]
    schedule: Schedule

    @property
    def inputs(self) -> Payload:
        """A code of every stream."""
        return Payload(tuple((Address(w, 0, (1 << w) - 1, w),) for w in self.widths))

    @property
    def word(self) -> int:
        """Bits of a code of every stream that is read."""
        return sum(self.widths[stream] for stream in set(self.layer.streams))


def stage_costs(program: Program, schedule: Schedule) -> list[LayerOption]:
    """Every layer of a Program, in order."""
    program = ranges_in_tables(program, schedule)
    return [
        layer_option(program, index, schedule, schedule.parallel(layer.name))
        for index, layer in enumerate(program.layers)
    ]


def layer_option(
    program: Program, index: int, schedule: Schedule, parallel: tuple[int, int]
) -> LayerOption:
    """One layer: folded by ``parallel`` if the schedule folds such layers, else as it always is.

    The first one with what converts the network's input or brings it into its ranges.

    Raises
    ------
    InputError
        If nothing says what layers of its kind cost.
    """
    program = ranges_in_tables(program, schedule)
    layer = program.layers[index]
    planned = planned_alone(layer, schedule, parallel)
    record = STAGE_COSTS.get(planned.kind)
    if record is None:
        raise InputError(
            f"There are no costs of stages of kind {planned.kind!r}, which layer {layer.name!r} "
            "becomes, so they cannot be modelled: add them to STAGE_COSTS "
            "(kanhw.gateware.top.stage_costs), beside their stage in STAGES"
        )
    site = CostSite(layer, planned, tuple(_widths(program, index)), schedule)
    clocks = CLOCKS[planned.kind](site) if planned.kind in CLOCKS else planned.interval
    costs = record(site)
    if index == 0 and (program.conversion is not None or program.input.ranged):
        costs += _input_costs(program, schedule, parallel if planned.fold else None)
    return LayerOption(parallel if planned.fold else None, clocks, costs)


def _input_costs(
    program: Program, schedule: Schedule, parallel: tuple[int, int] | None
) -> HardwareCosts:
    """What converts the input's codes or brings them into their ranges, before the first layer."""
    comes = input_payload(program.input, input_transfer(program.layers[0], parallel))
    if program.conversion is not None:
        levels = schedule.adder_levels
        return ConversionStage(program.conversion, program.input, comes, levels).costs
    as_codes = inputs_as_codes(program.layers, schedule.folded)
    if not is_clamped(program.input, as_codes=as_codes):
        return HardwareCosts()
    return InputRanges(program.input, comes, as_codes=as_codes).costs


def _widths(program: Program, index: int) -> list[int]:
    """Bits of the codes of every stream in front of a layer."""
    if index == 0:
        return [program.grid.format.width]
    before = program.layers[index - 1]
    own = [r.format.width for r in before.requantizers if r.format is not None]
    widths = _widths(program, index - 1) if before.passes else []
    return own + [widths[stream] for stream in before.passes]


def _pipeline(at: CostSite) -> HardwareCosts:
    return layer_costs(at.layer, at.schedule.of_layer(at.layer.name))


def _folded(at: CostSite) -> HardwareCosts:
    fold = at.planned.folds
    folded = FoldedLayer(at.layer, at.inputs, at.schedule, fold)
    width = at.word * fold.parallel_inputs
    return folded_costs(at.layer, folded, fold) + buffer_costs(fold, width)


def _resident(at: CostSite) -> HardwareCosts:
    fold = at.planned.folds
    beat = Payload(tuple(stream * fold.parallel_inputs for stream in at.inputs.streams))
    return ResidentStage(at.layer, beat, at.schedule, fold).costs


def _folded_convolution(at: CostSite) -> HardwareCosts:
    fold, windows, taps = at.planned.folds, at.planned.reads, edges_of(at.layer)
    folded = FoldedLayer(taps, at.inputs, at.schedule, fold)
    _, _, columns = windows.window.shape
    # The rows that windows reach over and one more, for every tap that is read at a time.
    rows = windows.window.dilation[0] * (windows.window.size[0] - 1) + 2
    words = rows * columns * windows.pixel_beats
    memory = MemoryShape(words, at.word * windows.channels, written=True)
    buffer = HardwareCosts(counters=6 * words.bit_length(), memories=(memory,) * windows.taps)
    return folded_costs(taps, folded, fold) + buffer


def _norm(at: CostSite) -> HardwareCosts:
    """As the stage says of itself."""
    return _norm_stage(at).costs


def _norm_stage(at: CostSite) -> NormStage:
    return NormStage(
        at.layer, Payload(tuple(stream * at.layer.n_in for stream in at.inputs.streams))
    )


def _norm_clocks(at: CostSite) -> int:
    """A feature a clock, or as long as a root takes."""
    return _norm_stage(at).initiation_interval


def _convolution(at: CostSite) -> HardwareCosts:
    """A line buffer, then the layer of a window, unrolled."""
    layer: ConvolutionLayer = at.layer
    buffer, _ = _line_buffer(layer.window, max(at.widths))
    own = at.schedule.of_layer(layer.name)
    if any(layer.window.padding):
        own = replace(own, merge_tables=None)  # tables of taps that may be absent stay apart
    return buffer + layer_costs(layer.taps, own)


def _pooling(at: CostSite) -> HardwareCosts:
    """A line buffer, then sums or comparisons of a window."""
    layer: PoolingLayer = at.layer
    buffer, taps = _line_buffer(layer.window, max(at.widths))
    return buffer + HardwareCosts(adder_bits=taps + taps // 2, register_bits=taps)


def _line_buffer(window: Window, width: int) -> tuple[HardwareCosts, int]:
    """Of the rows that windows reach over; and the bits of a window."""
    channels, _, columns = window.shape
    line = MemoryShape(columns, channels * width, written=True)
    lines = (line,) * (window.dilation[0] * (window.size[0] - 1))
    taps = window.size[0] * window.size[1] * channels * width
    return HardwareCosts(
        register_bits=taps, counters=4 * columns.bit_length(), memories=lines
    ), taps


# What the stages of every kind that computes layers are made of.
STAGE_COSTS: dict[str, Callable[[CostSite], HardwareCosts]] = {
    "pipeline": _pipeline,
    "folded": _folded,
    "resident": _resident,
    "folded_convolution": _folded_convolution,
    "layer_norm": _norm,
    "convolution": _convolution,
    "pooling": _pooling,
}
# Clocks between two vectors of stages that do not take what comes, beat by beat or step by step.
CLOCKS: dict[str, Callable[[CostSite], int]] = {"layer_norm": _norm_clocks}
