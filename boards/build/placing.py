"""One run of the tools: from a top at a clock to a bitstream and what place and route say of it."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kanhw.boards.build.families import Family, family_of
from kanhw.boards.catalogue.board import Board
from kanhw.errors import InputError, ToolFailed, ToolNotFound
from kanhw.interruption import temporary_folder
from kanhw.tools.cache import user_cache
from kanhw.tools.nextpnr import nextpnr
from kanhw.tools.packers import packer
from kanhw.tools.processes import error_line, run_logged
from kanhw.tools.tool import FoundTool
from kanhw.tools.yosys import find_yosys, run_script

if TYPE_CHECKING:
    from kanhw.boards.build.plls import PllSetting
    from kanhw.boards.link.link_top import LinkTop

__all__ = [
    "DoesNotFit",
    "Placed",
    "Sources",
    "Toolchain",
    "check_platforms",
    "commands_of",
    "find_toolchain",
    "place",
    "place_flags",
    "platform_of",
    "sources",
]

TIMEOUT = 3600.0
"""Seconds that one program may take."""

_REPORT = "report.json"
_LOG = "nextpnr.log"


class DoesNotFit(ToolFailed):
    """The device is too small; the message says what is short."""


@dataclass(frozen=True)
class Toolchain:
    """The programs of a family, found.

    Parameters
    ----------
    family
        Whose.
    yosys, nextpnr, packer
        Each with its version.
    """

    family: Family
    yosys: FoundTool
    nextpnr: FoundTool
    packer: FoundTool


@dataclass(frozen=True)
class Sources:
    """What the programs read.

    Parameters
    ----------
    files
        By name: ``top.il``, ``top.ys`` and the constraints.
    flags
        nextpnr's options for the device and these files.
    pack
        The packer's arguments.
    """

    files: Mapping[str, bytes]
    flags: tuple[str, ...]
    pack: tuple[str, ...]


@dataclass(frozen=True)
class Placed:
    """What one run gave.

    Parameters
    ----------
    files
        By name: bitstream, constraints, netlist's source, report, logs.
    achieved_mhz, asked_mhz
        Of the slowest clock, as place and route report them; ``asked_mhz`` is what it was told.
    utilisation
        Of the device: ``used`` and ``available`` by the names of nextpnr's cells.
    """

    files: Mapping[str, bytes]
    achieved_mhz: float
    asked_mhz: float
    utilisation: Mapping[str, Mapping[str, int]]


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
    return Toolchain(
        family, find_yosys(), nextpnr(family.nextpnr).find(), packer(family.packer).find()
    )


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
    platform = kind()
    if board.clock:
        platform.default_clk = board.clock
    return platform


def sources(top: LinkTop, board: Board, pll: PllSetting | None) -> Sources:
    """Everything that the programs read: netlist, script and constraints.

    Parameters
    ----------
    top
        What the board does.
    board, pll
        Where, and the clock.

    Raises
    ------
    ToolNotFound
        If amaranth-boards is not installed.
    InputError
        If the board has no such platform, or nothing here builds for its family.
    """
    from kanhw.boards.build.shell import BoardShell

    family, platform = family_of(board), platform_of(board)
    plan = platform.prepare(
        BoardShell(top, board, pll), "top", emit_src=False, synth_opts=list(board.synthesis)
    )
    kinds = (".il", ".ys", ".pcf", ".lpf", ".cst")
    files = {n: _bytes(content) for n, content in plan.files.items() if n.endswith(kinds)}
    mhz = board.clock_mhz if pll is None else pll.hz / 1e6
    clock = ("--freq", f"{mhz:.6f}") if family.told_clock else ()
    flags = (*family.device_flags(platform), *family.files, *clock)
    return Sources(files, flags, family.pack(platform))


def commands_of(family: Family, given: Sources, seed: int) -> tuple[str, ...]:
    """What is run, a line each."""
    return (
        "yosys -s top.ys",
        shlex.join([family.nextpnr, *place_flags(given, seed)]),
        shlex.join([family.packer, *given.pack]),
    )


def place_flags(given: Sources, seed: int) -> tuple[str, ...]:
    """All of nextpnr's options."""
    # Without the last it writes nothing where the clock is missed; its report is read anyway.
    return (*given.flags, "--report", _REPORT, "--seed", str(seed), "--timing-allow-fail")


def place(given: Sources, tools: Toolchain, *, seed: int = 1, cached: bool = True) -> Placed:
    """Synthesise, place, route and pack.

    Parameters
    ----------
    given
        What for: see :func:`sources`.
    tools
        What runs.
    seed
        Of the placement.
    cached
        Whether the result of the same run may be taken from the user's cache.

    Raises
    ------
    DoesNotFit
        If the device is too small.
    ToolFailed
        If a program fails.
    """
    family, flags = tools.family, place_flags(given, seed)
    key = _key(given, flags, tools)
    cache = user_cache("bitstreams")
    kept = cache.find(key) if cache and cached else None
    if kept is not None:
        return _placed(_contents(kept), given, tools)
    with temporary_folder("kanhw-build-") as folder:
        for file, content in given.files.items():
            (folder / file).write_bytes(content)
        _run(folder, flags, given.pack, tools)
        made = folder / "made"
        made.mkdir()
        for file in (family.bitstream, _REPORT, _LOG, "yosys.log"):
            shutil.copyfile(folder / file, made / file)
        if cache is not None:
            cache.keep(key, made)
        return _placed(_contents(made), given, tools)


def _run(folder: Path, flags: tuple[str, ...], pack: tuple[str, ...], tools: Toolchain) -> None:
    family = tools.family
    run_script((folder / "top.ys").read_text(encoding="utf-8"), folder, timeout=TIMEOUT)
    # nextpnr reports an error of its own where the clock cannot be met: that is read afterwards.
    command = [*tools.nextpnr.command, *flags]
    status, log = run_logged(family.nextpnr, command, folder / _LOG, timeout=TIMEOUT)
    if status != 0:
        short = _short(log)
        if short:
            raise DoesNotFit(short)
        raise ToolFailed(f"{family.nextpnr} failed: {error_line(log, status)}")
    command = [*tools.packer.command, *pack]
    status, log = run_logged(family.packer, command, folder / "pack.log", timeout=TIMEOUT)
    if status != 0 or not (folder / family.bitstream).is_file():
        raise ToolFailed(f"{family.packer} failed: {error_line(log, status)}")


def _placed(made: dict[str, bytes], given: Sources, tools: Toolchain) -> Placed:
    family = tools.family
    report = json.loads(made[_REPORT])
    clocks = report["fmax"]
    if not clocks:
        raise ToolFailed(f"{family.nextpnr} reports no clock, so nothing is known of the timing")
    slowest = min(clocks.values(), key=lambda clock: clock["achieved"] / clock["constraint"])
    utilisation = {
        name: {"used": use["used"], "available": use["available"]}
        for name, use in sorted(report["utilization"].items())
        if use["used"]
    }
    return Placed(
        {**given.files, **made},
        round(float(slowest["achieved"]), 2),
        round(min(float(clock["constraint"]) for clock in clocks.values()), 4),
        utilisation,
    )


def _short(log: str) -> str:
    """What a device has too little of, from nextpnr's log; empty if it is big enough."""
    found = re.findall(r"^Info:\s+(\S+):\s+(\d+)/\s*(\d+)\s+\d+%", log, re.MULTILINE)
    over = [
        f"{used} of {available} {name}"
        for name, used, available in dict.fromkeys(found)
        if int(used) > int(available)
    ]
    if over:
        return f"it takes {', '.join(over)}"
    if re.search(r"ERROR: .*(no (more )?BELs|[Uu]nable to (find|place)|failed to place)", log):
        return f"the placer finds no room ({error_line(log, 1)})"
    return ""


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


def _bytes(content: str | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.encode()


def _key(given: Sources, flags: tuple[str, ...], tools: Toolchain) -> str:
    digest = hashlib.sha256()
    versions = [str(tool) for tool in (tools.yosys, tools.nextpnr, tools.packer)]
    for part in (json.dumps([flags, given.pack, versions]).encode(), *given.files.values()):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:32]
