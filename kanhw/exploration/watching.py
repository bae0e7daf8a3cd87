"""What is shown while points are computed: how many, the front so far, and the time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kanhw.exploration.answers.front import front_of
from kanhw.exploration.answers.rated import Rated
from kanhw.exploration.study.objectives import Objective

__all__ = ["Watch"]

# In a log, a line after so many seconds at least.
_PAUSE = 10.0
# In a terminal; a front is found among all points each time.
_BLINK = 0.5


class Watch:
    """A progress bar in a terminal, lines in a log.

    Parameters
    ----------
    quiet
        Show nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._live: Any = None
        self._task: Any = None
        self._total = 0
        self._seen: dict[str, Rated] = {}
        self._objectives: Sequence[Objective] = ()
        self._began = self._told = 0.0

    @classmethod
    def silent(cls) -> Watch:
        """One that shows nothing."""
        return cls(quiet=True)

    @contextmanager
    def over(self, total: int, objectives: Sequence[Objective]) -> Iterator[None]:
        """Watch a run of so many points, compared by objectives."""
        self._total, self._objectives, self._seen = total, objectives, {}
        self._began = self._told = time.monotonic()
        self._open()
        try:
            yield
        finally:
            self._tell(last=True)
            if self._live is not None:
                self._live.stop()

    def point(self, rated: Rated) -> None:
        """A point is known."""
        self._seen[rated.point.name] = rated
        self._tell()

    def _open(self) -> None:
        if self._quiet or not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        if console.is_dumb_terminal:
            return
        self._live = Progress(
            BarColumn(bar_width=24),
            TextColumn("{task.completed}/{task.total}", markup=False),
            TextColumn("{task.description}", markup=False),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._live.add_task("", total=self._total)
        self._live.start()

    def _tell(self, *, last: bool = False) -> None:
        if self._quiet:
            return
        now = time.monotonic()
        if not last and now - self._told < (_PAUSE if self._live is None else _BLINK):
            return
        self._told = now
        if self._live is not None:
            self._live.update(self._task, completed=len(self._seen), description=self._front())
        else:
            sys.stderr.write(f"{len(self._seen)} of {self._total} points{self._left()}, ")
            sys.stderr.write(f"{self._front()}\n")
            sys.stderr.flush()

    def _left(self) -> str:
        done, taken = len(self._seen), time.monotonic() - self._began
        if not done or done >= self._total:
            return ""
        seconds = round(taken / done * (self._total - done))
        return f", about {seconds // 60}:{seconds % 60:02} left"

    def _front(self) -> str:
        """The front so far: how many points, and the ends of the first objective."""
        front = front_of(list(self._seen.values()), self._objectives)
        failed = sum(bool(each.point.error) for each in self._seen.values())
        text = f"{len(front)} on the front"
        if front:
            own = self._objectives[0]
            ends = [own.text(each.figures.get(own.name)) for each in (front[0], front[-1])]
            text += f", {own.name} {ends[0]} to {ends[1]}"
        return text + (f", {failed} failed" if failed else "")
