"""What a manifest says, derived again from the Program and the Schedule beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kanhw.design.design import Design, Port
from kanhw.design.manifest import MANIFEST, PROGRAM_FILE
from kanhw.design.wires import AXI4_STREAM, INTERFACES, lane_bits
from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.program import Program
from kanhw.schedule.layout import lay_out
from kanhw.schedule.planned_stage import Layout
from kanhw.schedule.transfer import Transfer

__all__ = ["checked_program"]


def checked_program(design: Design) -> Program:
    """The Program of a design, after what the manifest says was compared with it.

    The latency is what a simulation measures; it follows from the layout only as a lower bound.

    Raises
    ------
    InputError
        If a field differs from what the Program and the Schedule make; the message names it.
    """
    program = design.load_program()
    layout = lay_out(program, design.schedule)
    for field, said, derived in _differences(design, program, layout):
        raise InputError(
            f"{design.path / MANIFEST} says {field} {said}, but its Program and schedule make "
            f"{derived}: generate the design again"
        )
    return program


def _differences(
    design: Design, program: Program, layout: Layout
) -> Iterator[tuple[str, Any, Any]]:
    """Fields that differ, what is said, and what is derived."""
    own = design.to_json()
    axi = design.interface == AXI4_STREAM
    ends = (
        ("input", layout.inputs, program.input.format, program.heads),
        ("output", layout.stages[-1].outputs, program.output_format, 1),
    )
    for field, transfer, format, heads in ends:
        derived = _port(transfer, format, heads, whole_bytes=axi).to_json()
        if own[field] != derived:
            yield field, own[field], derived
    if design.interface not in INTERFACES:
        yield "interface", design.interface, " or ".join(INTERFACES)
    if bool(design.control_bits) != program.writable:
        yield "control_bits", design.control_bits, "some" if program.writable else 0
    for field, name in (("verilog", f"{design.top}.v"), ("program", PROGRAM_FILE)):
        if own[field] != name:
            yield field, own[field], name
    interval = max(stage.interval for stage in layout.stages)
    if design.initiation_interval < interval:
        yield "initiation_interval", design.initiation_interval, f"{interval} or more"
    if design.latency_cycles < 0:
        yield "latency_cycles", design.latency_cycles, "0 or more"


def _port(transfer: Transfer, format: CodeFormat, heads: int, *, whole_bytes: bool) -> Port:
    """The port of a transfer; of AXI4-Stream its codes are in lanes of whole bytes."""
    lane = lane_bits(format.width) if whole_bytes else None
    return Port(transfer.count, format, transfer.beats, transfer.length, lane, heads)
