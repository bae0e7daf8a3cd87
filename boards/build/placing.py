"""One run of the tools: from a top at a clock to a bitstream and what place and route say of it."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kanhw.boards.build.families import Family, family_of
from kanhw.boards.build.flow import DoesNotFit, Reached, Sources, Step
from kanhw.boards.catalogue.board import Board
from kanhw.errors import InputError, ToolFailed, ToolNotFound
from kanhw.interruption import temporary_folder
from kanhw.tools.cache import user_cache
from kanhw.tools.processes import error_line, run_logged
from kanhw.tools.tool import FoundTool

if TYPE_CHECKING:
    from kanhw.boards.build.plls import PllSetting
    from kanhw.boards.link.link_top import LinkTop

__all__ = [
    "DoesNotFit",
    "Placed",
    "Toolchain",
    "check_platforms",
    "find_toolchain",
    "place",
    "platform_of",
    "sources",
]

TIMEOUT = 3600.0
"""Seconds that one program may take."""


@dataclass(frozen=True)
class Toolchain:
    """The programs of a family, found.

    Parameters
    ----------
    family
        Whose.
    programs
        In the order of the steps, each with its version.
    """

    family: Family
    programs: tuple[FoundTool, ...]


@dataclass(frozen=True)
class Placed:
    """What one run gave.

    Parameters
    ----------
    files
        By name: bitstream, constraints, netlist's source, report, logs.
    reached
        The clock and the cells.
    """

    files: Mapping[str, bytes]
    reached: Reached


def find_toolchain(board: Board) -> Toolchain:
    """The programs for a board, before any work is done for it.

    Raises
    ------
    ToolNotFound
        If one is missing; says how it is installed.
    InputError
        If nothing here builds for the family.
    """
    family = family_of(board)
    check_platforms()
    return Toolchain(family, tuple(tool.find() for tool in family.flow.tools))


def platform_of(board: Board) -> Any:
    """A fresh platform of amaranth-boards; each serves one build.

    Raises
    ------
    ToolNotFound
        If amaranth-boards is not installed.
    InputError
        If there is no such class.
    """
    check_platforms()
    module, _, name = board.platform.partition(":")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            f"There is no platform {board.platform!r} ({error}): name one as module:Class, such as "
            "amaranth_boards.ulx3s:ULX3S_25F_Platform"
        ) from error
    from amaranth.build import Platform

    if not (isinstance(kind, type) and issubclass(kind, Platform)):
        raise InputError(f"{board.platform} is no platform of Amaranth's: name a board's class")
    try:
        platform = kind()
    except TypeError as error:
        raise InputError(
            f"The platform {board.platform} cannot be made ({error}): name a board's class, not "
            "what several boards share"
        ) from error
    if board.clock:
        platform.default_clk = board.clock
    # A button that resets is the shell's: the platform would connect its own at some clocks only.
    platform.default_rst = None
    return platform


def sources(top: LinkTop, board: Board, pll: PllSetting | None, *, seed: int = 1) -> Sources:
    """Everything that the programs read, and how they are called.

    Parameters
    ----------
    top
        What the board does.
    board, pll
        Where, and the clock.
    seed
        Of the placement.

    Raises
    ------
    ToolNotFound
        If amaranth-boards is not installed.
    InputError
        If the board has no such platform, or nothing here builds for its family.
    """
    from kanhw.boards.build.shell import BoardShell

    mhz = board.clock_mhz if pll is None else pll.hz / 1e6
    shell = BoardShell(top, board, pll)
    return family_of(board).flow.sources(shell, platform_of(board), board, mhz, seed)


def place(given: Sources, tools: Toolchain, *, cached: bool = True) -> Placed:
    """Synthesise, place, route and pack.

    Parameters
    ----------
    given
        What for: see :func:`sources`.
    tools
        What runs.
    cached
        Whether the result of the same run may be taken from the user's cache.

    Raises
    ------
    DoesNotFit
        If the device is too small.
    ToolFailed
        If a program fails.
    """
    flow, key = tools.family.flow, _key(given, tools)
    cache = user_cache("bitstreams")
    kept = cache.find(key) if cache and cached else None
    if kept is not None:
        return _placed(_contents(kept), given, tools)
    with temporary_folder("kanhw-build-") as folder:
        for file, content in given.files.items():
            (folder / file).write_bytes(content)
        for step, program in zip(given.steps, tools.programs, strict=True):
            _run(folder, step, program, tools.family)
        made = folder / "made"
        made.mkdir()
        for file in flow.kept:
            if not (folder / file).is_file():
                raise ToolFailed(f"{flow.title} ended without an error but made no {file}")
            shutil.copyfile(folder / file, made / file)
        if cache is not None:
            cache.keep(key, made)
        return _placed(_contents(made), given, tools)


def _run(folder: Path, step: Step, program: FoundTool, family: Family) -> None:
    """One program; what it makes is looked at by whoever reads it."""
    command = [*program.command, *step.arguments]
    status, log = run_logged(step.tool.title, command, folder / step.log, timeout=TIMEOUT)
    if status != 0:
        short = family.flow.short(log)
        if short:
            raise DoesNotFit(short)
        raise ToolFailed(f"{step.tool.title} failed: {error_line(log, status)}")


def _placed(made: dict[str, bytes], given: Sources, tools: Toolchain) -> Placed:
    return Placed({**given.files, **made}, tools.family.flow.reached(made))


def check_platforms() -> None:
    """See that amaranth-boards is installed.

    Raises
    ------
    ToolNotFound
        If it is not.
    """
    if importlib.util.find_spec("amaranth_boards") is None:
        raise ToolNotFound(
            "The pins of boards come from amaranth-boards, which is not installed: pip install "
            "'kanhw[boards]' (or pip install amaranth-boards)"
        )


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _key(given: Sources, tools: Toolchain) -> str:
    digest = hashlib.sha256()
    calls = [[str(step), str(tool)] for step, tool in zip(given.steps, tools.programs, strict=True)]
    for part in (json.dumps(calls).encode(), *given.files.values()):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:32]
