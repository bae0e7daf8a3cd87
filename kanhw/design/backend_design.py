"""The folder that a back end other than Verilog's wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kanhw.design.manifest import BACKEND_FORMAT, MANIFEST, PROGRAM_FILE, VERILOG, read_manifest
from kanhw.entries import Entry
from kanhw.errors import InputError
from kanhw.schedule.schedule import Schedule

if TYPE_CHECKING:
    from kanhw.program import Program

__all__ = ["BackendDesign", "backend_of", "load_backend_design"]


@dataclass(frozen=True)
class BackendDesign:
    """A design on disk that is not Verilog.

    Parameters
    ----------
    path
        Its folder.
    backend
        The name of the back end that wrote it.
    files
        What that wrote there; the Program and the manifest lie beside it.
    schedule
        The schedule that it was generated with.
    facts
        What else the back end says of it, as JSON values.
    """

    path: Path
    backend: str
    files: tuple[str, ...]
    schedule: Schedule
    facts: Mapping[str, Any] = field(default_factory=dict)

    def load_program(self) -> Program:
        """The Program that the files compute."""
        from kanhw.program import load_program

        return load_program(self.path / PROGRAM_FILE)

    def to_json(self) -> dict[str, Any]:
        """The manifest, without the tool version and the file hashes."""
        return {
            "format": BACKEND_FORMAT,
            "backend": self.backend,
            "program": PROGRAM_FILE,
            "schedule": self.schedule.to_json(),
            "facts": dict(self.facts),
        }


def backend_of(path: str | Path) -> str | None:
    """The back end that wrote a folder; None where it holds no design that can be read."""
    try:
        data = json.loads((Path(path) / MANIFEST).read_text(encoding="utf-8"))
        return str(data.get("backend", VERILOG))
    except (OSError, ValueError, AttributeError):
        return None


def load_backend_design(path: str | Path) -> BackendDesign:
    """Read the folder of another back end than Verilog's, and check that its files are unchanged.

    Raises
    ------
    InputError
        If the folder holds no such design, one of a newer kanhw, or files that were changed since.
    """
    return read_manifest(path, _design_of)


def _design_of(folder: Path, entry: Entry) -> BackendDesign:
    backend = entry.text("backend", None)
    if backend is None:
        raise InputError(f"{folder} was written by the back end {VERILOG!r}: use load_design")
    program = entry.text("program")
    return BackendDesign(
        path=folder,
        backend=backend,
        files=tuple(name for name in sorted(entry.get("files")) if name != program),
        schedule=Schedule.from_json(entry.get("schedule")),
        facts=dict(entry.child("facts").items()),
    )
