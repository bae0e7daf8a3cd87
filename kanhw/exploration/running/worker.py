"""A process that does jobs: one line of JSON in, one line out, results into the folder.

It ends when its standard input does, whatever became of the process that started it.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path

from kanhw.entries import Entry, parse_json
from kanhw.exploration.running.jobs import Job, perform
from kanhw.exploration.running.store import Store, load_store
from kanhw.exploration.space.configuration import Configuration
from kanhw.interruption import Interrupted, orderly_end

__all__ = ["job_line", "main"]


def job_line(job: Job) -> str:
    """A job as one line."""
    return json.dumps(
        {"name": job.name, "configuration": job.configuration.to_json(), "stage": job.stage}
    )


def _job(line: str) -> Job:
    entry = Entry(parse_json(line, "a job"), "a job")
    return Job(
        entry.text("name"),
        Configuration.from_json(entry.child("configuration")),
        entry.text("stage"),
    )


def serve(store: Store) -> None:
    """Do jobs until there are no more."""
    # What libraries print must not be taken for an answer.
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        for number, line in enumerate(sys.stdin):
            job = _job(line)
            store.keep(perform(store.study, job, store.given(job)))
            answers.write(f"{job.name}\n")
            answers.flush()
            if number <= 1:
                # What hardware leaves behind is collected after each model of it. Modules, which a
                # stage and a point have imported by now, are not among that, and looking through
                # them would take most of the time.
                gc.collect()
                gc.freeze()


def main() -> None:
    """The process."""
    with orderly_end(last=True):
        try:
            serve(load_store(Path(sys.argv[1])))
        except (Interrupted, BrokenPipeError):
            sys.exit(1)


if __name__ == "__main__":
    main()
