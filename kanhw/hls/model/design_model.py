"""What an HLS tool would report of a design's C++, counted from what it is made of."""

from __future__ import annotations

from typing import Any

from kanhw.hls.costs.streams import stream_costs
from kanhw.hls.costs.work import Function, Taken
from kanhw.hls.files.scripts import Target
from kanhw.hls.generate import CppDesign, write_cpp
from kanhw.hls.reports.report import HlsReport
from kanhw.program import Program
from kanhw.schedule.schedule import Schedule

__all__ = ["LUT_BAND", "facts_of_model", "function_of", "model_design", "model_of"]

LUT_BAND = 1.26
"""By what factor modelled look-up tables may be off: those of nine designs whose family was left
out are 0.80 to 1.18 times the reported ones (``benchmarks/hls/funccode.py``)."""

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


def function_of(design: CppDesign) -> Function:
    """The processes of a design's C++ with their operators, memories and registers."""
    return Function(design.name, [process.work for process in design.chain.processes])


def model_design(design: CppDesign) -> HlsReport:
    """What HLS would report of a design: estimates as those before a netlist is made.

    The interval is at least that of the longest loop at a turn a clock, and at most that of the
    longest process, whose loops follow each other, and wait where a turn needs the one before. The
    latency is bounded: below by that loop, above by all loops one after the other with the depth of
    a pipeline each; of a single pipeline it depends on the clock, and is not known.

    LUTs, flip-flops, DSPs and block RAMs are those of the operators, registers and memories that
    the C++ names, by the costs of :mod:`kanhw.hls.costs.operators`: Vivado HLS 2019.1's on
    UltraScale+ at 6.67 ns, whatever the design's part and clock.
    """
    clocks = [max(process.clocks, process.work.clocks) for process in design.chain.processes]
    whole = design.chain.vector_functions is not None
    ports = [word.port.beats for word in design.words]
    longest = max(design.interval + _DEPTH, *(own.work.clocks for own in design.chain.processes))
    taken = function_of(design).taken() + _between(design)
    return HlsReport(
        kind="model",
        tool="kanhw",
        part=design.target.part,
        top=design.name,
        clock_ns=design.target.clock_ns,
        latency_min=None if whole else design.interval,
        latency_max=None if whole else sum([*ports, *clocks]) + _DEPTH * (len(clocks) + 2),
        interval_min=design.interval,
        interval_max=design.interval if whole else longest,
        lut=taken.lut,
        ff=taken.ff,
        dsp=taken.dsp,
        bram18=taken.bram18,
    )


def facts_of_model(report: HlsReport) -> dict[str, Any]:
    """What a manifest says of a modelled design: what is known, with the range of what is not firm.

    Parameters
    ----------
    report
        From :func:`model_design`.
    """
    facts = {name: value for name, value in report.to_json().items() if value is not None}
    if report.lut is None:
        return facts
    low, high = (round(report.lut * factor) for factor in (1 / LUT_BAND, LUT_BAND))
    return {**facts, "ranges": {"lut": [low, high]}}


def _between(design: CppDesign) -> Taken:
    """Streams between processes."""
    if design.chain.vector_functions is not None:
        return Taken()
    structs = ["input_t", *(process.gives for process in design.chain.processes)]
    return sum((stream_costs(design.chain.source.struct_bits[own]) for own in structs), Taken())
