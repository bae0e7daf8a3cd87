"""How a family is built: what its programs read, in which order they run, what is kept."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from kanhw.boards.catalogue.board import Board
from kanhw.errors import ToolFailed
from kanhw.tools.tool import Tool

__all__ = ["DoesNotFit", "Flow", "Reached", "Sources", "Step"]


class DoesNotFit(ToolFailed):
    """The device is too small; the message says what is short."""


@dataclass(frozen=True)
class Step:
    """One program of a build.

    Parameters
    ----------
    tool
        Which.
    arguments
        What follows its command.
    log
        File that takes what it prints.
    """

    tool: Tool
    arguments: tuple[str, ...]
    log: str

    def __str__(self) -> str:
        return shlex.join([self.tool.program, *self.tool.options, *self.arguments])


@dataclass(frozen=True)
class Sources:
    """What the programs read, and how they are called.

    Parameters
    ----------
    files
        By name: netlist, scripts and constraints.
    steps
        In order. They run in the folder of the files.
    """

    files: Mapping[str, bytes]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Reached:
    """What place and route report.

    Parameters
    ----------
    achieved_mhz, asked_mhz
        Of the slowest clock; ``asked_mhz`` is what the tool was told.
    utilisation
        Of the device: ``used`` and ``available`` by the names of its cells.
    """

    achieved_mhz: float
    asked_mhz: float
    utilisation: Mapping[str, Mapping[str, int]]


class Flow(Protocol):
    """How a family is built."""

    @property
    def title(self) -> str:
        """What places and routes."""

    @property
    def tools(self) -> tuple[Tool, ...]:
        """The programs, in the order of the steps."""

    @property
    def bitstream(self) -> str:
        """The file that is loaded."""

    @property
    def kept(self) -> tuple[str, ...]:
        """Files that the programs make and a build keeps, the bitstream among them."""

    @property
    def probe_mhz(self) -> float:
        """A clock that is asked for to find out what a design reaches."""

    @property
    def elsewhere(self) -> bool:
        """Whether the project is written where the programs are missing, to be built elsewhere."""

    def sources(self, shell: Any, platform: Any, board: Board, mhz: float, seed: int) -> Sources:
        """Everything for a run.

        Parameters
        ----------
        shell
            The top, with its pins.
        platform
            A fresh one.
        board
            Where.
        mhz
            The clock that is asked for.
        seed
            Of the placement, where the programs take one.
        """

    def reached(self, made: Mapping[str, bytes]) -> Reached:
        """What the kept files say.

        Raises
        ------
        ToolFailed
            If they say nothing of the timing.
        """

    def short(self, log: str) -> str:
        """What a device has too little of, from the log of a program that failed; else empty."""
