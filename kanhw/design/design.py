"""A design folder: Verilog, the Program that it computes, and the manifest that ties them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kanhw.design.manifest import DESIGN_FORMAT, PROGRAM_FILE, VERILOG, read_manifest
from kanhw.design.wires import STREAM, Wires, wires_of
from kanhw.entries import Entry
from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.schedule.schedule import Schedule

if TYPE_CHECKING:
    from kanhw.gateware import GeneratedVerilog
    from kanhw.program import Program

__all__ = ["Design", "Port", "load_design", "not_verilog"]


@dataclass(frozen=True)
class Port:
    """A vector of codes at the edge of the hardware; code 0 sits in the least significant bits.

    An image passes in ``beats`` payloads, a pixel each, row by row: then ``count`` is its number
    of channels, and the host's codes are in the order channel, row, column. The vectors of a folded
    layer pass in ``beats`` payloads of ``count`` codes, in order: then ``length`` is the number of
    codes, and what fills up the last payload means nothing.

    Every code takes ``lane`` bits where that is given, in which it is sign- or zero-extended. With
    several ``heads`` each beat of an input also says which of them the vector is for.
    """

    count: int
    format: CodeFormat
    beats: int = 1
    length: int | None = None
    lane: int | None = None
    heads: int = 1

    @property
    def lane_bits(self) -> int:
        """Bits from a code to the next."""
        return self.lane or self.format.width

    @property
    def data_width(self) -> int:
        """Bits of the codes of a payload."""
        return self.count * self.lane_bits

    @property
    def head_bits(self) -> int:
        """Bits that name a head; 0 where there is only one."""
        return (self.heads - 1).bit_length()

    @property
    def width(self) -> int:
        """Bits of the whole payload: the codes, above them the head."""
        return self.data_width + self.head_bits

    @property
    def total(self) -> int:
        """Codes of all beats together."""
        return self.count * self.beats if self.length is None else self.length

    def to_json(self) -> dict[str, Any]:
        """The port as plain JSON values."""
        beats = {"beats": self.beats} if self.beats > 1 else {}
        length = {} if self.length is None else {"length": self.length}
        lane = {} if self.lane is None else {"lane": self.lane}
        heads = {"heads": self.heads} if self.heads > 1 else {}
        return {"count": self.count, **self.format.to_json(), **beats, **length, **lane, **heads}

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | Entry) -> Port:
        """The inverse of :meth:`to_json`.

        Raises
        ------
        InputError
            If a field is missing, unknown, or of another type.
        """
        entry = data if isinstance(data, Entry) else Entry(data, "a port")
        form, count = CodeFormat.from_json(entry), entry.integer("count")
        beats, heads = entry.integer("beats", 1), entry.integer("heads", 1)
        length, lane = entry.integer("length", None), entry.integer("lane", None)
        entry.finish()
        return cls(count, form, beats, length, lane, heads)

    @classmethod
    def input_of(cls, program: Program) -> Port:
        """The port by which the codes of a Program enter its unrolled hardware."""
        window = getattr(program.layers[0], "window", None)
        beats = window.shape[1] * window.shape[2] if window else 1
        return cls(program.n_in // beats, program.input.format, beats)

    @classmethod
    def output_of(cls, program: Program) -> Port:
        """The port by which the outputs of a Program leave its unrolled hardware."""
        window = None if program.argmax else getattr(program.layers[-1], "window", None)
        beats = window.positions if window else 1
        return cls(program.n_out // beats, program.output_format, beats)


@dataclass(frozen=True)
class Design:
    """A generated design on disk.

    Parameters
    ----------
    path
        Its folder.
    top
        Name of the Verilog top module.
    verilog, program_file
        File names inside the folder.
    schedule
        The schedule that it was generated with.
    latency_cycles
        Clock edges from the one that accepts an input to the one at which its output can be taken;
        where these are images, from the last beat of the one to the last beat of the other.
    initiation_interval
        Clocks between two accepted inputs (images), in steady state.
    input, output
        The two payloads.
    interface
        What its ports are: "stream" or "axi4-stream"; see :func:`kanhw.design.wires.wires_of`.
    control_bits
        Address bits of the port through which heads are written: of 32-bit words for "stream", of
        bytes for "axi4-stream". 0 where there is none.
    """

    path: Path
    top: str
    verilog: str
    program_file: str
    schedule: Schedule
    latency_cycles: int
    initiation_interval: int
    input: Port
    output: Port
    interface: str = STREAM
    control_bits: int = 0

    @classmethod
    def of(
        cls, path: Path, schedule: Schedule, verilog: GeneratedVerilog
    ) -> Design:
        """The design that a schedule and its Verilog make."""
        return cls(
            path=path,
            top=verilog.top,
            verilog=f"{verilog.top}.v",
            program_file=PROGRAM_FILE,
            schedule=schedule,
            latency_cycles=verilog.latency_cycles,
            initiation_interval=verilog.initiation_interval,
            input=verilog.input,
            output=verilog.output,
            interface=verilog.interface,
            control_bits=verilog.control_bits,
        )

    @property
    def wires(self) -> Wires:
        """The signals of the top module."""
        heads = self.input.heads > 1
        return wires_of(
            self.interface,
            handshake=self.schedule.handshake,
            heads=heads,
            writable=bool(self.control_bits),
        )

    @property
    def verilog_path(self) -> Path:
        """The file of the Verilog."""
        return self.path / self.verilog

    def load_program(self) -> Program:
        """The Program that the Verilog computes."""
        from kanhw.program import load_program

        return load_program(self.path / self.program_file)

    def to_json(self) -> dict[str, Any]:
        """The manifest, without the tool version and the file hashes."""
        known_to_all = (self.interface, self.input.heads, self.control_bits) == (STREAM, 1, 0)
        return {
            "format": 1 if known_to_all else DESIGN_FORMAT,
            "top": self.top,
            "verilog": self.verilog,
            "program": self.program_file,
            "schedule": self.schedule.to_json(),
            "latency_cycles": self.latency_cycles,
            "initiation_interval": self.initiation_interval,
            "input": self.input.to_json(),
            "output": self.output.to_json(),
            **({} if self.interface == STREAM else {"interface": self.interface}),
            **({"control_bits": self.control_bits} if self.control_bits else {}),
        }


def load_design(path: str | Path) -> Design:
    """Read a design folder and check that its files are the ones that were generated.

    Raises
    ------
    InputError
        If the folder holds no design, one of another back end than Verilog's or of a newer kanhw,
        or files that were changed since.
    """
    return read_manifest(path, _design_of)


def not_verilog(folder: Path, backend: str) -> str:
    """A line that refuses a design which is not Verilog."""
    return (
        f"{folder} was written by the back end {backend!r}, and this command takes designs of "
        f"{VERILOG!r}: generate the Program with {VERILOG!r}, too"
    )


def _design_of(folder: Path, entry: Entry) -> Design:
    backend = entry.text("backend", None)
    if backend is not None:
        raise InputError(not_verilog(folder, backend))
    entry.get("quantities", None)  # for people; the Program says them
    return Design(
        path=folder,
        top=entry.text("top"),
        verilog=entry.text("verilog"),
        program_file=entry.text("program"),
        schedule=Schedule.from_json(entry.get("schedule")),
        latency_cycles=entry.integer("latency_cycles"),
        initiation_interval=entry.integer("initiation_interval"),
        input=Port.from_json(entry.child("input")),
        output=Port.from_json(entry.child("output")),
        interface=entry.text("interface", STREAM),
        control_bits=entry.integer("control_bits", 0),
    )
