"""From a Program and a Schedule to Verilog."""

from __future__ import annotations

from dataclasses import dataclass

from kanhw.design import Port
from kanhw.gateware.stream_top import CoreTop, StreamTop
from kanhw.gateware.verilog import to_verilog
from kanhw.program import Program
from kanhw.schedule import Schedule

__all__ = ["TOP", "GeneratedVerilog", "generate_verilog", "ports_of"]

TOP = "kan"


@dataclass(frozen=True)
class GeneratedVerilog:
    """Verilog text and what its user must know of it.

    Parameters
    ----------
    text
        The Verilog.
    top
        Its top module.
    latency_cycles
        Clock edges from the one that accepts an input to the one at which its output can be taken.
    initiation_interval
        Clocks between two inputs.
    input, output
        The two payloads.
    """

    text: str
    top: str
    latency_cycles: int
    initiation_interval: int
    input: Port
    output: Port


def generate_verilog(program: Program, schedule: Schedule) -> GeneratedVerilog:
    """Elaborate a Program under a Schedule and write it as Verilog.

    Raises
    ------
    InputError
        If there is no hardware for a layer, or none without a handshake.
    """
    top = StreamTop(program, schedule) if schedule.handshake else CoreTop(program, schedule)
    inputs, outputs = Port.input_of(program), Port.output_of(program)
    if isinstance(top, StreamTop):
        inputs, outputs = ports_of(top, program)
    return GeneratedVerilog(
        text=to_verilog(top, TOP, reset=schedule.handshake),
        top=TOP,
        latency_cycles=top.latency,
        initiation_interval=top.initiation_interval,
        input=inputs,
        output=outputs,
    )


def ports_of(top: StreamTop, program: Program) -> tuple[Port, Port]:
    """The two payloads as their user sees them."""
    payloads = top.stages[0].inputs, top.stages[-1].outputs
    formats = program.input.format, program.output_format
    inputs, outputs = (
        Port(payload.count, format, payload.beats, payload.length)
        for payload, format in zip(payloads, formats, strict=True)
    )
    return inputs, outputs
