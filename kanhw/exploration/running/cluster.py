"""Workers of a dask scheduler. They need no disk in common with us: what they give is written here.

A job whose worker dies is given to another by the scheduler itself.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from kanhw.errors import InputError, ToolNotFound
from kanhw.exploration.running.jobs import Job, Outcome, perform
from kanhw.exploration.running.pool import Done
from kanhw.exploration.running.store import Store
from kanhw.exploration.study.point import Stage
from kanhw.exploration.study.study import Study
from kanhw.program import Program

__all__ = ["DaskPool"]

PATIENCE = "10s"
"""How long a scheduler has to answer."""
# Jobs that are with the scheduler beyond those being done, so that no worker waits for us.
_AHEAD = 2


class DaskPool:
    """A cluster that does jobs.

    Parameters
    ----------
    store
        Where results go.
    address
        Of the scheduler, as ``tcp://host:8786``.

    Raises
    ------
    InputError
        If there is no scheduler.
    ToolNotFound
        If dask is not installed.
    """

    def __init__(self, store: Store, address: str) -> None:
        self._dask, self._store = _distributed(), store
        try:
            self._client = self._dask.Client(address, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            raise InputError(
                f"There is no dask scheduler at {address!r} ({error}): start one with "
                "'dask scheduler', and name its address, as in tcp://host:8786"
            ) from error
        self._ended: Any = None
        self._study: Any = None
        self._jobs: dict[str, Job] = {}

    @property
    def slots(self) -> int:
        """How many jobs keep all workers busy; workers may come and go."""
        threads: int = sum(self._client.nthreads().values())
        return max(1, threads) + _AHEAD

    def submit(self, job: Job) -> None:
        """Hand a job to the scheduler."""
        given = self._store.given(job)
        own = self._store.study.identity
        future = self._client.submit(_work, self._study, own, job, given, pure=False)
        self._jobs[future.key] = job
        self._ended.add(future)

    def wait(self, seconds: float | None = None) -> Done | None:
        """The next job that came to an end, its result written; None if none did in the time."""
        deadline = time.monotonic() + (seconds or 0.0)
        while self._ended.queue.empty():
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.01)
        future = next(self._ended)
        job = self._jobs.pop(future.key)
        if future.status == "finished":
            self._store.keep(future.result())
            return Done(job)
        error = future.exception()
        if isinstance(error, InputError):
            raise error
        return Done(job, f"its worker was lost ({type(error).__name__})")

    def __enter__(self) -> Self:
        study = self._store.study
        parts = (study.model, dict(study.calibration), dict(study.held_out), study.argmax)
        # A task, since what is scattered is lost with the workers that hold it.
        self._study = self._client.submit(_parts, parts, pure=False)
        self._ended = self._dask.as_completed(loop=self._client.loop)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()


def _distributed() -> Any:
    """The package, of which little has types."""
    try:
        import distributed
    except ImportError as error:
        raise ToolNotFound(
            "A cluster needs dask.distributed: pip install 'kanhw[cluster]'"
        ) from error
    return distributed


def _parts(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    return parts


def _work(
    parts: tuple[Any, ...], identity: dict[str, Any], job: Job, given: tuple[Stage, Program] | None
) -> Outcome:
    """Do a job on a worker."""
    study = Study(*parts)
    if study.identity != identity:
        raise InputError(
            "A worker of the cluster has another version of kanhw, so its figures may differ: "
            "install the same everywhere"
        )
    return perform(study, job, given)
