"""Processes on this machine; one that dies is replaced, and its job is told as lost."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from kanhw.exploration.running.jobs import Job
from kanhw.exploration.running.pool import Done
from kanhw.exploration.running.store import Store
from kanhw.exploration.running.worker import job_line
from kanhw.interruption import end_group

__all__ = ["LocalPool"]

# As many processes as processors: more threads each would only fight.
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)


class LocalPool:
    """Processes that do jobs.

    Parameters
    ----------
    store
        Where results go; the processes write them.
    count
        How many.
    """

    def __init__(self, store: Store, count: int) -> None:
        self._store, self._count = store, count
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Done] = queue.SimpleQueue()
        self._processes: list[subprocess.Popen[str]] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False

    @property
    def slots(self) -> int:
        """How many jobs keep all processes busy."""
        return self._count

    def submit(self, job: Job) -> None:
        """Have a job done by the first process that is free."""
        self._jobs.put(job)

    def wait(self, seconds: float | None = None) -> Done | None:
        """The next job that came to an end; None if none did within some seconds."""
        try:
            return self._done.get(timeout=seconds)
        except queue.Empty:
            return None

    def __enter__(self) -> Self:
        for _ in range(self._count):
            thread = threading.Thread(target=self._serve, daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._closed = True
            processes = list(self._processes)
        for _ in range(self._count):
            self._jobs.put(None)
        for process in processes:
            end_group(process)
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        """Hand jobs to a process, a job at a time, for as long as there are some."""
        process: subprocess.Popen[str] | None = None
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
            while (job := self._jobs.get()) is not None:
                if process is None:
                    process = self._start(said)
                    if process is None:
                        return
                if self._ask(process, job):
                    self._done.put(Done(job))
                    continue
                status = _left(process)
                process = None
                self._done.put(Done(job, f"the process that computed it {_end(status, said)}"))
            if process is not None:
                _left(process)

    def _start(self, said: IO[str]) -> subprocess.Popen[str] | None:
        root = str(Path(sys.modules["kanhw"].__path__[0]).parent)
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        with self._lock:
            if self._closed:
                return None
            process = subprocess.Popen(
                [sys.executable, "-m", "kanhw.exploration.running.worker", self._store.folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                encoding="utf-8",
                env={**_ONE_THREAD, **os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                # Ctrl-C is ours: we end them.
                start_new_session=True,
            )
            self._processes.append(process)
        return process

    def _ask(self, process: subprocess.Popen[str], job: Job) -> bool:
        """Whether a process did a job."""
        if process.stdin is None or process.stdout is None:
            return False
        with contextlib.suppress(OSError, ValueError):
            process.stdin.write(f"{job_line(job)}\n")
            process.stdin.flush()
            return process.stdout.readline().strip() == job.name
        return False


def _left(process: subprocess.Popen[str]) -> int:
    """How a process ended that ends, and its pipes closed."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    return process.wait()


def _end(status: int, said: IO[str]) -> str:
    """How a process ended, with the last line that it said."""
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-status).name}"
        return f"was ended by signal {-status}"
    said.seek(0)
    lines = said.read().split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "")
    return f"ended with status {status}{f' ({last.strip()})' if last else ''}"
