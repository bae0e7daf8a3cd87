"""Running a tool to its end: its log kept in a file, ended with its children when it takes long."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from kanhw.errors import ToolFailed
from kanhw.interruption import end_group

__all__ = ["error_line", "named_command", "run_logged"]


def named_command(text: str) -> tuple[str, ...] | None:
    """The words of a command that a user named, with its program as an absolute path.

    Parameters
    ----------
    text
        A path, or a command with arguments; its program is looked for on PATH and beside Python.

    Returns
    -------
    tuple of str, or None
        None if there is no such program.
    """
    try:
        words = [text] if Path(text).is_file() else shlex.split(text)
    except ValueError:  # a quotation mark without its partner
        return None
    # The scripts of a virtual environment that is not activated lie beside its Python.
    beside_python = str(Path(sys.executable).parent)
    program = shutil.which(words[0]) or shutil.which(words[0], path=beside_python)
    return None if program is None else (str(Path(program).absolute()), *words[1:])


def run_logged(
    name: str,
    command: Sequence[str],
    log_path: Path,
    *,
    timeout: float,
    stop: threading.Event | None = None,
) -> tuple[int, str]:
    """Run a command in the folder of its log.

    Parameters
    ----------
    name
        What messages call the tool.
    command
        Its words.
    log_path
        Where standard output and error go; the folder exists and becomes the working directory.
    timeout
        Seconds after which it is ended.
    stop
        Ends it when another thread sets it.

    Returns
    -------
    int
        Exit status.
    str
        The log.

    Raises
    ------
    ToolFailed
        If it exceeds the timeout or was stopped.
    """
    # A file, not a pipe: logs reach tens of megabytes, and survive a run that is ended.
    with (
        log_path.open("wb") as log_file,
        subprocess.Popen(
            command,
            cwd=log_path.parent,
            # What a tool leaves behind when it is ended goes with the folder.
            env={**os.environ, "TMPDIR": str(log_path.parent)},
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            status = _wait(process, name, timeout, stop)
        except BaseException:
            end_group(process)
            raise
    return status, log_path.read_text(encoding="utf-8", errors="replace")


def error_line(log: str, status: int) -> str:
    """One line for a failed run: its error message, else the end of its log."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for line in reversed(lines):
        if re.match(r"(\S+:\d[\d.\-]*: )?ERROR: ", line):
            return line
    ending = " / ".join(lines[-3:]) or "its log is empty"
    return f"exit status {status}, with the last lines: {ending}"


def _wait(
    process: subprocess.Popen[bytes],
    name: str,
    timeout: float,
    stop: threading.Event | None,
) -> int:
    """The exit status of a process, unless it takes too long or is no longer wanted."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return process.wait(max(0.0, min(0.2, deadline - time.monotonic())))
        except subprocess.TimeoutExpired:
            if stop is not None and stop.is_set():
                raise ToolFailed(f"{name} was stopped") from None
            if time.monotonic() >= deadline:
                raise ToolFailed(
                    f"{name} did not finish within {timeout:g} s: allow it more time "
                    "or make the design smaller"
                ) from None
