"""Where the console script begins: nothing is imported before Ctrl-C is looked after."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["INTERRUPTED", "main"]

# 128 and the number of SIGINT, as shells have it.
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status; 130 if it was interrupted."""
    try:
        from kanhw.cli.command import run_command

        return run_command(arguments)
    except KeyboardInterrupt:
        print("kanhw: stopped", file=sys.stderr)
        return INTERRUPTED
