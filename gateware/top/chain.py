"""From a Program to the chain of stages that computes it: every planned stage, built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kanhw.errors import InputError
from kanhw.gateware.folded.folded_stage import FoldedStage
from kanhw.gateware.heads.resident_stage import ResidentStage
from kanhw.gateware.image.convolution import ConvolutionStage
from kanhw.gateware.image.folded_convolution import FoldedConvolutionStage
from kanhw.gateware.image.folded_pooling import FoldedPoolingStage
from kanhw.gateware.image.pooling import GlobalPoolingStage, PoolingStage
from kanhw.gateware.norm.norm_stage import NormStage
from kanhw.gateware.stream.flatten import GatherStage
from kanhw.gateware.stream.input_conversion import ConversionStage
from kanhw.gateware.stream.input_ranges import (
    InputRanges,
    input_payload,
    is_clamped,
    ranged_payload,
)
from kanhw.gateware.stream.serial_argmax import SerialArgmax
from kanhw.gateware.stream.stage import Payload, Stage
from kanhw.gateware.stream.width_converter import CollectStage, SplitStage
from kanhw.gateware.unrolled.pipeline_stage import PipelineStage
from kanhw.gateware.unrolled.unrolled_layers import PipelineCore, PipelinedLayer
from kanhw.program import Program
from kanhw.schedule.layout import lay_out
from kanhw.schedule.planned_stage import PlannedStage
from kanhw.schedule.schedule import Schedule

__all__ = ["STAGES", "Site", "StageBuilder", "stages_of"]


@dataclass(frozen=True)
class Site:
    """A planned stage with all that its builder may ask for.

    Parameters
    ----------
    program, schedule
        Of the design.
    planned
        The stage to build.
    inputs
        What the stage in front gives.
    """

    program: Program
    schedule: Schedule
    planned: PlannedStage
    inputs: Payload

    @property
    def layer(self) -> Any:
        """The only layer of the stage, of the kind that such stages compute."""
        return self.program.layers[self.planned.layer]

    @property
    def own_schedule(self) -> Schedule:
        """What the schedule says of that layer."""
        return self.schedule.of_layer(self.layer.name)

    @property
    def as_codes(self) -> tuple[bool, ...]:
        """Of every stream behind that layer, whether it must be codes."""
        (only,) = self.planned.as_codes
        return only


StageBuilder = Callable[[Site], Stage]


def stages_of(program: Program, schedule: Schedule) -> list[Stage]:
    """The stages of a Program, in order, as :func:`kanhw.schedule.layout.lay_out` plans them.

    Raises
    ------
    InputError
        If there is no hardware for a stage, or the Program cannot be laid out.
    """
    layout = lay_out(program, schedule)
    program = layout.program
    payload = input_payload(program.input, layout.inputs)
    stages: list[Stage] = []
    for planned in layout.stages:
        site = Site(program, schedule, planned, payload)
        ranges = planned.kind == "input_ranges"
        if ranges and not is_clamped(program.input, as_codes=site.as_codes[0]):
            # The tables of the first layer contain the clamp.
            payload = ranged_payload(program.input, payload, as_codes=site.as_codes[0])
            continue
        stages.append(_builder(planned.kind)(site))
        payload = stages[-1].outputs
    return stages


def _builder(kind: str) -> StageBuilder:
    builder = STAGES.get(kind)
    if builder is None:
        raise InputError(
            f"There is no hardware for stages of kind {kind!r}: add what builds one to STAGES "
            f"(kanhw.gateware.top.chain), which has {', '.join(STAGES)}"
        )
    return builder


def _input_ranges(at: Site) -> Stage:
    return InputRanges(at.program.input, at.inputs, as_codes=at.as_codes[0])


def _input_conversion(at: Site) -> Stage:
    program = at.program
    if program.conversion is None:
        raise TypeError("a Program without a conversion has no such stage")
    return ConversionStage(
        program.conversion, program.input, at.inputs, at.schedule.adder_levels
    )


def _pipeline(at: Site) -> Stage:
    layers = [
        PipelinedLayer(at.program.layers[index], as_codes)
        for index, as_codes in zip(at.planned.layers, at.planned.as_codes, strict=True)
    ]
    ranked = at.program.layers[-1].requantizers[0] if at.planned.argmax else None
    return PipelineStage(PipelineCore(layers, at.inputs, at.schedule, argmax=ranked))


def _norm(at: Site) -> Stage:
    return NormStage(at.layer, at.inputs)


def _convolution(at: Site) -> Stage:
    return ConvolutionStage(at.layer, at.inputs, at.own_schedule, at.as_codes)


def _pooling(at: Site) -> Stage:
    return PoolingStage(at.layer, at.inputs, at.own_schedule, at.as_codes)


def _global_pooling(at: Site) -> Stage:
    return GlobalPoolingStage(at.layer, at.inputs, at.own_schedule, at.as_codes)


def _folded_pooling(at: Site) -> Stage:
    return FoldedPoolingStage(at.layer, at.inputs)


def _folded(at: Site) -> Stage:
    return FoldedStage(at.layer, at.inputs, at.schedule, at.planned.folds)


def _resident(at: Site) -> Stage:
    return ResidentStage(at.layer, at.inputs, at.schedule, at.planned.folds)


def _folded_convolution(at: Site) -> Stage:
    planned = at.planned
    return FoldedConvolutionStage(at.layer, at.inputs, at.schedule, planned.folds, planned.reads)


def _collect(at: Site) -> Stage:
    return CollectStage(at.inputs, at.planned.outputs.count)


def _split(at: Site) -> Stage:
    return SplitStage(at.inputs, at.planned.outputs.count)


def _gather(at: Site) -> Stage:
    return GatherStage(at.inputs)


def _serial_argmax(at: Site) -> Stage:
    return SerialArgmax(at.inputs)


# What builds the stages of every kind.
STAGES: dict[str, StageBuilder] = {
    "input_ranges": _input_ranges,
    "input_conversion": _input_conversion,
    "pipeline": _pipeline,
    "layer_norm": _norm,
    "convolution": _convolution,
    "pooling": _pooling,
    "global_pooling": _global_pooling,
    "folded": _folded,
    "resident": _resident,
    "folded_convolution": _folded_convolution,
    "folded_pooling": _folded_pooling,
    "collect": _collect,
    "split": _split,
    "gather": _gather,
    "serial_argmax": _serial_argmax,
}
