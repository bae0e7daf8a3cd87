"""The command line: ``kanhw COMMAND``, from ``demo`` and ``quantize`` to ``report``.

Exit status: 0 if all went well, 1 if a comparison was made and failed, 2 for bad input or a missing
tool (one line says what and how to mend it), 3 for a bug in kanhw, 128 + n after signal n (130 after
Ctrl-C).
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

from kanhw import __version__
from kanhw.cli import (
    allocate,
    demo,
    estimate,
    generate,
    quantize,
    report,
    sensitivity,
    simulate,
    train,
)
from kanhw.cli.common import Parser
from kanhw.errors import InputError, ToolFailed, ToolNotFound, TrainingDiverged
from kanhw.interruption import Interrupted, received

__all__ = ["run_command"]

_COMMANDS = (
    demo,
    quantize,
    train,
    sensitivity,
    allocate,
    generate,
    simulate,
    estimate,
    report,
)


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status.

    Raises
    ------
    KeyboardInterrupt
        If it was interrupted; :func:`kanhw.cli.main` makes a status of that.
    """
    options = _parser().parse_args(arguments)
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
    try:
        raise error
    except (InputError, ToolNotFound, ToolFailed, TrainingDiverged) as error:
        return _complain(f"{error}")
    except OSError as error:
        name = error.filename or "A file"
        return _complain(f"{name}: {error.strerror or error}; check its path and your permissions")
    except Exception:
        traceback.print_exc()
        print("kanhw: this is a bug in kanhw; please report the lines above", file=sys.stderr)
        return 3


def _complain(message: str) -> int:
    line = " ".join(message.split())
    print(f"kanhw: error: {line}", file=sys.stderr)
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
