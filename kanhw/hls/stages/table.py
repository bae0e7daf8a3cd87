"""The table of stages: what writes each planned kind in C++."""

from __future__ import annotations

from collections.abc import Callable

from kanhw.hls.stages.adapters import collect, gather, serial_argmax, split
from kanhw.hls.stages.chain import StageSite
from kanhw.hls.stages.folded import folded
from kanhw.hls.stages.folded_windows import folded_convolution
from kanhw.hls.stages.norm import layer_norm
from kanhw.hls.stages.pooling import pooling, pooling_of_images
from kanhw.hls.stages.vectors import input_conversion, input_ranges, pipeline
from kanhw.hls.stages.windows import convolution
from kanhw.records import record_of

__all__ = ["STAGE_WRITERS", "stage_writer"]

STAGE_WRITERS: dict[str, Callable[[StageSite], None]] = {
    "input_ranges": input_ranges,
    "input_conversion": input_conversion,
    "pipeline": pipeline,
    "layer_norm": layer_norm,
    "convolution": convolution,
    "pooling": pooling,
    "global_pooling": pooling_of_images,
    "folded_pooling": pooling_of_images,
    "folded": folded,
    "resident": folded,
    "folded_convolution": folded_convolution,
    "collect": collect,
    "split": split,
    "gather": gather,
    "serial_argmax": serial_argmax,
}


def stage_writer(kind: str) -> Callable[[StageSite], None]:
    """What adds a stage of a kind to a chain.

    Raises
    ------
    InputError
        If there is none.
    """
    return record_of(
        STAGE_WRITERS, kind, "C++ of a stage", "STAGE_WRITERS (kanhw.hls.stages.table)"
    )
