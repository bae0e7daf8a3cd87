"""Showing what is being done, on standard error."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

__all__ = ["Progress"]


class Progress:
    """Steps of a long job: a live line each in a terminal, a plain line each in a log.

    Parameters
    ----------
    quiet
        Show nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._live: Any = None
        self._console: Any = None

    def __enter__(self) -> Progress:
        if self._quiet:
            return self
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Live

        self._console = Console(stderr=True)
        if self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
            self._live = Live(*columns, console=self._console)
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
        if self._quiet:
            yield lambda: None
            return
        start = time.monotonic()
        if self._live is None:
            self._console.print(f"{name} ...", highlight=False)
            yield lambda: None
            seconds = time.monotonic() - start
            self._console.print(f"  done in {seconds:.1f} s", highlight=False)
            return
        task = self._live.add_task(name, total=of)
        yield lambda: self._live.advance(task)
        self._live.update(task, total=1, completed=1)
