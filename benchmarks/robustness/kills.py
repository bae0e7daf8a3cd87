"""Signals at random moments of every command: nothing may be left but whole files.

Moments are counted in what a command takes of processors, so that they are spread over all that it
does, however busy the machine is.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.common.measuring import Table
from benchmarks.robustness.commands import COMMANDS, Command
from benchmarks.robustness.material import Material, made
from benchmarks.robustness.trials import snapshot
from benchmarks.robustness.watching import IDLE, seconds_of, slowness, wait_for
from kanhw.boards.built import load_built
from kanhw.design.backend_design import load_backend_design
from kanhw.design.design import load_design
from kanhw.errors import InputError
from kanhw.program import load_program

__all__ = ["Killed", "kill_once", "run_kills"]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MARK = "KANHW_KILL_TRIAL"
# Seconds of a processor in which a command must have come to its end after a signal.
PATIENCE = 30.0
# Those that an undisturbed command may take: the demo trains, simulates and synthesises.
LONGEST = 3600.0
# The demo takes as long as fifty others, and does what they do: it comes once in so many.
DEMO = 40
SCRIPT = "import sys; from kanhw.cli import main; sys.exit(main())"


# What reads a folder that holds a file of this name.
READS: dict[str, Callable[[Path], object]] = {
    "kan.v": load_design,
    "commands.txt": load_built,
    "kan.h": load_backend_design,
}


@dataclass(frozen=True)
class Killed:
    """What came of a signal: the exit status, and everything that is wrong."""

    status: int | None
    wrong: tuple[str, ...]


def run_kills(
    count: int, seed: int, scratch: Path
) -> tuple[dict[str, dict[str, int]], list[str]]:
    """So many signals, the commands in turn; by command how they ended, and what went wrong."""
    # Under nohup, or in the background of a script, all that is started would ignore some of them.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    folder = scratch / "kill-material"
    folder.mkdir()
    material = made(folder)
    rng = np.random.default_rng(seed)
    # Of an undisturbed run: how long it takes, and what libraries keep among temporary files.
    plain: dict[str, tuple[float, set[str]]] = {}
    found: dict[str, Counter[str]] = {name: Counter() for name in COMMANDS}
    wrong = []
    others = [name for name in COMMANDS if name != "demo"]
    for number in range(count):
        name = "demo" if number % DEMO == DEMO - 1 else others[number % len(others)]
        if name not in plain:
            plain[name] = _undisturbed(material, COMMANDS[name], scratch)
        chosen = SIGNALS[int(rng.integers(len(SIGNALS)))]
        moment = float(rng.uniform(0, plain[name][0]))
        kept = plain[name][1]
        killed = kill_once(material, COMMANDS[name], chosen, moment, scratch, kept)
        ended = "in time" if killed.status == 128 + chosen else "finished before"
        found[name]["wrong" if killed.wrong else ended] += 1
        if killed.wrong:
            wrong.append(f"{name}: {chosen.name} after {moment:.2f} s: {'; '.join(killed.wrong)}")
            print(wrong[-1], file=sys.stderr, flush=True)
        if not (number + 1) % 20:
            print(f"{number + 1} kills, {len(wrong)} wrong", file=sys.stderr, flush=True)
    ends = ("in time", "finished before", "wrong")
    table = Table(["command", "kills", *ends], [16])
    for name, counts in found.items():
        table.add(name, counts.total(), *(counts[end] for end in ends))
    return {name: dict(counts) for name, counts in found.items()}, wrong


def _start(
    material: Material, command: Command, scratch: Path
) -> tuple[subprocess.Popen[bytes], Path]:
    """A command as from a terminal, in folders of its own for work, temporary files, cache."""
    place = scratch / "kill"
    shutil.rmtree(place, ignore_errors=True)
    for name in ("tmp", "cache"):
        (place / name).mkdir(parents=True)
    shutil.copytree(material.folder, place / "work")
    environment = {
        **os.environ,
        MARK: str(place),
        "TMPDIR": str(place / "tmp"),
        "KANHW_CACHE": str(place / "cache"),
    }
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", SCRIPT, *command.words],
            cwd=place / "work", env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    return process, place


def _undisturbed(
    material: Material, command: Command, scratch: Path
) -> tuple[float, set[str]]:
    """Processor seconds of a command, and what libraries leave among temporary files."""
    process, place = _start(material, command, scratch)
    before = os.times()
    if not wait_for(process.pid, lambda: process.poll() is not None, LONGEST):
        process.kill()
    status = process.wait()
    after = os.times()
    if status not in (0, 1):
        raise RuntimeError(f"{command.words}: {(place / 'log').read_text()[-500:]}")
    kept = {path.name for path in (place / "tmp").iterdir() if not path.name.startswith("kanhw-")}
    spent = after.children_user + after.children_system
    return spent - before.children_user - before.children_system, kept


def kill_once(
    material: Material,
    command: Command,
    number: signal.Signals,
    moment: float,
    scratch: Path,
    kept: Collection[str] = (),
) -> Killed:
    """Start a command, send a signal when it has taken so much of processors, and look around.

    No signal comes before the command looks after signals.
    """
    process, place = _start(material, command, scratch)
    before = snapshot(place / "work")
    _await_handlers(process)
    while process.poll() is None and seconds_of(process.pid) < moment:
        time.sleep(0.02)
    if process.poll() is None:
        process.send_signal(number)
    wrong = []
    status: int | None = None
    if wait_for(process.pid, lambda: process.poll() is not None, PATIENCE):
        status = process.returncode
    else:
        wrong.append(f"still there after {PATIENCE:g} s of a processor, or idle for {IDLE:g} s")
        process.kill()
        process.wait()
    text = (place / "log").read_text(errors="replace")
    # A signal while Python itself ends, after kanhw has, is the system's own end of a process.
    if status not in (None, 0, 1, 128 + number, -number):
        wrong.append(f"exit status {status}")
    if "Traceback" in text:
        wrong.append(f"a traceback: {text.strip()[-300:]!r}")
    wrong += [f"process {each} is left" for each in _left_processes(place)]
    for name in ("tmp", "cache"):
        hidden = [
            path for path in snapshot(place / name)
            if (name == "tmp" and Path(path).parts[0] not in kept)
            or any(part.startswith(".") for part in Path(path).parts)
        ]  # fmt: skip
        wrong += [f"{name}/{path} is left" for path in hidden[:3]]
    new = {path for path, what in snapshot(place / "work").items() if before.get(path) != what}
    wrong += _half_written(place / "work", command, new)
    return Killed(status, tuple(wrong))


def _await_handlers(process: subprocess.Popen[bytes]) -> None:
    """Until SIGTERM is caught: what comes before is Python's start, and nothing is made yet."""
    deadline = time.monotonic() + IDLE
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError, IndexError):
            status = Path(f"/proc/{process.pid}/status").read_text()
            caught = int(status.partition("SigCgt:")[2].split()[0], 16)
            if caught >> (signal.SIGTERM - 1) & 1:
                return
        time.sleep(0.005)


def _left_processes(place: Path) -> list[str]:
    """Processes with our mark, which all that a trial starts inherits; they have a moment to go."""
    mark = f"{MARK}={place}".encode()
    deadline = time.monotonic() + 3 * slowness()
    while True:
        left = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark not in (entry / "environ").read_bytes().split(b"\0"):
                    continue
                if (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                    words = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                    left.append(f"{entry.name} ({words.decode(errors='replace')[:60]})")
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


def _half_written(work: Path, command: Command, new: set[str]) -> list[str]:
    wrong = []
    for path in sorted(new):
        first = Path(path).parts[0]
        if first not in command.makes:
            wrong.append(f"{path} is left")
        elif ".kanhw-" in path:
            wrong.append(f"{path} is half a file")
        elif not _is_whole(work / path):
            wrong.append(f"{path} is not whole")
    return wrong


def _is_whole(path: Path) -> bool:
    """Whether a file or folder that a command made can be read to its end."""
    try:
        if path.is_dir():
            reads = next((READS[n] for n in READS if (path / n).exists()), None)
            return reads is None or bool(reads(path))
        if path.suffix == ".json":
            return bool(json.loads(path.read_text()))
        if path.suffix == ".npz":
            with np.load(path) as arrays:
                return all(arrays[name] is not None for name in arrays.files)
        if path.suffix == ".safetensors":
            return bool(load_program(path))
        if path.suffix == ".html":
            return path.read_text().rstrip().endswith("</html>")
        return path.stat().st_size > 0
    except (InputError, ValueError, OSError):
        return False
