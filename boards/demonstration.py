"""The demonstration goes on: its network is built for a board, loaded and run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kanhw.boards.build.building import build_for_board
from kanhw.boards.build.schedules import schedules_for
from kanhw.boards.built import Built
from kanhw.boards.catalogue.table import board_named
from kanhw.boards.loading.loading import load_bitstream
from kanhw.boards.running import BoardRun, run_on_board
from kanhw.errors import InputError, ToolFailed, ToolNotFound
from kanhw.program import load_program

__all__ = ["BoardDemo", "demonstrate_on_board"]

_SELF_TEST = 1_000_000


@dataclass(frozen=True, eq=False)
class BoardDemo:
    """What was done for a board.

    Parameters
    ----------
    built
        The build, in the folder ``board`` of the demonstration's.
    not_loaded
        Why it was not loaded; empty if it was.
    run
        What the board did; None where no port was named.
    """

    built: Built
    not_loaded: str
    run: BoardRun | None

    @property
    def passed(self) -> bool:
        """Whether everything that was compared was equal."""
        return self.run is None or self.run.passed

    def to_json(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return {
            "build": str(self.built.path),
            **{n: self.built.to_json()[n] for n in ("board", "clock_mhz", "fmax_mhz", "bitstream")},
            "not_loaded": self.not_loaded,
            "run": None if self.run is None else self.run.to_json(),
        }


def demonstrate_on_board(
    folder: str | Path, board: str, port: str | None, say: Callable[[str], None]
) -> BoardDemo:
    """Build the demonstration's network for a board, load it if that works, run it if there is one.

    Parameters
    ----------
    folder
        What ``kanhw demo`` left.
    board
        Its name.
    port
        Of the board; None: nothing is run.
    say
        Is told what is being done.

    Raises
    ------
    InputError, ToolNotFound, ToolFailed
        If it cannot be built, or what is behind the port does not answer rightly.
    """
    folder, chosen = Path(folder), board_named(board)
    program = load_program(folder / "program.safetensors").with_argmax()
    schedules = schedules_for(program, chosen)
    built = build_for_board(program, schedules, chosen, folder / "board", say=say)
    not_loaded = ""
    try:
        load_bitstream(built)
    # A project that was written only has nothing to load either.
    except (InputError, ToolFailed, ToolNotFound) as error:
        not_loaded = str(error)
    run = None
    if port is not None:
        data = folder / "test.npz"
        run = run_on_board(port, data, build=built.path, self_test=_SELF_TEST)
    return BoardDemo(built, not_loaded, run)
