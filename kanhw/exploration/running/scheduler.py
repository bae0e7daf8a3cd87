"""Points computed: stages before the points that share them, nothing twice, whoever works."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

from kanhw.exploration.running.jobs import Job, Outcome, failed
from kanhw.exploration.running.pool import Done, Pool
from kanhw.exploration.running.store import Store
from kanhw.exploration.space.configuration import Configuration
from kanhw.exploration.study.point import Point

__all__ = ["Scheduler"]

# How often a job is begun whose workers die.
_ATTEMPTS = 3
# Seconds between two looks at what another run computes.
_PAUSE = 0.2


class Scheduler:
    """Gives jobs to a pool until points are known.

    Parameters
    ----------
    store
        What is known already, and where the rest goes.
    pool
        Who works.
    on_point
        Called with every point as soon as it is known, those known before among them.
    """

    def __init__(self, store: Store, pool: Pool, on_point: Callable[[Point], None]) -> None:
        self._store, self._pool, self._on_point = store, pool, on_point
        self._ready: deque[Job] = deque()
        self._waiting: dict[str, list[Job]] = {}  # points by the stage that they wait for
        self._running: dict[str, Job] = {}
        self._attempts: dict[str, int] = {}
        self._lost: dict[str, Point] = {}  # what no worker lived to compute
        self.computed = 0

    def evaluate(self, configurations: Sequence[Configuration]) -> list[Point]:
        """The points of some configurations, in their order."""
        jobs = [self._job(each) for each in configurations]
        for job in {job.name: job for job in jobs}.values():
            known = self._store.point(job.name)
            if known is not None:
                self._on_point(known)
            else:
                self._want(job)
        while self._ready or self._running:
            self._begin()
            self._end(self._pool.wait(_PAUSE))
        return [self._known(job) for job in jobs]

    def _known(self, job: Job) -> Point:
        found = self._lost.get(job.name) or self._store.point(job.name)
        if found is None:
            raise RuntimeError(f"The point {job.name} was computed and is gone from the folder")
        return found

    def _job(self, configuration: Configuration) -> Job:
        stage = self._store.stage_name(configuration.stage)
        return Job(self._store.point_name(configuration.to_json()), configuration, stage)

    def _want(self, job: Job) -> None:
        """Put a point in line, behind its stage where that is not there yet."""
        stage = self._store.stage(job.stage)
        if stage is None:
            if job.stage not in self._waiting:
                self._waiting[job.stage] = []
                self._ready.append(Job(job.stage, job.configuration))
            self._waiting[job.stage].append(job)
        elif stage.error:
            self._give_up(job, stage.error)
        else:
            self._ready.append(job)

    def _begin(self) -> None:
        """Keep the workers busy; what another run computes is left for later."""
        elsewhere = []
        while self._ready and len(self._running) < self._pool.slots:
            job = self._ready.popleft()
            if self._is_there(job):
                self._finish(job)
            elif self._store.claim(job.name):
                # It may have come between the look and the claim.
                if self._is_there(job):
                    self._store.release(job.name)
                    self._finish(job)
                    continue
                self._running[job.name] = job
                self._pool.submit(job)
            else:
                elsewhere.append(job)
        self._ready.extend(elsewhere)
        if elsewhere and not self._running:
            time.sleep(_PAUSE)

    def _is_there(self, job: Job) -> bool:
        found = self._store.point(job.name) if job.stage else self._store.stage(job.name)
        return found is not None

    def _end(self, done: Done | None) -> None:
        if done is None:
            return
        job = self._running.pop(done.job.name)
        self._store.release(job.name)
        if not done.lost:
            self.computed += 1
            self._finish(job)
            return
        self._attempts[job.name] = self._attempts.get(job.name, 0) + 1
        if self._attempts[job.name] < _ATTEMPTS:
            self._ready.append(job)
            return
        # Not kept: another machine, or another day, may have the memory for it.
        line = f"{done.lost}, {_ATTEMPTS} times: is there enough memory?"
        for point in self._waiting.pop(job.name, []) if not job.stage else [job]:
            self._lose(point, line)

    def _finish(self, job: Job) -> None:
        """Go on from what the store has now."""
        if job.stage:
            point = self._store.point(job.name)
            if point is not None:
                self._on_point(point)
            return
        # Points go first, so that there is something to look at early.
        for point_job in reversed(self._waiting.pop(job.name, [])):
            stage = self._store.stage(job.name)
            if stage is not None and stage.error:
                self._give_up(point_job, stage.error)
            else:
                self._ready.appendleft(point_job)

    def _give_up(self, job: Job, error: str) -> None:
        """Record a point without a Program."""
        record = failed(job, error)
        self._store.keep(Outcome(record))
        self._tell(record)

    def _lose(self, job: Job, error: str) -> None:
        record = failed(job, error)
        if isinstance(record, Point):
            self._lost[job.name] = record
        self._tell(record)

    def _tell(self, record: object) -> None:
        if isinstance(record, Point):
            self._on_point(record)


