"""A trial: one command in a process and a folder of its own, with limits; and how it ended."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.robustness.watching import wait_for

__all__ = ["BAD", "VERDICTS", "Outcome", "Trial", "attempt", "snapshot", "verdict_of"]

# Seconds of a processor, and bytes beyond what this process has already, that a trial may take.
SECONDS, MEMORY = 60.0, 6 << 30
# What a refusal's one line may have.
LONGEST = 4200

VERDICTS = ("accepted", "refused", "traceback", "hang", "unclean", "leftover", "wrong")
BAD = VERDICTS[2:]


@dataclass(frozen=True)
class Trial:
    """One command with something hostile about it.

    Parameters
    ----------
    group
        The class of cases that it belongs to.
    name
        Which one it is, to be told if it goes wrong.
    words
        The command's arguments; its working directory is the trial's folder.
    prepare
        Makes the files that it reads, in the trial's folder.
    makes
        The files and folders that it may leave behind, if it succeeds.
    must_refuse
        Whether success would be wrong.
    user
        The number of another user that it runs as, where this one may do so; None is this one.
    """

    group: str
    name: str
    words: Sequence[str]
    prepare: Callable[[Path], object] = lambda folder: None
    makes: tuple[str, ...] = ("out", "out.html", "out.json")
    must_refuse: bool = False
    user: int | None = None


@dataclass(frozen=True)
class Outcome:
    """How a trial ended: one of ``VERDICTS``, and what it said or left."""

    verdict: str
    text: str


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file, link and folder below a folder, with its size and time."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        is_folder = path.is_dir() and not path.is_symlink()
        found[str(path.relative_to(folder))] = (
            (0, 0) if is_folder else (status.st_size, status.st_mtime_ns)
        )
    return found


def attempt(trial: Trial, scratch: Path) -> Outcome:
    """Run a trial in a forked process, so that kanhw is imported once for all of them."""
    folder, temporary, cache = (scratch / name for name in ("work", "tmp", "cache"))
    for place in (folder, temporary, cache):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
    log = scratch / "log"
    try:
        trial.prepare(folder)
    except Exception as error:
        raise RuntimeError(f"{trial.group}: {trial.name} cannot be prepared: {error!r}") from error
    before = snapshot(folder)
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        _child(trial, folder, temporary, cache, log)
    status = _wait(pid)
    text = log.read_text(encoding="utf-8", errors="surrogateescape") if log.exists() else ""
    new = {name for name, what in snapshot(folder).items() if before.get(name) != what}
    return Outcome(verdict_of(trial, status, text, new, snapshot(temporary)), text)


def verdict_of(
    trial: Trial, status: int | None, text: str, new: set[str], temporary: object
) -> str:
    """What an exit status (None: it was ended), its messages and what it left mean."""
    if status is None:
        return "hang"
    if status < 0 or status not in (0, 1, 2) or "Traceback" in text:
        return "traceback"
    if temporary or any(".kanhw-" in name for name in new):
        return "leftover"
    if status == 2:
        lines = [line for line in text.splitlines() if line]
        # The last resort, for values that nobody looked at.
        clean = "look at the values that you gave" not in text
        clean &= len(lines) == 1 and lines[0].isprintable() and len(lines[0]) <= LONGEST
        return "unclean" if new or not clean else "refused"
    made = {name for name in new if name.split("/")[0] not in trial.makes}
    if made:
        return "leftover"
    return "wrong" if trial.must_refuse else "accepted"


def _child(trial: Trial, folder: Path, temporary: Path, cache: Path, log: Path) -> None:
    """The command, whose standard error goes to the log; never comes back."""
    status = 70
    try:
        os.setsid()
        os.chdir(folder)
        os.environ |= {"TMPDIR": str(temporary), "KANHW_CACHE": str(cache)}
        import tempfile

        tempfile.tempdir = None
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        null = os.open(os.devnull, os.O_RDWR)
        for target, source in ((0, null), (1, null), (2, handle)):
            os.dup2(source, target)
        if trial.user is not None:
            temporary.chmod(0o777)
            os.setgid(trial.user)
            os.setuid(trial.user)
        own = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (own + MEMORY, own + MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        sys.stdout = open(1, "w", closefd=False, encoding="utf-8")
        sys.stderr = open(2, "w", closefd=False, encoding="utf-8")
        from kanhw.cli import main

        status = main(list(trial.words))
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 70
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _wait(pid: int) -> int | None:
    """The exit status of a child, minus its signal; None if it had to be ended."""
    ends: list[int] = []

    def ended() -> bool:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            ends.append(os.waitstatus_to_exitcode(status))
        return bool(done)

    if not wait_for(pid, ended, SECONDS):
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return ends[0] if ends else None
