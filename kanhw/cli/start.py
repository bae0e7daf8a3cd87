"""Where the console script begins: nothing is imported before signals are looked after."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence

from kanhw.interruption import end_children, orderly_end, received

__all__ = ["INTERRUPTED", "main"]

# 128 and the number of the signal, as shells have it; this one for SIGINT.
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status; 128 + n if signal n ended it (130 after Ctrl-C).

    Parameters
    ----------
    arguments
        The words behind ``kanhw``. None is those of this process, which is the console script's
        then: after a signal, whatever it has started is ended.
    """
    script = arguments is None
    with orderly_end(last=script):
        try:
            from kanhw.cli.command import run_command

            status = run_command(arguments)
            ended = received()
        except KeyboardInterrupt:
            ended = received()
            status = INTERRUPTED
            if script:
                end_children()
            # The terminal may be what is gone.
            with contextlib.suppress(OSError):
                print("kanhw: stopped", file=sys.stderr, flush=True)
    return status if ended is None else 128 + ended
