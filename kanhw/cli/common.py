"""What the commands share: parsers with an example, JSON on request, options for importers."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from kanhw.errors import InputError
from kanhw.values import in_one_line, meant, shown

if TYPE_CHECKING:
    from kanhw.model.network import KanModel
    from kanhw.program import Program
    from kanhw.schedule.schedule import Schedule

__all__ = [
    "Commands",
    "Parser",
    "add_command",
    "add_force",
    "add_layout",
    "add_model",
    "add_option",
    "add_reading",
    "given_layout",
    "given_options",
    "lanes_text",
    "load_given",
    "show",
]

_READING = ("ignore", "input_mean", "input_std", "output_mean", "output_std")
# What people call things that have another name here, or none.
_OTHER_WORDS = {
    "--bits": "bits are --activation-bits, --spline-bits and --base-bits",
    "--data": "data to quantize with are --calibration DATA.npz, to simulate with --vectors",
    "--calibration": "this command takes its data as --data or --vectors",
    "--board": "pins and boards are left to your project; 'kanhw estimate' takes a --target",
    "--clock": "no command takes a clock: the design has a port clk, and 'kanhw estimate --fmax' "
    "says how fast it may be",
    "--part": "'kanhw estimate' takes a --target, and Verilog fits any part",
}
Commands = Any  # argparse keeps the type of its sub-parsers to itself


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose complaints are one line."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse a word that is no choice, with the nearest that is."""
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            near = meant(value, map(str, action.choices or ()))
            raise argparse.ArgumentError(action, f"{error.message}{near}") from None

    def refuse(self, unknown: Sequence[str]) -> NoReturn:
        """Say which arguments are not known, and which were meant.

        Parameters
        ----------
        unknown
            What is left of a command line, values among it.
        """
        flags = [flag for action in self._actions for flag in action.option_strings]
        hint = ""
        for word in unknown:
            name = word.partition("=")[0]
            if name in _OTHER_WORDS:
                hint = f"; {_OTHER_WORDS[name]}"
            elif name.startswith("--"):
                hint = meant(name, flags)
            if hint:
                break
        self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is; exit with status 2."""
        self.exit(2, f"{self.prog}: error: {in_one_line(message)} (see '{self.prog} --help')\n")


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
    parser.set_defaults(run=run, parser=parser)
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


def add_reading(parser: argparse.ArgumentParser) -> None:
    """The options of what is around a network in its checkpoint."""
    group = parser.add_argument_group("reading the checkpoint")
    group.add_argument(
        "--ignore",
        metavar="PATTERN",
        action="append",
        help="tensors that no output depends on, such as 'aux.*'; may be repeated",
    )
    for end, what in (("input", "takes away from inputs"), ("output", "adds to outputs")):
        group.add_argument(
            f"--{end}-mean",
            metavar="NAME|NUMBERS",
            help=f"what the model {what}: a tensor of the checkpoint, a number, or several as "
            "290,50; folded in, so that the Program is one of physical units",
        )
        factor = "divides inputs by" if end == "input" else "multiplies outputs by"
        group.add_argument(
            f"--{end}-std", metavar="NAME|NUMBERS", help=f"what the model {factor}, likewise"
        )


def add_force(parser: argparse.ArgumentParser) -> None:
    """``--force``, for commands that write files."""
    parser.add_argument(
        "--force",
        action="store_true",
        help="write over files that this command has not made",
    )


def load_given(options: argparse.Namespace) -> KanModel | Program:
    """The network of a command's MODEL argument."""
    from kanhw.importers.load import load_model

    return load_model(options.model, **given_options(options))


def given_options(options: argparse.Namespace) -> dict[str, Any]:
    """What was given with ``--option`` and the flags of :func:`add_reading`."""
    pairs: dict[str, Any] = {}
    for text in options.option:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--option needs NAME=VALUE, as in layers=net.kan, not {text!r}")
        pairs[name] = value
    flags = {name: getattr(options, name, None) for name in _READING}
    return {**pairs, **{name: value for name, value in flags.items() if value is not None}}


def show(options: argparse.Namespace, data: dict[str, Any], text: str) -> None:
    """Print a result: JSON if it was asked for, else a line for people."""
    print(json.dumps(data, sort_keys=True) if options.json else shown(text, len(text)), flush=True)


def add_layout(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Lanes, registers, fabric and handshake; the kind of the schedule is the command's."""
    for what in ("inputs", "outputs"):
        parser.add_argument(
            f"--parallel-{what}",
            default="1",
            metavar="N|LAYER=N,...",
            help=f"folded: {what} of a layer at a time, for all layers or by name (default: 1)",
        )
    parser.add_argument(
        "--adder-levels",
        type=int,
        default=1,
        metavar="N",
        help="adder levels between two registers; 0 for none inside the trees (default: 1)",
    )
    parser.add_argument(
        "--fabric",
        default="portable",
        metavar="NAME",
        help="portable (default): no vendor cells; ultrascale+: adders of three operands from its "
        "LUTs and carry chains, saturation by set and reset, split tables",
    )
    parser.add_argument(
        "--no-table-registers",
        metavar="LAYER,...",
        nargs="?",
        const=True,
        default=False,
        help="no registers behind the tables, of these layers or of all",
    )
    parser.add_argument(
        "--merge-tables",
        metavar="TARGET",
        help="edge tables of one output become one, their sum, wherever that takes fewer LUTs on "
        "this target, such as xcup (default: none do)",
    )
    parser.add_argument(
        "--no-handshake", action="store_true", help="the bare core: a vector at every clock"
    )


def given_layout(options: argparse.Namespace, kind: str) -> Schedule:
    """The schedule of these options."""
    from kanhw.schedule.schedule import Schedule

    return Schedule(
        adder_levels=options.adder_levels,
        fabric=options.fabric,
        table_registers=_table_registers(options.no_table_registers),
        merge_tables=options.merge_tables,
        handshake=not options.no_handshake,
        kind=kind,
        parallel_inputs=_parallel("--parallel-inputs", options.parallel_inputs),
        parallel_outputs=_parallel("--parallel-outputs", options.parallel_outputs),
    )


def _table_registers(without: bool | str) -> bool | dict[str, bool]:
    """Of ``--no-table-registers``: those of all layers, or of some by name."""
    if isinstance(without, bool):
        return not without
    return dict.fromkeys(without.split(","), False)


def lanes_text(schedule: Schedule) -> str:
    """What was chosen for every layer, as options."""
    lanes = [
        ",".join(f"{name}={schedule.parallel(name)[k]}" for name in schedule.named) for k in (0, 1)
    ]
    if not schedule.named:
        return ""
    return f"\n  as with --parallel-inputs {lanes[0]} --parallel-outputs {lanes[1]}"


def _parallel(option: str, text: str) -> int | dict[str, int]:
    """A number for all layers, or numbers by the name of the layer."""
    try:
        if "=" not in text:
            return int(text)
        pairs = [pair.rpartition("=") for pair in text.split(",")]
        return {name: int(number) for name, _, number in pairs}
    except ValueError:
        raise InputError(
            f"{option} needs a number, or numbers by layer as in layers.0=2,layers.1=1, not "
            f"{text!r}"
        ) from None
