"""What the commands share: parsers with an example, JSON on request, options for importers."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from kanhw.errors import InputError

if TYPE_CHECKING:
    from kanhw.model.network import KanModel
    from kanhw.program import Program

__all__ = [
    "Commands",
    "Parser",
    "add_command",
    "add_model",
    "add_option",
    "given_options",
    "load_given",
    "show",
]

Commands = Any  # argparse keeps the type of its sub-parsers to itself


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is; exit with status 2."""
        self.exit(2, f"{self.prog}: error: {message} (see '{self.prog} --help')\n")


def add_command(
    commands: Commands,
    name: str,
    summary: str,
    example: str,
    run: Callable[[argparse.Namespace], int],
) -> Parser:
    """A sub-command with an example in its help, and ``--json``."""
    parser: Parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, for scripts")
    parser.set_defaults(run=run)
    return parser


def add_model(parser: argparse.ArgumentParser, help: str) -> None:
    """The MODEL argument, and ``--option``."""
    parser.add_argument("model", metavar="MODEL", help=help)
    add_option(parser)


def add_option(parser: argparse.ArgumentParser) -> None:
    """``--option NAME=VALUE`` for what a model's file does not hold."""
    parser.add_argument(
        "--option",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="what the checkpoint does not say, such as base_activation=gelu or layers=net.kan",
    )


def load_given(options: argparse.Namespace) -> KanModel | Program:
    """The network of a command's MODEL argument."""
    from kanhw.importers.load import load_model

    return load_model(options.model, **given_options(options))


def given_options(options: argparse.Namespace) -> dict[str, str]:
    """What was given with ``--option``."""
    pairs = {}
    for text in options.option:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--option needs NAME=VALUE, as in layers=net.kan, not {text!r}")
        pairs[name] = value
    return pairs


def show(options: argparse.Namespace, data: dict[str, Any], text: str) -> None:
    """Print a result: JSON if it was asked for, else a line for people."""
    print(json.dumps(data, sort_keys=True) if options.json else text)
