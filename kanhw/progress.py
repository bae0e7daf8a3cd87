"""Showing what is being done, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from kanhw.values import shown

__all__ = ["Progress", "terminal_progress"]


class Progress:
    """Steps of a long job: a live line each in a terminal, plain lines in a log.

    Parameters
    ----------
    quiet
        Show nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._live: Any = None

    def __enter__(self) -> Progress:
        # Not rich's opinion of what a terminal is: in a log that colours are forced on, its live
        # display would write every line again and again.
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Live

            console = Console(stderr=True)
            if not console.is_dumb_terminal:
                text = TextColumn("{task.description}", markup=False)
                self._live = Live(text, BarColumn(), TimeElapsedColumn(), console=console)
                self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    @contextmanager
    def step(self, name: str, of: int | None = None) -> Iterator[Callable[[], None]]:
        """Do one step; the function that it gives reports one of ``of`` parts as done."""
        name = shown(name)
        if self._live is not None:
            task = self._live.add_task(name, total=of)
            yield lambda: self._live.advance(task)
            self._live.update(task, total=1, completed=1)
            return
        start = time.monotonic()
        begun = False

        def begin() -> None:
            nonlocal begun
            if not begun:
                begun = True
                self._write(f"{name} ... ")

        if of is None:
            begin()
        try:
            # What is refused before its first part is done has not begun.
            yield begin
        except BaseException:
            self._write("stopped\n" if begun else "")
            raise
        begin()
        self._write(f"{time.monotonic() - start:.1f} s\n")

    def say(self, text: str) -> None:
        """Show a line between two steps."""
        text = shown(text)
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        if not self._quiet:
            sys.stderr.write(text)
            sys.stderr.flush()


def terminal_progress(*, quiet: bool = False) -> Progress:
    """Progress of a command that says nothing in a log: shown where somebody waits for it."""
    return Progress(quiet=quiet or not sys.stderr.isatty())
