"""A cache of what took long to build, found again by the content that it was built from."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from kanhw.interruption import temporary_folder

__all__ = ["VARIABLE", "Cache", "user_cache"]

VARIABLE = "KANHW_CACHE"
"""The environment variable with the folder of all caches; empty: nothing is kept."""

_GIB = 2**30


@dataclass(frozen=True)
class Cache:
    """A folder of files and folders, each under a key made of all that went into it.

    Several processes may use it at once: an entry appears whole, and the first of two equal ones
    stays.

    Parameters
    ----------
    folder
        Made where it is missing.
    limit
        Bytes in all; the entries that were not used for longest are removed beyond it.
    """

    folder: Path
    limit: int = _GIB

    def find(self, key: str) -> Path | None:
        """Give the entry of a key, marked as used, or None."""
        path = self.folder / key
        try:
            os.utime(path)
        except OSError:
            return None
        return path

    def keep(self, key: str, built: Path) -> Path:
        """Take a file or folder in, and give its new place; ``built`` may be on another disk.

        What cannot be kept, because the folder is full or not writable, is used where it is:
        ``built`` is given back.
        """
        try:
            return self._keep(key, built)
        except OSError:
            return built

    def _keep(self, key: str, built: Path) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        place = self.folder / key
        with temporary_folder(".", self.folder) as temporary:
            copy = temporary / key
            if built.is_dir():
                shutil.copytree(built, copy)
            else:
                shutil.copy2(built, copy)
            # A folder does not take the place of one that another process brought first.
            with contextlib.suppress(OSError):
                copy.replace(place)
        if not place.exists():
            raise OSError(f"{place} could not be written")
        os.utime(place)
        self.trim(place)
        return place

    def trim(self, newest: Path | None = None) -> None:
        """Remove the entries that were not used for longest, until the rest is within the limit.

        Parameters
        ----------
        newest
            An entry that stays, however large it is.
        """
        entries = []
        for path in self.folder.iterdir():
            # What another process is writing, or has removed meanwhile, is not ours to count.
            if not path.name.startswith("."):
                with contextlib.suppress(OSError):
                    entries.append((path.stat().st_mtime_ns, _size(path), path))
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total <= self.limit:
                return
            if path != newest:
                _remove(path)
                total -= size


def user_cache(name: str) -> Cache | None:
    """Give the user's cache of one kind of thing.

    Parameters
    ----------
    name
        Of its folder in ``$KANHW_CACHE``, else in ``$XDG_CACHE_HOME/kanhw`` or ``~/.cache/kanhw``.

    Returns
    -------
    Cache or None
        None where ``$KANHW_CACHE`` is empty, and where no such folder can be written: whatever is
        built is built each time then.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen == "":
        return None
    try:
        base = Path(chosen) if chosen else _default_folder()
        folder = base.absolute() / name
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home
        return None
    return Cache(folder) if os.access(folder, os.W_OK) else None


def _default_folder() -> Path:
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The standard asks for relative ones to be ignored.
    return (given if given.is_absolute() else Path.home() / ".cache") / "kanhw"


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
