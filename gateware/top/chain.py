"""From a Program to the chain of stages that computes it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import cast

from kanhw.errors import InputError
from kanhw.gateware.folded.folded_layer import FOLDED_KINDS
from kanhw.gateware.folded.folded_stage import FoldedStage
from kanhw.gateware.heads.resident_stage import ResidentStage
from kanhw.gateware.image.convolution import ConvolutionStage
from kanhw.gateware.image.folded_convolution import FoldedConvolutionStage
from kanhw.gateware.image.folded_pooling import FoldedPoolingStage
from kanhw.gateware.image.pooling import pooling_stage
from kanhw.gateware.norm.norm_stage import NormStage
from kanhw.gateware.parts.address import input_addresses
from kanhw.gateware.stream.adapters import as_pixels, as_portions, as_vector, beat_size
from kanhw.gateware.stream.input_ranges import InputRanges, is_clamped, ranged_payload
from kanhw.gateware.stream.serial_argmax import SerialArgmax
from kanhw.gateware.stream.stage import Payload, Stage
from kanhw.gateware.unrolled.pipeline_stage import PipelineStage
from kanhw.gateware.unrolled.unrolled_layers import (
    LAYER_CORES,
    PipelineCore,
    PipelinedLayer,
    exact_inputs,
    exact_streams,
)
from kanhw.program import (
    ConvolutionLayer,
    PoolingLayer,
    Program,
    ProgramLayer,
    ResidentLayer,
)
from kanhw.schedule.fold import fold_of
from kanhw.schedule.schedule import Schedule
from kanhw.schedule.window_fold import window_fold

__all__ = ["STAGES", "WINDOWED", "StageBuilder", "input_payload", "is_folded", "stages_of"]

# builder(layer, inputs, schedule, exact): exact says which of the streams behind the layer (its
# own, then those that it passes on) must be codes rather than raw sums.
StageBuilder = Callable[[ProgramLayer, Payload, Schedule, tuple[bool, ...]], Stage]

# The stage of every kind of layer that is a stage of its own.
STAGES: dict[str, StageBuilder] = {
    "layer_norm": NormStage.of,
    "convolution": ConvolutionStage.of,
    "pooling": pooling_stage,
}

# Kinds of layers whose stages take an image as one pixel (all channels) a beat.
WINDOWED = frozenset({"convolution", "pooling"})


def input_payload(program: Program, schedule: Schedule) -> Payload:
    """What the first stage takes: a vector, some codes of it a beat, or an image by pixels."""
    addresses = input_addresses(program.input.format, program.n_in)
    first = program.layers[0]
    if first.kind in WINDOWED:
        channels, rows, columns = cast(ConvolutionLayer | PoolingLayer, first).window.shape
        return Payload((addresses[:channels],), rows * columns)
    if is_folded(first, schedule):
        count = _codes_a_beat(first, schedule, None)
        beats = -(-program.n_in // count)
        return Payload((addresses[:count],), beats, length=program.n_in if beats > 1 else None)
    return Payload((addresses,))


def is_folded(layer: ProgramLayer, schedule: Schedule) -> bool:
    """Whether a layer takes turns with its hardware."""
    kind = layer.taps.kind if isinstance(layer, ConvolutionLayer) else layer.kind
    return schedule.folded and (kind in FOLDED_KINDS or kind == ResidentLayer.kind)


def stages_of(program: Program, schedule: Schedule) -> list[Stage]:
    """The stages of a Program, in order: as few as possible, joined where layers allow it.

    Raises
    ------
    InputError
        If there is no hardware for a kind of layer, or the schedule names a layer that is not
        there.
    """
    _check_names(program, schedule)
    ranked = program.layers[-1].requantizers[0] if program.argmax else None
    entries = [
        PipelinedLayer(layer, exact_streams(program.layers, index, schedule.folded))
        for index, layer in enumerate(program.layers)
    ]
    runs = [
        (pipelined, list(run))
        for pipelined, run in groupby(entries, key=lambda entry: _pipelined(entry.layer, schedule))
    ]
    stages: list[Stage] = []
    payload = input_payload(program, schedule)
    if program.input.ranged:
        exact = exact_inputs(program.layers, schedule.folded)
        if is_clamped(program.input, exact=exact):
            stages.append(InputRanges(program.input, payload, exact=exact))
        payload = ranged_payload(program.input, payload, exact=exact)
    for index, (pipelined, run) in enumerate(runs):
        if pipelined:
            payload = as_vector(stages, payload)
            argmax = ranked if index == len(runs) - 1 else None
            core = PipelineCore(run, payload, schedule, argmax=argmax)
            stages.append(PipelineStage(core))
            payload = core.outputs
            continue
        for position, entry in enumerate(run):
            after = run[position + 1].layer if position + 1 < len(run) else None
            payload = _append(stages, payload, entry, after, schedule)
    if payload.channels is not None:
        payload = as_pixels(stages, payload)
    if ranked is not None and not runs[-1][0]:
        if payload.length is not None and payload.count == 1:
            stages.append(SerialArgmax(payload))
            return stages
        payload = as_vector(stages, payload)
        stages.append(PipelineStage(PipelineCore([], payload, schedule, argmax=ranked)))
    return stages


def _append(
    stages: list[Stage],
    payload: Payload,
    entry: PipelinedLayer,
    after: ProgramLayer | None,
    schedule: Schedule,
) -> Payload:
    """Put a layer that is a stage of its own behind the others; gives what leaves it."""
    layer = entry.layer
    if layer.kind in WINDOWED:
        _check_image(layer, payload)
    if is_folded(layer, schedule):
        return _append_folded(stages, payload, layer, after, schedule)
    if isinstance(layer, PoolingLayer) and _is_whole(layer) and payload.channels is not None:
        stages.append(FoldedPoolingStage(layer, payload))
        return stages[-1].outputs
    builder = STAGES.get(layer.kind)
    if builder is None:
        raise InputError(f"There is no hardware for layers of kind {layer.kind!r}")
    prepare = as_pixels if layer.kind in WINDOWED else as_vector
    payload = prepare(stages, payload)
    stages.append(builder(layer, payload, schedule, entry.exact))
    return stages[-1].outputs


def _pipelined(layer: ProgramLayer, schedule: Schedule) -> bool:
    return layer.kind in LAYER_CORES and not is_folded(layer, schedule)


def _append_folded(
    stages: list[Stage],
    payload: Payload,
    layer: ProgramLayer,
    after: ProgramLayer | None,
    schedule: Schedule,
) -> Payload:
    parallel = schedule.parallel(layer.name)
    channels = payload.pixel if payload.pixels > 1 else None
    payload = as_portions(stages, payload, _codes_a_beat(layer, schedule, channels))
    if isinstance(layer, ConvolutionLayer):
        windows, taps = window_fold(layer.window, parallel[0]), layer.taps
        taker = _taker(after, schedule, taps.n_out if layer.window.positions > 1 else None)
        fold = fold_of(
            *(taps.n_in, taps.n_out, parallel),
            taker=taker,
            order=windows.order,
            padded=windows.padded,
        )
        stages.append(FoldedConvolutionStage(layer, payload, schedule, fold, windows))
        return stages[-1].outputs
    taker, order = _taker(after, schedule, None), payload.places(layer.n_in)
    fold = fold_of(layer.n_in, layer.n_out, parallel, taker=taker, order=order)
    if isinstance(layer, ResidentLayer):
        stages.append(ResidentStage(layer, payload, schedule, fold))
    else:
        stages.append(FoldedStage(layer, payload, schedule, fold))
    return stages[-1].outputs


def _taker(after: ProgramLayer | None, schedule: Schedule, channels: int | None) -> int | None:
    """Codes a beat of a folded layer behind vectors, or behind pixels of so many channels."""
    if after is None or not is_folded(after, schedule):
        return None
    wanted = _codes_a_beat(after, schedule, channels)
    return wanted if channels is None else min(wanted, channels)


def _codes_a_beat(layer: ProgramLayer, schedule: Schedule, channels: int | None) -> int:
    """What a folded layer takes, behind vectors or behind pixels of so many channels."""
    inputs = schedule.parallel(layer.name)[0]
    if isinstance(layer, ConvolutionLayer):
        return window_fold(layer.window, inputs).channels
    return beat_size(inputs, layer.n_in, channels)


def _is_whole(layer: PoolingLayer) -> bool:
    return layer.window.size == layer.window.shape[1:]


def _check_names(program: Program, schedule: Schedule) -> None:
    known = [layer.name for layer in program.layers if is_folded(layer, schedule)]
    for name in schedule.named:
        if name not in known:
            raise InputError(
                f"The schedule names layer {name!r}, but the layers that can be folded are "
                f"{', '.join(map(repr, known)) or 'none'}"
            )


def _check_image(layer: ProgramLayer, payload: Payload) -> None:
    window = cast(ConvolutionLayer | PoolingLayer, layer).window
    if payload.pixels != window.shape[1] * window.shape[2]:
        raise InputError(
            f"Layer {layer.name!r}: an image of {window.shape} cannot come from a layer that hands "
            "out vectors: convolution and pooling must follow one another from the input on"
        )
