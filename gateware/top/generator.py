"""From a Program and a Schedule to Verilog."""

from __future__ import annotations

from dataclasses import dataclass

from kanhw.design.design import Port
from kanhw.design.identifiers import checked_identifier
from kanhw.design.wires import AXI4_STREAM, STREAM, wires_of
from kanhw.gateware.top.axi_stream_top import AxiClocks, AxiStreamTop
from kanhw.gateware.top.stream_top import CoreTop, StreamTop, ports_of
from kanhw.gateware.top.verilog import to_verilog
from kanhw.program import Program
from kanhw.schedule.schedule import Schedule
from kanhw.targets.table_costs import table_costs_of

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
    interface
        What its ports are; see :func:`kanhw.design.wires.wires_of`.
    control_bits
        Address bits of the port through which heads are written; 0 where there is none.
    """

    text: str
    top: str
    latency_cycles: int
    initiation_interval: int
    input: Port
    output: Port
    interface: str = STREAM
    control_bits: int = 0


def generate_verilog(
    program: Program, schedule: Schedule, interface: str = STREAM, name: str = TOP
) -> GeneratedVerilog:
    """Elaborate a Program under a Schedule and write it as Verilog.

    Parameters
    ----------
    program, schedule
        What to compute, and how it is laid out.
    interface
        The ports: "stream" or "axi4-stream".
    name
        Of the top module, and the beginning of all other modules' names.

    Raises
    ------
    InputError
        If the name is no plain identifier of Verilog, or there is no hardware for a layer, no such
        interface, or none without a handshake; or if tables are to be merged for a target whose
        costs are not known.
    """
    wires_of(interface, handshake=schedule.handshake)
    checked_identifier(name, "The name of a design")
    if schedule.merge_tables is not None:
        table_costs_of(schedule.merge_tables, schedule.fabric)  # also where no layer has tables
    top: StreamTop | CoreTop | AxiStreamTop
    if interface == AXI4_STREAM:
        top = AxiStreamTop(program, schedule)
        ports, text = top.ports, to_verilog(AxiClocks(top), name)
    elif schedule.handshake:
        top = StreamTop(program, schedule)
        ports, text = ports_of(top, program), to_verilog(top, name)
    else:
        top = CoreTop(program, schedule)
        ports = Port.input_of(program), Port.output_of(program)
        text = to_verilog(top, name, reset=False)
    return GeneratedVerilog(
        text=text,
        top=name,
        latency_cycles=top.latency,
        initiation_interval=top.initiation_interval,
        input=ports[0],
        output=ports[1],
        interface=interface,
        control_bits=top.control_bits,
    )
