"""Loading a bitstream into a board, with whichever program the board wants and the machine has."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from kanhw.boards.built import Built
from kanhw.boards.catalogue.board import Board, Programmer
from kanhw.boards.catalogue.programmers import PROGRAMMERS
from kanhw.boards.catalogue.table import BOARDS
from kanhw.boards.loading.dfu import with_suffix
from kanhw.errors import ToolFailed, ToolNotFound
from kanhw.interruption import temporary_folder
from kanhw.tools.processes import error_line, run_logged
from kanhw.tools.tool import FoundTool

__all__ = ["Loaded", "find_programmer", "load_bitstream", "udev_rule"]

_TIMEOUT = 600.0


@dataclass(frozen=True)
class Loaded:
    """What was loaded.

    Parameters
    ----------
    board, bitstream
        Names.
    tool
        What loaded it.
    command
        Its words.
    """

    board: str
    bitstream: str
    tool: str
    command: tuple[str, ...]


def find_programmer(board: Board) -> tuple[FoundTool, Programmer]:
    """The first of a board's programmers that the machine has.

    Raises
    ------
    ToolNotFound
        If there is none: how the first one is installed.
    """
    missing: list[ToolNotFound] = []
    for programmer in board.programmers:
        try:
            return PROGRAMMERS[programmer.tool].find(), programmer
        except ToolNotFound as error:
            missing.append(error)
    others = " or ".join(each.tool for each in board.programmers[1:])
    rest = f"; {others} would do too" if others else ""
    first = missing[0] if missing else f"kanhw knows no programmer of {board.title}"
    raise ToolNotFound(f"{first}{rest}")


def load_bitstream(built: Built) -> Loaded:
    """Load a build's bitstream into the board that is plugged in.

    Raises
    ------
    InputError
        If the build has no bitstream.
    ToolNotFound
        If there is no program that loads it, or none is known for the board.
    ToolFailed
        If that fails: no board, no permission.
    """
    bitstream = built.bitstream_path.resolve()
    board = _board_of(built)
    tool, programmer = find_programmer(board)
    with temporary_folder("kanhw-load-") as folder:
        given = bitstream
        if programmer.suffixed:
            given = folder / f"{bitstream.stem}.dfu"
            given.write_bytes(with_suffix(bitstream.read_bytes(), *programmer.usb_numbers))
        places = {"bitstream": str(given), "folder": str(bitstream.parent)}
        command = (*tool.command, *(word.format(**places) for word in programmer.arguments))
        status, log = run_logged(programmer.tool, command, folder / "load.log", timeout=_TIMEOUT)
    if status != 0:
        raise ToolFailed(f"{board.title} was not loaded. {_mended(programmer, log, status)}")
    return Loaded(board.name, bitstream.name, str(tool), command)


def _board_of(built: Built) -> Board:
    """The board of the catalogue, by its name or by its platform."""
    platform = built.details.get("platform")
    known = [each for each in BOARDS.values() if each.platform == platform]
    if built.board not in BOARDS and not known:
        raise ToolNotFound(
            f"kanhw knows no programmer of {built.board}: load {built.bitstream_path} with the "
            "board's own"
        )
    return BOARDS.get(built.board) or known[0]


def udev_rule(usb: str) -> str:
    """The line that gives a device on USB, such as ``0403:6010``, to who is logged in."""
    vendor, product = usb.split(":")
    device = f'ATTR{{idVendor}}=="{vendor}", ATTR{{idProduct}}=="{product}"'
    return f'SUBSYSTEM=="usb", {device}, TAG+="uaccess"'


def _mended(programmer: Programmer, log: str, status: int) -> str:
    """Why a programmer failed, and what to do."""
    tool, text = programmer.tool, log.lower()
    if any(word in text for word in ("permission", "access denied", "libusb_error_access", "-3:")):
        return (
            f"{tool} may not reach it: on Linux its USB device must be this user's: write "
            f"'{udev_rule(programmer.usb)}' into /etc/udev/rules.d/60-fpga.rules, 'sudo udevadm "
            "control --reload', and plug it in again"
        )
    absent = ("unable to open", "no device", "not found", "can't find", "no dfu capable", "fail to")
    if any(word in text for word in absent):
        return (
            f"{tool} finds no such board (devices of USB: {_usb_devices()}): plug it in, and where "
            f"it has a loader of its own, enter that; its message: {error_line(log, status)}"
        )
    return f"{tool}: {error_line(log, status)}"


def _usb_devices() -> str:
    """What the system sees, in a few words."""
    try:
        answer = subprocess.run(
            ["lsusb"], capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return "not known, for want of lsusb"
    names = [line.partition("ID ")[2] for line in answer.splitlines()]
    return ", ".join(name for name in names if name and "root hub" not in name) or "none"
