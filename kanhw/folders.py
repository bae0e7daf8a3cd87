"""Writing folders so that they appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from kanhw.errors import InputError
from kanhw.interruption import uninterrupted
from kanhw.places import resolved, written_by

__all__ = ["write_folder"]

# Seconds to wait while another process puts a folder in place, which takes none.
_PATIENCE = 30.0

Ours = Callable[[Path], Collection[str]]


def write_folder(
    folder: str | Path,
    files: Mapping[str, bytes],
    *,
    ours: Ours | None = None,
    force: bool = False,
) -> Path:
    """Make a folder that holds exactly these files.

    A folder that already holds them is left as it is, so two that write the same at once both
    succeed. A link to a folder stays, and what it leads to is written.

    Parameters
    ----------
    folder
        Where.
    files
        Contents by name.
    ours
        Which files of a folder may be written over, as they were made here before; None is none.
    force
        Whether to write over what lies there of these names, and over what is ours; other files
        stay.

    Raises
    ------
    InputError
        If it holds anything else, or cannot be made.
    """
    folder, place = Path(folder), resolved(folder, "a folder")
    if place.exists() and place.samefile(Path.cwd()):
        # Another folder would take its place, and whoever is in it would stay in the old one.
        raise InputError(f"{folder} is the folder that you are in: name another")
    # Alone, as a folder that another writer replaces is gone for a moment.
    with _alone(place.parent):
        if _others(folder, place, files, ours, force=force) is None:
            return folder
    partial: Path | None = None
    try:
        with written_by(folder, "choose a place that is yours"), uninterrupted():
            place.parent.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(prefix=".kanhw-", dir=place.parent))
        with written_by(folder, "name another folder"):
            for name, content in files.items():
                (partial / name).write_bytes(content)
            # mkdtemp makes private folders; a design is as readable as any other file.
            partial.chmod(0o755)
            with _alone(place.parent), uninterrupted():
                # Another writer may have been here meanwhile.
                others = _others(folder, place, files, ours, force=force)
                if others is not None:
                    _take_the_place(place, partial, others - set(files))
    finally:
        if partial is not None:
            with uninterrupted():
                shutil.rmtree(partial, ignore_errors=True)
    return folder


def _others(
    folder: Path, place: Path, files: Mapping[str, bytes], ours: Ours | None, *, force: bool
) -> set[str] | None:
    """What lies in a folder and is not ours; None where it holds these very files already."""
    if not place.exists():
        return set()
    if not place.is_dir():
        raise InputError(f"{folder} is a file: name a folder that does not exist yet")
    with written_by(folder, "name another folder"):
        present = {entry.name for entry in place.iterdir()}
        if present and _holds(place, present, files):
            return None
        others = present - set(ours(place) if ours else ())
    if others and not force:
        raise InputError(
            f"{folder} already holds something else ({', '.join(sorted(others)[:4])}): remove "
            "it, or name another folder"
        )
    return others


def _take_the_place(folder: Path, complete: Path, others: Collection[str]) -> None:
    """Put a complete folder where another one may be, and what is not ours back into it."""
    if not folder.is_dir() or not any(folder.iterdir()):
        complete.replace(folder)
        return
    old = complete.with_name(f"{complete.name}.old")
    folder.rename(old)
    try:
        complete.replace(folder)
    except OSError:
        old.rename(folder)
        raise
    for name in others:
        (old / name).rename(folder / name)
    shutil.rmtree(old, ignore_errors=True)


def _holds(folder: Path, present: set[str], files: Mapping[str, bytes]) -> bool:
    """Whether a folder is made of these files already."""
    return present == set(files) and all(
        (folder / name).is_file() and (folder / name).read_bytes() == content
        for name, content in files.items()
    )


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While this lasts, no other writer puts anything of ours in place in a folder.

    The lock is on the folder itself, so that nothing stays behind. Where there are no such locks
    (Windows, some network disks) the last writer wins.
    """
    try:
        import fcntl

        handle = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        yield
        return
    try:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise InputError(
                        f"{folder} is locked by another process: wait for it, or name another"
                    ) from None
                time.sleep(0.01)
            except OSError:
                break
        yield
    finally:
        os.close(handle)
