"""The table of boards. A new board is an entry in its family's file."""

from __future__ import annotations

import difflib

from kanhw.boards.catalogue.board import Board
from kanhw.boards.catalogue.ecp5 import ECP5_BOARDS
from kanhw.boards.catalogue.gatemate import GATEMATE_BOARDS
from kanhw.boards.catalogue.gowin import GOWIN_BOARDS
from kanhw.boards.catalogue.ice40 import ICE40_BOARDS
from kanhw.boards.catalogue.nexus import NEXUS_BOARDS
from kanhw.boards.catalogue.xilinx import XILINX_BOARDS
from kanhw.errors import InputError

__all__ = ["BOARDS", "board_named"]

_FAMILIES = (
    ICE40_BOARDS,
    ECP5_BOARDS,
    GOWIN_BOARDS,
    GATEMATE_BOARDS,
    NEXUS_BOARDS,
    XILINX_BOARDS,
)

BOARDS: dict[str, Board] = {board.name: board for family in _FAMILIES for board in family}
"""The boards by name."""


def board_named(name: str) -> Board:
    """The board of that name.

    Raises
    ------
    InputError
        If there is none; the message names what comes near.
    """
    if name in BOARDS:
        return BOARDS[name]
    near = difflib.get_close_matches(name.lower(), BOARDS, 3, 0.4) or list(BOARDS)
    raise InputError(
        f"There is no board {name!r}; near are {', '.join(near)} ('kanhw boards' lists all)"
    )
