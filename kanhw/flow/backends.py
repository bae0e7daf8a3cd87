"""Back ends: what a Program and a schedule are written as. The table of them, and their options.

A back end is a room of its own and one registration: a line in :data:`BACKENDS`, or
:func:`register_backend` for one that is not part of this package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from kanhw.design.design import MANIFEST, PROGRAM_FILE, VERILOG
from kanhw.errors import InputError
from kanhw.program import Program
from kanhw.schedule.schedule import Schedule

__all__ = [
    "BACKENDS",
    "Backend",
    "Written",
    "backend_named",
    "options_for",
    "register_backend",
]


@dataclass(frozen=True)
class Written:
    """What a back end made.

    Parameters
    ----------
    files
        Contents by name. The Program and the manifest lie beside them and are not its business.
    facts
        What a user of the files must know, as JSON values; they go into the manifest.

    Raises
    ------
    ValueError
        If a name is that of the Program or the manifest, or is no plain name: a fault of the back
        end.
    """

    files: Mapping[str, bytes]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.files:
            if Path(name).name != name or name in (PROGRAM_FILE, MANIFEST):
                raise ValueError(
                    f"A back end cannot write a file {name!r}: its files lie in one folder beside "
                    f"{PROGRAM_FILE} and {MANIFEST}"
                )


class Backend(Protocol):
    """A way to write a Program out."""

    @property
    def name(self) -> str:
        """The name by which users choose it."""

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options that :meth:`write` takes; a user may leave out each."""

    def write(self, program: Program, schedule: Schedule, options: Mapping[str, object]) -> Written:
        """The files for a Program under a schedule, the same bytes for the same arguments.

        Parameters
        ----------
        program
            The integers to compute with.
        schedule
            How they are laid out.
        options
            Those that the user gave; no others than :attr:`options` names.

        Raises
        ------
        InputError
            If the back end cannot write such a Program, schedule or option.
        """


def _verilog() -> Backend:
    from kanhw.flow.verilog_backend import VerilogBackend

    return VerilogBackend()


BACKENDS: dict[str, Callable[[], Backend]] = {VERILOG: _verilog}
"""What makes each back end, by name; it is imported when it is used."""


def register_backend(backend: Backend) -> None:
    """Make a back end known to :func:`kanhw.generate` and ``kanhw generate --backend``.

    Raises
    ------
    InputError
        If there is one of its name.
    """
    if backend.name in BACKENDS:
        raise InputError(f"There is a back end {backend.name!r} already: give yours another name")
    BACKENDS[backend.name] = lambda: backend


def backend_named(name: str) -> Backend:
    """The back end of that name.

    Raises
    ------
    InputError
        If there is none.
    """
    if name not in BACKENDS:
        raise InputError(f"Unknown back end {name!r}: the back ends are {', '.join(BACKENDS)}")
    return BACKENDS[name]()


def options_for(backend: Backend, options: Mapping[str, object]) -> dict[str, object]:
    """The options that a user gave (those that are not None), all known to the back end.

    Raises
    ------
    InputError
        If it does not take one of them.
    """
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in backend.options:
            allowed = ", ".join(backend.options) or "no options"
            raise InputError(
                f"The back end {backend.name!r} does not take {name!r}: it takes {allowed}"
            )
    return given
