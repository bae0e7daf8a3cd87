"""Waiting for processes by what they take of a processor, so that a busy machine makes no hangs."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["IDLE", "family", "seconds_of", "slowness", "wait_for"]

_TICKS = os.sysconf("SC_CLK_TCK")
# Seconds in which a process that has anything to do takes a hundredth of one of some processor,
# however many others want it.
IDLE = 120.0


def family(pid: int) -> list[int]:
    """A process, and all that it and these in turn have started and that are there still."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def seconds_of(pid: int) -> float:
    """Processor seconds of a process's family, and of those of it that have ended."""
    total = 0
    for one in family(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            # Its own time by users and system, and that of children that it has waited for.
            total += sum(map(int, fields[11:15]))
    return total / _TICKS


def wait_for(pid: int, ended: Callable[[], bool], seconds: float) -> bool:
    """Whether a process ended by itself.

    Parameters
    ----------
    pid
        Whose family is watched.
    ended
        Whether it has.
    seconds
        Of a processor that the family may take from now on. It may also be idle for ``IDLE``.
    """
    began = moved = time.monotonic()
    first = last = None
    pause = 0.002
    while not ended():
        now = time.monotonic()
        # Most end in no time, and are not looked at.
        if now - began > 1:
            used = seconds_of(pid)
            first = used if first is None else first
            if used != last:
                moved, last = now, used
            if used - first > seconds or now - moved > IDLE:
                return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
    return True


def slowness() -> float:
    """How many seconds pass while this process takes one of a processor, at least 1; measured."""
    began, used = time.monotonic(), time.process_time()
    while time.process_time() - used < 0.02:
        pass
    return max((time.monotonic() - began) / (time.process_time() - used), 1.0)
