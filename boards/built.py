"""The folder that a build is: a bitstream, the Program that it computes, and the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kanhw.design.design import Port
from kanhw.design.manifest import MANIFEST, PROGRAM_FILE, check_files, check_seal
from kanhw.entries import Entry, read_json_object
from kanhw.errors import InputError
from kanhw.program import Program, load_program
from kanhw.schedule.schedule import Schedule

__all__ = ["BUILD_FORMAT", "COMMANDS", "TOP_VERILOG", "Built", "load_built"]

BUILD_FORMAT = 1
COMMANDS = "commands.txt"
"""What runs, a line each, in the folder."""

TOP_VERILOG = "link_top.v"
"""The top in portable Verilog, without what only the board's family has."""


@dataclass(frozen=True)
class Built:
    """A design that was built for a board.

    Parameters
    ----------
    path
        Its folder.
    board, device
        Names of the board, and of its FPGA with package and speed.
    identity
        16 bytes in hexadecimal: which Program under which schedule.
    clock_mhz
        Of the network and the link.
    fmax_mhz
        What place and route found it to reach; None where nothing was placed.
    bitstream
        File name; None where there is none.
    utilisation
        Of the device's resources by name: ``used``, ``available``.
    baud, divisor
        Of the UART, in bits a second and in clocks a bit.
    schedule
        Of the network.
    latency_cycles, initiation_interval
        Of the network, in clocks.
    input, output
        The network's payloads.
    details
        Everything else that the manifest says.
    """

    path: Path
    board: str
    device: str
    identity: str
    clock_mhz: float
    fmax_mhz: float | None
    bitstream: str | None
    utilisation: Mapping[str, Mapping[str, int]]
    baud: int
    divisor: int
    schedule: Schedule
    latency_cycles: int
    initiation_interval: int
    input: Port
    output: Port
    details: Mapping[str, Any]

    @property
    def status(self) -> str:
        """``built``, or ``written, not built``: then nothing is known of the timing."""
        return "written, not built" if self.bitstream is None else "built"

    @property
    def bitstream_path(self) -> Path:
        """The bitstream's file; of a project, what its commands have made since.

        Raises
        ------
        InputError
            If there is none.
        """
        name = self.bitstream or self.details.get("makes", "top.bit")
        path = self.path / Path(name).name
        if self.bitstream is None and not path.is_file():
            raise InputError(
                f"{self.path} holds a project that was written, not built: run its commands "
                f"({COMMANDS}) in that folder, which make {path.name}"
            )
        return path

    def load_program(self) -> Program:
        """The Program that the board computes."""
        return load_program(self.path / PROGRAM_FILE)

    def to_json(self) -> dict[str, Any]:
        """The manifest, without the hashes of files."""
        return {
            **self.details,
            "build_format": BUILD_FORMAT,
            "board": self.board,
            "device": self.device,
            "identity": self.identity,
            "clock_mhz": self.clock_mhz,
            "fmax_mhz": self.fmax_mhz,
            "bitstream": self.bitstream,
            "status": self.status,
            "utilisation": {name: dict(use) for name, use in self.utilisation.items()},
            "link": {"kind": "uart", "baud": self.baud, "divisor": self.divisor},
            "schedule": self.schedule.to_json(),
            "latency_cycles": self.latency_cycles,
            "initiation_interval": self.initiation_interval,
            "input": self.input.to_json(),
            "output": self.output.to_json(),
        }

    @classmethod
    def from_json(cls, path: Path, entry: Entry) -> Built:
        """The inverse of :meth:`to_json`.

        Raises
        ------
        InputError
            If an entry is missing or of another type.
        """
        link = entry.child("link")
        link.choice("kind", ("uart",))
        used = entry.child("utilisation")
        entry.text("makes", "top.bit")
        known = {
            *("board", "device", "identity", "clock_mhz", "fmax_mhz", "bitstream", "utilisation"),
            *("latency_cycles", "initiation_interval", "build_format", "link", "schedule"),
            *("input", "output", "status", "files", "sha256"),
        }
        reached = entry.get("fmax_mhz")
        return cls(
            path=path,
            board=entry.text("board"),
            device=entry.text("device"),
            identity=entry.text("identity"),
            clock_mhz=entry.number("clock_mhz"),
            fmax_mhz=None if reached is None else entry.number("fmax_mhz"),
            bitstream=entry.text("bitstream", None),
            utilisation={name: used.counts(name) for name in entry.get("utilisation")},
            baud=link.integer("baud"),
            divisor=link.integer("divisor"),
            schedule=Schedule.from_json(entry.get("schedule")),
            latency_cycles=entry.integer("latency_cycles"),
            initiation_interval=entry.integer("initiation_interval"),
            input=Port.from_json(entry.child("input")),
            output=Port.from_json(entry.child("output")),
            details={name: value for name, value in entry.items() if name not in known},
        )


def load_built(path: str | Path) -> Built:
    """Read a build's folder and check that its files are the ones that were built.

    Raises
    ------
    InputError
        If it holds no build, one of a newer kanhw, or files that were changed since.
    """
    folder = Path(path)
    manifest = folder / MANIFEST
    again = f"build it with 'kanhw build DESIGN --board NAME --out {folder}'"
    if not manifest.is_file():
        raise InputError(f"{folder} holds no build for a board (no {MANIFEST}): {again}")
    data = read_json_object(manifest)
    entry = Entry(data, str(manifest))
    if entry.get("build_format", None) is None:
        raise InputError(
            f"{folder} holds no build for a board ({manifest} is of another kind): {again}"
        )
    if entry.integer("build_format") > BUILD_FORMAT:
        raise InputError(f"{folder} was built by a newer kanhw: upgrade kanhw")
    check_seal(manifest, data, entry, again)
    check_files(folder, entry, again)
    return Built.from_json(folder, entry)
