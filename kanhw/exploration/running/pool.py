"""Who does jobs: what every pool of workers can do, and the one that is this process."""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import Protocol, Self

from kanhw.exploration.running.jobs import Job, perform
from kanhw.exploration.running.store import Store

__all__ = ["Done", "HerePool", "Pool"]


class Done:
    """A job that came to an end.

    Parameters
    ----------
    job
        Which.
    lost
        Why there is no result; empty where the store has one.
    """

    def __init__(self, job: Job, lost: str = "") -> None:
        self.job, self.lost = job, lost


class Pool(Protocol):
    """Workers. What a job gave is in the store before :meth:`wait` gives the job."""

    @property
    def slots(self) -> int:
        """How many jobs keep all workers busy."""

    def submit(self, job: Job) -> None:
        """Have a job done."""

    def wait(self, seconds: float | None = None) -> Done | None:
        """The next job that came to an end; None if none did within some seconds."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class HerePool:
    """The process that asks, job after job.

    Parameters
    ----------
    store
        Where results go.
    """

    slots = 1

    def __init__(self, store: Store) -> None:
        self._store = store
        self._jobs: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        """Put it behind the others."""
        self._jobs.append(job)

    def wait(self, seconds: float | None = None) -> Done | None:
        """Do the first job."""
        if not self._jobs:
            return None
        job = self._jobs.popleft()
        self._store.keep(perform(self._store.study, job, self._store.given(job)))
        return Done(job)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._jobs.clear()
