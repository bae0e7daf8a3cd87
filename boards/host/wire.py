"""What the link needs of whatever carries it: bytes there and back. And a serial port as that."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from kanhw.errors import InputError, ToolFailed, ToolNotFound

__all__ = ["SerialWire", "Wire", "serial_ports"]

_T = TypeVar("_T")
_MOST = 65536


class Wire(Protocol):
    """Bytes to a board and back."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def bytes_per_second(self) -> float:
        """How many it carries at best."""

    def write(self, data: bytes) -> None:
        """Send bytes; waits while there is no room for them.

        Raises
        ------
        ToolFailed
            If it is gone.
        """

    def read(self, timeout: float) -> bytes:
        """Whatever came, one byte at least; empty if nothing does within ``timeout`` seconds.

        Raises
        ------
        ToolFailed
            If it is gone.
        """

    def close(self) -> None:
        """Let it go; again is no error."""


class SerialWire:
    """A serial port, for nobody else as long as it is open.

    Parameters
    ----------
    port
        As the system calls it: ``/dev/ttyUSB0``, ``COM3``.
    baud
        Bits a second.

    Raises
    ------
    InputError
        If there is no such port, it is busy, or this user may not open it.
    ToolNotFound
        If pyserial is not installed.
    """

    def __init__(self, port: str, baud: int) -> None:
        serial = _pyserial()
        self._port, self._baud = port, baud
        self._error: type[Exception] = serial.SerialException
        try:
            # Writing waits: a port that takes nothing for so long is gone.
            self._serial: Any = serial.Serial(
                port, baud, timeout=0, write_timeout=10, exclusive=True
            )
        except ValueError as error:
            told = f"{port} cannot do {baud} baud ({error}): choose another --baud"
            raise InputError(told) from error
        except OSError as error:  # of which SerialException is one
            raise InputError(_not_opened(port, error)) from error

    @property
    def name(self) -> str:
        """The port."""
        return self._port

    @property
    def bytes_per_second(self) -> float:
        """Start bit, eight, stop bit."""
        return self._baud / 10

    def write(self, data: bytes) -> None:
        """See :class:`Wire`."""
        self._try(lambda: self._serial.write(data))

    def read(self, timeout: float) -> bytes:
        """See :class:`Wire`."""

        def take() -> bytes:
            self._serial.timeout = timeout
            first: bytes = self._serial.read(1)
            if not first:
                return first
            self._serial.timeout = 0
            rest: bytes = self._serial.read(_MOST)
            return first + rest

        return self._try(take)

    def close(self) -> None:
        """See :class:`Wire`."""
        # One that is gone cannot even be closed properly.
        with contextlib.suppress(OSError, self._error):
            self._serial.close()

    def _try(self, what: Callable[[], _T]) -> _T:
        try:
            return what()
        except (OSError, TypeError, self._error) as error:
            raise ToolFailed(
                f"{self._port} is gone in the midst of it ({_reason(error)}): plug the board in "
                "again"
            ) from error


def serial_ports() -> list[str]:
    """The ports that the system has, boards among them."""
    _pyserial()
    from serial.tools.list_ports import comports

    return sorted(found.device for found in comports())


def _pyserial() -> Any:
    try:
        import serial
    except ImportError as error:
        raise ToolNotFound(
            "Boards are reached through pyserial, which is not installed: pip install "
            "'kanhw[boards]' (or pip install pyserial)"
        ) from error
    if not hasattr(serial, "Serial"):
        raise ToolNotFound(
            "The package 'serial' is in the place of pyserial: pip uninstall serial, then pip "
            "install pyserial"
        )
    return serial


def _reason(error: BaseException) -> str:
    number = getattr(error, "errno", None)
    return os.strerror(number) if isinstance(number, int) else " ".join(str(error).split())


def _not_opened(port: str, error: OSError) -> str:
    """One line for a port that cannot be opened: why, and what to do."""
    text, number = str(error), error.errno
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO) or "FileNotFound" in text:
        found = ", ".join(serial_ports()) or "none: is the board plugged in?"
        return f"There is no port {port}; the ports here are {found}"
    if number in (errno.EACCES, errno.EPERM) or "PermissionError" in text or "denied" in text:
        group = _group_of(port)
        return (
            f"This user may not open {port}: on Linux 'sudo usermod -aG {group} $USER' and a new "
            "login mend that; on Windows another program has it"
        )
    if number in (errno.EBUSY, errno.EAGAIN) or "xclusive" in text or "busy" in text:
        return f"{port} is busy: another program has it open (a terminal, another kanhw); close it"
    return f"{port} cannot be opened ({_reason(error)}): name the serial port of the board"


def _group_of(port: str) -> str:
    """The group that may open a port, as the system has it."""
    try:
        return Path(port).group()
    except (OSError, KeyError, NotImplementedError):
        return "dialout"
