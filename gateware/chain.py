"""From a Program to the chain of stages that computes it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import cast

from kanhw.errors import InputError
from kanhw.gateware.address import input_addresses
from kanhw.gateware.convolution import ConvolutionStage
from kanhw.gateware.core import LAYER_CORES, PipelineCore, PipelinedLayer, exact_streams
from kanhw.gateware.gather import GatherStage
from kanhw.gateware.norm_stage import NormStage
from kanhw.gateware.pipeline_stage import PipelineStage
from kanhw.gateware.pooling import pooling_stage
from kanhw.gateware.stage import Payload, Stage
from kanhw.program import ConvolutionLayer, PoolingLayer, Program, ProgramLayer
from kanhw.schedule import Schedule

__all__ = ["STAGES", "WINDOWED", "StageBuilder", "input_payload", "stages_of"]

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


def input_payload(program: Program) -> Payload:
    """What the first stage takes: a vector, or an image pixel by pixel."""
    addresses = input_addresses(program.input.format, program.n_in)
    first = program.layers[0]
    if first.kind not in WINDOWED:
        return Payload((addresses,))
    channels, rows, columns = cast(ConvolutionLayer | PoolingLayer, first).window.shape
    return Payload((addresses[:channels],), rows * columns)


def stages_of(program: Program, schedule: Schedule) -> list[Stage]:
    """The stages of a Program, in order: as few as possible, joined where layers allow it.

    Raises
    ------
    InputError
        If there is no hardware for a kind of layer.
    """
    ranked = program.layers[-1].requantizers[0] if program.argmax else None
    entries = [
        PipelinedLayer(layer, exact_streams(program.layers, index))
        for index, layer in enumerate(program.layers)
    ]
    runs = [
        (pipelined, list(run))
        for pipelined, run in groupby(entries, key=lambda entry: entry.layer.kind in LAYER_CORES)
    ]
    stages: list[Stage] = []
    payload = input_payload(program)
    for index, (pipelined, run) in enumerate(runs):
        if pipelined:
            payload = _gathered(stages, payload)
            argmax = ranked if index == len(runs) - 1 else None
            core = PipelineCore(run, payload, schedule, argmax=argmax)
            stages.append(PipelineStage(core))
            payload = core.outputs
            continue
        for entry in run:
            builder = STAGES.get(entry.layer.kind)
            if builder is None:
                raise InputError(f"There is no hardware for layers of kind {entry.layer.kind!r}")
            if entry.layer.kind in WINDOWED:
                _check_image(entry.layer, payload)
            else:
                payload = _gathered(stages, payload)
            stages.append(builder(entry.layer, payload, schedule, entry.exact))
            payload = stages[-1].outputs
    if ranked is not None and not runs[-1][0]:
        payload = _gathered(stages, payload)
        stages.append(PipelineStage(PipelineCore([], payload, schedule, argmax=ranked)))
    return stages


def _gathered(stages: list[Stage], payload: Payload) -> Payload:
    """The payload as one vector, collected by one stage more where it is an image."""
    if payload.beats == 1:
        return payload
    stages.append(GatherStage(payload))
    return stages[-1].outputs


def _check_image(layer: ProgramLayer, payload: Payload) -> None:
    window = cast(ConvolutionLayer | PoolingLayer, layer).window
    if payload.beats != window.shape[1] * window.shape[2]:
        raise InputError(
            f"Layer {layer.name!r}: an image of {window.shape} cannot come from a layer that hands "
            "out vectors: convolution and pooling must follow one another from the input on"
        )
