"""A design folder: Verilog, the Program that it computes, and the manifest that ties them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from kanhw.design.wires import STREAM, Wires, wires_of
from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.schedule.schedule import Schedule

if TYPE_CHECKING:
    from kanhw.gateware import GeneratedVerilog
    from kanhw.program import Program

__all__ = [
    "BACKEND_FORMAT",
    "DESIGN_FORMAT",
    "HLS",
    "MANIFEST",
    "PROGRAM_FILE",
    "VERILOG",
    "Design",
    "Port",
    "load_design",
    "not_verilog",
    "read_manifest",
    "sha256_of_bytes",
]

# What an earlier version would misread has the newer number: other interfaces, and task heads.
DESIGN_FORMAT = 2
# That of other back ends, which versions that know only Verilog cannot read.
BACKEND_FORMAT = 3
MANIFEST = "manifest.json"
PROGRAM_FILE = "program.safetensors"
# The back end whose manifests do not name it, and the one of C++ for HLS.
VERILOG = "verilog"
HLS = "hls"

_Record = TypeVar("_Record")


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
    def from_json(cls, data: dict[str, Any]) -> Port:
        """The inverse of :meth:`to_json`."""
        form = CodeFormat.from_json(data)
        return cls(
            *(data["count"], form, data.get("beats", 1), data.get("length")),
            *(data.get("lane"), data.get("heads", 1)),
        )

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


def sha256_of_bytes(content: bytes) -> str:
    """The SHA-256 digest of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


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


def read_manifest(path: str | Path, made: Callable[[Path, dict[str, Any]], _Record]) -> _Record:
    """Read a manifest, check the files that it names, and make a record of it.

    Parameters
    ----------
    path
        The design's folder.
    made
        Makes the record of the folder and the manifest's entries.

    Raises
    ------
    InputError
        As :func:`load_design`, and as ``made`` does.
    """
    folder = Path(path)
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise InputError(
            f"{folder} holds no design (no {MANIFEST}): make one with 'kanhw generate PROGRAM "
            f"--out {folder}'"
        )
    try:
        data = json.loads(manifest.read_text(encoding="utf-8"))
        _check_files(folder, data)
        return made(folder, data)
    except (AttributeError, KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{manifest} is not a kanhw manifest ({error!r}): generate the design again"
        ) from error


def _check_files(folder: Path, data: dict[str, Any]) -> None:
    if data["format"] > BACKEND_FORMAT:
        raise InputError(
            f"{folder} was generated by kanhw {data['kanhw']} (design format {data['format']}); "
            f"this one reads up to format {BACKEND_FORMAT}: upgrade kanhw"
        )
    for name in (data.get("verilog"), data["program"]):
        if name is not None and name not in data["files"]:
            raise InputError(
                f"{folder / MANIFEST} has no hash of {name}: generate the design again"
            )
    for name, digest in data["files"].items():
        if Path(name).name != name:
            raise InputError(f"{folder / MANIFEST} names {name!r}, which is not a file beside it")
        if not (folder / name).is_file():
            raise InputError(f"{folder / name} is missing: generate the design again")
        if sha256_of_bytes((folder / name).read_bytes()) != digest:
            raise InputError(
                f"{folder / name} was changed after it was generated: generate the design again"
            )


def _design_of(folder: Path, data: dict[str, Any]) -> Design:
    if "backend" in data:
        raise InputError(not_verilog(folder, data["backend"]))
    return Design(
        path=folder,
        top=data["top"],
        verilog=data["verilog"],
        program_file=data["program"],
        schedule=Schedule.from_json(data["schedule"]),
        latency_cycles=data["latency_cycles"],
        initiation_interval=data["initiation_interval"],
        input=Port.from_json(data["input"]),
        output=Port.from_json(data["output"]),
        interface=data.get("interface", STREAM),
        control_bits=data.get("control_bits", 0),
    )
