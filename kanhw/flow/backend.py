"""What a back end is: something that writes a Program under a schedule as files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from kanhw.design.manifest import MANIFEST, PROGRAM_FILE
from kanhw.program import Program
from kanhw.schedule.schedule import Schedule

__all__ = ["Backend", "Written"]


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
        """Names of the options that :meth:`write` takes; a user may leave out each.

        From the command line (``--backend-option NAME=VALUE``) values come as text.
        """

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
