"""Clocks and block RAMs of a design's C++, counted from what it is made of."""

from __future__ import annotations

from kanhw.hls.files.scripts import Target
from kanhw.hls.generate import CppDesign, write_cpp
from kanhw.hls.model.block_rams import bram18
from kanhw.hls.reports.report import HlsReport
from kanhw.program import Program
from kanhw.schedule.schedule import Schedule

__all__ = ["model_design", "model_of"]

# Registers of a pipelined loop from its first to its last stage: what reports of such loops show.
_DEPTH = 8


def model_of(program: Program, schedule: Schedule | None = None) -> HlsReport:
    """What HLS would report of a Program under a schedule; see :func:`model_design`.

    Raises
    ------
    InputError
        If there is no C++ of it.
    """
    return model_design(write_cpp(program, schedule or Schedule(), "kan", Target()))


def model_design(design: CppDesign) -> HlsReport:
    """What HLS would report of a design, as far as it can be counted.

    The interval is that of the longest loop at a turn a clock. The latency is bounded: below by
    that loop, above by all loops one after the other with the depth of a pipeline each; of a single
    pipeline it depends on the clock, and is not known. Block RAMs are those of the tables and
    buffers that the C++ binds to them. LUTs, flip-flops and DSPs are not modelled: None.
    """
    used = design.chain.source.memories_used
    clocks = [process.clocks for process in design.chain.processes]
    whole = design.chain.vector_functions is not None
    ports = [word.port.beats for word in design.words]
    return HlsReport(
        kind="model",
        tool="kanhw",
        part=design.target.part,
        top=design.name,
        clock_ns=design.target.clock_ns,
        latency_min=None if whole else design.interval,
        latency_max=None if whole else sum([*ports, *clocks]) + _DEPTH * (len(clocks) + 2),
        interval_min=design.interval,
        interval_max=design.interval if whole else design.interval + _DEPTH,
        bram18=sum(memory.copies * bram18(memory.words, memory.bits) for memory in used),
    )
