"""``kanhw build DESIGN|PROGRAM --board NAME --out DIR``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from kanhw.cli.common import Commands, add_command, add_force, show
from kanhw.errors import InputError

if TYPE_CHECKING:
    from kanhw.boards.built import Built
    from kanhw.program import Program
    from kanhw.schedule.schedule import Schedule


def add_parser(commands: Commands) -> None:
    """Describe the command to argparse."""
    parser = add_command(
        commands,
        "build",
        "make a bitstream for a board",
        "kanhw build program.safetensors --board icebreaker --out build",
        run,
    )
    parser.add_argument(
        "design",
        metavar="DESIGN|PROGRAM",
        help="a folder made by 'kanhw generate', or a Program, of which the schedule is chosen for "
        "the board",
    )
    parser.add_argument(
        "--board",
        metavar="NAME",
        required=True,
        help="see 'kanhw boards' for all of them, or a platform class of amaranth-boards as "
        "module:Class",
    )
    parser.add_argument(
        "--uart",
        metavar="RX,TX",
        help="of a platform class: pins of the UART, seen from the FPGA (default: those it names)",
    )
    parser.add_argument(
        "--clock-pin",
        metavar="PIN:MHZ",
        help="of a platform class: where an oscillator is, or a clock that it names (default: its "
        "own choice)",
    )
    parser.add_argument("--out", metavar="DIR", required=True, help="the folder to make")
    add_force(parser)
    parser.add_argument(
        "--clock",
        metavar="MHZ|auto",
        help="of the network and the link, made by the PLL; auto: the fastest that place and route "
        "meet with 5 %% to spare (default: the board's oscillator)",
    )
    parser.add_argument(
        "--baud", type=int, metavar="N", help="bits a second of the UART (default: the board's)"
    )
    parser.add_argument(
        "--schedule",
        choices=("unrolled", "folded"),
        help="of a Program: an inference a clock, or edges that take turns one by one (default: "
        "the fastest that fits the board)",
    )
    parser.add_argument(
        "--argmax", action="store_true", help="of a Program: hand out the class index"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="of the placement, 1 or more (default: 1)"
    )
    parser.add_argument(
        "--no-cache", action="store_true", help="run the tools even where they ran before"
    )
    parser.add_argument(
        "--project",
        action="store_true",
        help="write what the tools read, and their commands, but run none",
    )


def run(options: argparse.Namespace) -> int:
    """Build."""
    from kanhw.boards.build.building import build_for_board
    from kanhw.boards.build.own_board import board_for
    from kanhw.boards.build.schedules import schedules_for
    from kanhw.progress import Progress

    board = board_for(options.board, options.uart, options.clock_pin)
    if options.seed < 1:
        raise InputError(f"--seed must be 1 or more, not {options.seed}")
    program, schedule = _given(options)
    schedules = [schedule] if schedule else schedules_for(program, board)
    with Progress(quiet=options.json) as progress:
        built = build_for_board(
            program,
            schedules,
            board,
            options.out,
            clock=options.clock,
            baud=options.baud,
            seed=options.seed,
            cached=not options.no_cache,
            force=options.force,
            project=options.project,
            say=progress.say,
        )
    show(options, {"build": str(built.path), **built.to_json()}, described(built))
    return 0


def _given(options: argparse.Namespace) -> tuple[Program, Schedule | None]:
    """The Program, and the schedule where it is given."""
    from kanhw.design.design import load_design
    from kanhw.design.manifest import MANIFEST
    from kanhw.importers.load import load_model
    from kanhw.program import Program
    from kanhw.schedule.schedule import Schedule

    # Other folders may hold a Program, such as KANELE's.
    if (Path(options.design) / MANIFEST).is_file():
        for name in ("schedule", "argmax"):
            if getattr(options, name):
                raise InputError(
                    f"--{name} is for a Program; the design {options.design} has its own: leave it "
                    "out, or name the Program"
                )
        design = load_design(options.design)
        return design.load_program(), design.schedule
    program = load_model(options.design)
    if not isinstance(program, Program):
        raise InputError(
            f"{options.design} is a float model and hardware needs integers: first 'kanhw quantize "
            f"{options.design} --calibration DATA.npz --out PROGRAM'"
        )
    if options.argmax:
        program = program.with_argmax()
    return program, Schedule(kind=options.schedule) if options.schedule else None


def described(built: Built) -> str:
    """What was built, and how to go on."""
    from kanhw.boards.built import COMMANDS

    use = ", ".join(
        f"{each['used']} of {each['available']} {name}" for name, each in built.utilisation.items()
    )
    first = f"{built.path}: {built.board} ({built.device}), design {built.identity[:12]}"
    mhz, interval = built.clock_mhz, built.initiation_interval
    if built.bitstream is None:
        commands = (built.path / COMMANDS).read_text(encoding="utf-8").splitlines()
        return (
            f"{first}\n"
            f"  {built.status}, for {mhz:g} MHz; to build it:\n"
            + "".join(f"    {line}\n" for line in (f"cd {built.path}", *commands))
            + f"  then load it with 'kanhw program {built.path}'"
        )
    return (
        f"{first}\n"
        f"  {built.bitstream}: {mhz:g} MHz, of {built.fmax_mhz:g} MHz that place and route reach\n"
        f"  {use}\n"
        f"  latency {built.latency_cycles} cycles, one inference every {interval}: "
        f"{1e6 * mhz / interval:,.0f} inferences a second on chip\n"
        f"  load it with 'kanhw program {built.path}', use it with 'kanhw run --port PORT --build "
        f"{built.path} DATA.npz'"
    )
