"""Signals as an orderly end: children ended, temporary folders removed, then exit 128 + n.

Ctrl-C, SIGTERM and SIGHUP become an exception in the main thread, which unwinds as any other does.
What must not be cut in two, such as making or removing a folder, stands in :func:`uninterrupted`.
Hardly anything is imported here, because all of kanhw's imports come after it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import subprocess

__all__ = [
    "Interrupted",
    "end_children",
    "end_group",
    "orderly_end",
    "received",
    "temporary_folder",
    "uninterrupted",
]

# SIGHUP is what a closed terminal sends; Windows has none.
_NUMBERS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
# Seconds in which further signals are not heeded: those who send one often send two.
_PATIENCE = 3.0
# Seconds that a child has to remove its own temporary files.
_GRACE = 2.0


class Interrupted(KeyboardInterrupt):
    """A signal asked for the end.

    Parameters
    ----------
    number
        Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class _State:
    """What the handler knows; signals come to the whole process, so there is one of it."""

    depth = 0  # of sections that must not be cut
    waiting: int | None = None
    first: int | None = None
    heeded = float("-inf")


def received() -> int | None:
    """The first signal since :func:`orderly_end` began, also if a library made nothing of it."""
    return _State.first


@contextlib.contextmanager
def orderly_end(*, last: bool = False) -> Iterator[None]:
    """Raise :class:`Interrupted` for the signals that ask a process to end.

    Signals that were ignored before (``nohup``, ``&`` in scripts) stay so. In other threads than
    the main one, which get no signals, nothing changes.

    Parameters
    ----------
    last
        Whether the process has nothing to do behind it, so that signals may end it at once there;
        else they mean what they meant before.
    """
    _State.depth, _State.waiting, _State.first, _State.heeded = 0, None, None, float("-inf")
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in _NUMBERS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, _heed)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if last else handler)


def _heed(number: int, frame: FrameType | None) -> None:
    if _State.first is None:
        _State.first = number
    if _State.depth:
        _State.waiting = number
        return
    if time.monotonic() - _State.heeded >= _PATIENCE:
        _State.heeded = time.monotonic()
        raise Interrupted(number)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """A short section that signals wait for; :class:`Interrupted` is raised behind it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _State.depth += 1
    try:
        yield
    finally:
        _State.depth -= 1
        if _State.waiting is not None and not _State.depth:
            number, _State.waiting = _State.waiting, None
            _heed(number, None)


@contextlib.contextmanager
def temporary_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """A temporary folder that is gone afterwards, whatever ends the work in it.

    Parameters
    ----------
    prefix
        What its name begins with.
    parent
        The folder that it is made in; None is the system's for temporary files.
    """
    import shutil
    import tempfile

    folder: Path | None = None
    try:
        with uninterrupted():
            folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent)).resolve()
        yield folder
    finally:
        if folder is not None:
            with uninterrupted():
                shutil.rmtree(folder, ignore_errors=True)


def end_group(process: subprocess.Popen[Any]) -> None:
    """End a process that has a session of its own, and all that it started there.

    They get SIGTERM, and SIGKILL what is left of them two seconds later.
    """
    with uninterrupted():
        if not hasattr(os, "killpg"):
            process.kill()
        else:
            _end_session(process)
        process.wait()


def _end_session(process: subprocess.Popen[Any]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        # Another system's refusal means the same: nobody is left there to be ended.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        deadline = time.monotonic() + _GRACE
        while time.monotonic() < deadline:
            process.poll()  # one that has ended stays in its group until it is asked after
            if not _runs(process.pid):
                return
            time.sleep(0.02)


def _runs(group: int) -> bool:
    """Whether any process of a group has not ended yet."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    processes = _processes()
    # Orphans that have ended stay until the system's first process asks after them.
    return not processes or any(own.group == group and own.runs for own in processes.values())


def end_children() -> None:
    """End what is left of the processes that this one, and those in turn, have started.

    It needs /proc: elsewhere children that libraries started in our session stay.
    """
    with uninterrupted():
        for pid in _descendants():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _descendants() -> list[int]:
    processes = _processes()
    found, young = list[int](), [os.getpid()]
    while young:
        young = [pid for pid, process in processes.items() if process.parent in young]
        found += young
    return found


class _Process(NamedTuple):
    runs: bool
    parent: int
    group: int


def _processes() -> dict[int, _Process]:
    """Every process, from /proc; none where there is no such folder."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        # Processes end while they are looked at.
        with contextlib.suppress(OSError, ValueError):
            # The name, in brackets, may hold anything; behind it are state, parent and group.
            state, parent, group = entry.read_text(errors="replace").rpartition(")")[2].split()[:3]
            found[int(entry.parent.name)] = _Process(state not in "ZX", int(parent), int(group))
    return found
