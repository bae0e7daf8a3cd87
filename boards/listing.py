"""The boards with what is there to build for them and to load them."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

from kanhw.boards.build.families import family_of
from kanhw.boards.catalogue.board import Board
from kanhw.boards.catalogue.programmers import PROGRAMMERS
from kanhw.boards.catalogue.table import BOARDS
from kanhw.errors import ToolNotFound
from kanhw.tools.tool import Tool

__all__ = ["ListedBoard", "listed_boards"]

# Python packages, by the module that is there if they are.
_PACKAGES = {"amaranth-boards": "amaranth_boards", "pyserial": "serial"}


@dataclass(frozen=True)
class ListedBoard:
    """A board and its tools.

    Parameters
    ----------
    board
        Which.
    tools
        Of every program and package that it wants, what was found, or how it is installed.
    built_with
        The programs that build for it.
    missing
        What building lacks.
    loaded_with
        The programs that load it, in order of preference.
    """

    board: Board
    tools: dict[str, str]
    built_with: tuple[str, ...]
    missing: tuple[str, ...]
    loaded_with: tuple[str, ...]

    @property
    def state(self) -> str:
        """Whether it can be built here, in words."""
        if not self.missing:
            return "can be built here"
        lacking = f"lacks {', '.join(self.missing)}"
        elsewhere = family_of(self.board).flow.elsewhere and "amaranth-boards" not in self.missing
        return f"{lacking}: the project is written" if elsewhere else lacking

    def to_json(self) -> dict[str, Any]:
        """The board as plain JSON values."""
        own = self.board
        return {
            "name": own.name,
            "title": own.title,
            "family": own.family,
            "device": own.device,
            "clock_mhz": own.clock_mhz,
            "baud": own.baud,
            "budget": own.budget,
            "note": own.note,
            "tools": self.tools,
            "built_with": list(self.built_with),
            "missing": list(self.missing),
            "loaded_with": list(self.loaded_with),
            "button": bool(own.button),
        }


def listed_boards() -> list[ListedBoard]:
    """All boards of the catalogue."""
    found: dict[str, str | None] = {}
    texts: dict[str, str] = {}

    def look(name: str, tool: Tool) -> None:
        if name not in found:
            try:
                found[name] = str(tool.find())
            except ToolNotFound as error:
                found[name], texts[name] = None, f"not there: {error}"

    for name, module in _PACKAGES.items():
        there = importlib.util.find_spec(module) is not None
        found[name] = "installed" if there else None
        texts[name] = f"not there: pip install {name}"
    listed = []
    for board in BOARDS.values():
        builders = {tool.program: tool for tool in family_of(board).flow.tools}
        loaders = {each.tool: PROGRAMMERS[each.tool] for each in board.programmers}
        for name, tool in {**builders, **loaders}.items():
            look(name, tool)
        wanted = [*_PACKAGES, *builders, *loaders]
        listed.append(
            ListedBoard(
                board,
                {name: found[name] or texts[name] for name in wanted},
                tuple(builders),
                tuple(name for name in ("amaranth-boards", *builders) if found[name] is None),
                tuple(loaders),
            )
        )
    return listed
