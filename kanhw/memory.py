"""Sizes that files claim, looked at before memory is taken for them."""

from __future__ import annotations

import os
import zipfile
from functools import cache
from pathlib import Path

from kanhw.errors import InputError

__all__ = ["check_archive", "check_size", "most_bytes"]

# Where the system does not tell.
_USUAL = 8 << 30


@cache
def most_bytes() -> int:
    """Bytes that one thing may take: half of what this process can have."""
    limits = [_USUAL]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    limits += _own_limits()
    return min(limits) // 2


def check_size(values: int, what: str) -> None:
    """See that so many 64-bit numbers fit into memory; called before they are made.

    Raises
    ------
    InputError
        If they do not.
    """
    _check(8 * values, what)


def check_archive(path: Path) -> None:
    """See that what is in a zip file fits into memory when it is unpacked; others pass.

    Raises
    ------
    InputError
        If it does not.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return  # whoever reads it says why it cannot be read
    _check(size, f"What {path} holds")


def _check(size: int, what: str) -> None:
    if size > most_bytes():
        raise InputError(
            f"{what} would take {_gib(size)} of memory, and half of what there is are "
            f"{_gib(most_bytes())}: give less at a time, or use a larger machine"
        )


def _gib(size: int) -> str:
    # A size may have more digits than a float has room for.
    return f"{size / 2**30:.3g} GiB" if size < 1 << 80 else "far too much"


def _own_limits() -> list[int]:
    """What ``ulimit -v`` and control groups leave to this process."""
    found = []
    try:
        import resource

        soft = resource.getrlimit(resource.RLIMIT_AS)[0]
        found += [] if soft == resource.RLIM_INFINITY else [soft]
    except ImportError:  # Windows
        pass
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            found.append(int((Path("/sys/fs/cgroup") / name).read_text()))
        except (OSError, ValueError):
            continue
    return found
