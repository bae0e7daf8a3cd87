"""Running the programs that build and simulate, with their output captured."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from kanhw.errors import ToolFailed
from kanhw.interruption import end_group

__all__ = ["last_lines", "run_tool"]


def last_lines(text: str, count: int = 20) -> str:
    """Give the last ``count`` lines of a log that are not empty."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return "\n".join(lines[-count:])


def run_tool(
    command: Sequence[str | Path],
    what: str,
    *,
    environment: Mapping[str, str],
    folder: Path,
    timeout: float,
) -> str:
    """Run ``command`` in ``folder`` and hand back what it wrote.

    Parameters
    ----------
    command
        Program and arguments.
    what
        What it does, for the message of an error ("Verilator").
    environment
        All of its environment variables.
    folder
        Where it runs, and puts its temporary files.
    timeout
        Seconds after which it and everything that it started are ended.

    Raises
    ------
    ToolFailed
        If it cannot start, ends with an error or takes longer; quotes its last lines.
    """
    try:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            # What compilers leave behind when they are ended goes with the folder.
            env={**environment, "TMPDIR": str(folder)},
            cwd=folder,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise ToolFailed(f"{what} could not be started: {error}") from error
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as error:
        end_group(process)
        output, _ = process.communicate()
        raise ToolFailed(
            f"{what} was ended after {timeout:g} s (allow it more with timeout=); its last lines:\n"
            f"{last_lines(output)}"
        ) from error
    except BaseException:
        end_group(process)
        process.communicate()
        raise
    if process.returncode:
        raise ToolFailed(
            f"{what} failed with exit status {process.returncode}; its last lines:\n"
            f"{last_lines(output)}"
        )
    return output
