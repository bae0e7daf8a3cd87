"""The command line: ``kanhw COMMAND``, from ``demo`` and ``quantize`` to ``report``.

Exit status: 0 if all went well, 1 if a comparison was made and failed, 2 for bad input or a missing
tool (one line says what and how to mend it), 3 for a bug in kanhw, 128 + n after signal n
(130 after Ctrl-C).
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from kanhw import __version__
from kanhw.cli import (
    allocate,
    demo,
    generate,
    quantize,
    report,
    sensitivity,
    simulate,
    train,
)
from kanhw.cli.boards import build, catalogue, fits, load, run
from kanhw.cli.common import Parser
from kanhw.cli.estimates import estimate
from kanhw.cli.exploring import explore
from kanhw.errors import InputError, ToolFailed, ToolNotFound, TrainingDiverged
from kanhw.interruption import Interrupted, received
from kanhw.values import in_one_line

__all__ = ["run_command"]

_COMMANDS = (
    demo,
    quantize,
    train,
    sensitivity,
    allocate,
    explore,
    generate,
    simulate,
    estimate,
    report,
    catalogue,
    fits,
    build,
    load,
    run,
)


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status.

    Raises
    ------
    KeyboardInterrupt
        If it was interrupted; :func:`kanhw.cli.main` makes a status of that.
    """
    for stream in (sys.stdout, sys.stderr):
        # A name that a terminal cannot show is no reason to fail once everything is written.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parser = _parser()
    words = sys.argv[1:] if arguments is None else list(arguments)
    for word in words:
        # argparse takes such a value for its own sign, and gives a list in its place.
        if word.startswith("--") and word.endswith("=--"):
            parser.error(f"{word}: -- is no value")
    options, unknown = parser.parse_known_args(words)
    if unknown:
        options.parser.refuse(unknown)
    try:
        status: int = options.run(options)
        return status
    except Exception as error:
        # Libraries make other errors of a signal that comes while they are imported.
        number = received()
        if number is not None:
            raise Interrupted(number) from error
        return _status_of(error)


def _status_of(error: Exception) -> int:
    """Say what went wrong, and give the exit status of that."""
    match error:
        case InputError() | ToolNotFound() | ToolFailed() | TrainingDiverged():
            return _complain(f"{error}")
        case BrokenPipeError():
            return _reader_gone()
        case OSError():
            name = error.filename or "A file"
            reason = error.strerror or error
            return _complain(f"{name}: {reason}; check its path and your permissions")
        case MemoryError():
            return _complain("There is not enough memory for that: give less data at a time")
        case RecursionError():
            return _complain("What was given is nested deeper than Python can follow: flatten it")
        case ValueError():
            return _complain(f"{error} ({_where(error)}): look at the values that you gave")
    traceback.print_exception(error)
    print("kanhw: this is a bug in kanhw; please report the lines above", file=sys.stderr)
    return 3


def _where(error: Exception) -> str:
    """The place in kanhw that a library's error came through, for a report of it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "kanhw" in Path(frame.filename).parts]
    last = (own or frames)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


def _reader_gone() -> int:
    """Standard output was closed by whoever read it (``| head``): there is nobody to tell."""
    # What is still to be written must not fail at exit.
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + getattr(signal, "SIGPIPE", 13)


def _complain(message: str) -> int:
    print(f"kanhw: error: {in_one_line(message)}", file=sys.stderr)
    return 2


def _parser() -> Parser:
    parser = Parser(
        prog="kanhw",
        description="Trained Kolmogorov-Arnold Networks on FPGAs: quantize, generate Verilog, "
        "simulate it bit for bit, estimate what it takes.",
        epilog="'kanhw COMMAND --help' shows an example of each. Start with 'kanhw demo'.",
    )
    parser.add_argument("--version", action="version", version=f"kanhw {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_parser(commands)
    return parser
