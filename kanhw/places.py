"""Places of output: what a path itself is, and files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from kanhw.errors import InputError
from kanhw.interruption import uninterrupted

__all__ = ["check_place", "move_whole", "resolved", "write_whole", "written_by"]

# A quota is a full disk too; not every system has them.
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
_MOST_LINKS = 40  # as Linux has it
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_STREAMS = ("standard input comes from", "standard output goes", "standard error goes")


def check_place(path: str | Path | None) -> None:
    """See that a file can be written later, before long work is done for it; None is no file.

    Raises
    ------
    InputError
        If the folder is missing or not writable, or the path is, or leads to, anything but a file:
        a folder, device, pipe or socket, or what a stream of this process goes to.
    """
    if path is not None:
        _file_at(path)


def write_whole(path: str | Path, data: bytes | str) -> Path:
    """Write a file through a neighbour that takes its place when it is complete, and on the disk.

    A link stays, and what it leads to is written. Of two writers at once the last one stays.

    Returns
    -------
    Path
        The path as it was given.

    Raises
    ------
    InputError
        As :func:`check_place`, or if the disk is full.
    """
    content = data.encode() if isinstance(data, str) else data
    place = _file_at(path)
    with written_by(path), _neighbour(place) as partial:
        with partial.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _take_place(partial, place)
    return Path(path)


def move_whole(source: Path, path: str | Path) -> Path:
    """Move a complete file, from whichever disk, to its place; see :func:`write_whole`."""
    place = _file_at(path)
    with written_by(path), _neighbour(place) as partial:
        shutil.copyfile(source, partial)
        _take_place(partial, place)
    source.unlink(missing_ok=True)
    return Path(path)


def resolved(path: str | Path, kinds: str = "a file") -> Path:
    """Where a path leads: itself, or what its links lead to, which need not exist.

    Parameters
    ----------
    path
        Where something is to be written.
    kinds
        What is to be written there, ``a file`` or ``a folder``.

    Raises
    ------
    InputError
        If its links lead round in a circle, or to an open file of a process, or to something of
        another kind.
    """
    given = place = Path(path)
    for _ in range(_MOST_LINKS):
        # What lies in there are no files, though they look like links to them.
        parent = os.path.realpath(place.parent)
        if parent == "/proc" or parent.startswith("/proc/"):
            raise InputError(f"{given} is an open file of a process: name {kinds} to write")
        if not place.is_symlink():
            break
        place = place.parent / place.readlink()
    else:
        raise InputError(f"{given} is a link that leads back to itself: remove it, or name another")
    with contextlib.suppress(OSError):
        mode = place.stat().st_mode
        for is_kind, name in _KINDS:
            if is_kind(mode) and name != kinds:
                raise InputError(f"{given} is {name}, not {kinds}: name one to write")
    return place


def _file_at(path: str | Path) -> Path:
    """The file that a path leads to, if it can be written."""
    if str(path) == "-":
        raise InputError("- is no name of a file: name one to write (./- if it is to be called so)")
    place = resolved(path)
    if not place.parent.is_dir() or not os.access(place.parent, os.W_OK):
        raise InputError(f"{path} cannot be written: choose a folder that exists and is yours")
    for number, stream in enumerate(_STREAMS):
        # A file in its place would not be the one that the stream goes to.
        with contextlib.suppress(OSError):
            if os.path.samestat(place.stat(), os.fstat(number)):
                raise InputError(f"{path} is where {stream}: name another file")
    return place


@contextlib.contextmanager
def _neighbour(place: Path) -> Iterator[Path]:
    """A name of its own in the same folder, which is gone afterwards; short, as names may be."""
    partial = place.with_name(f".kanhw-{secrets.token_hex(8)}.partial")
    try:
        yield partial
    finally:
        # The folder that refused the file may refuse this too; the first error is the one to tell.
        with uninterrupted(), contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _take_place(partial: Path, place: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        partial.chmod(stat.S_IMODE(place.stat().st_mode))
    partial.replace(place)


@contextlib.contextmanager
def written_by(
    path: str | Path, cure: str = "choose a folder that exists and is yours"
) -> Iterator[None]:
    """Say of whatever the system refuses which file it was, and what to do.

    Parameters
    ----------
    path
        What is written.
    cure
        What to do, unless the disk is full.

    Raises
    ------
    InputError
        In place of an OSError.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            cure = "make room, or choose another disk"
        raise InputError(f"{path} cannot be written ({error.strerror}): {cure}") from error
