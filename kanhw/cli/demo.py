"""``kanhw demo --out DIR``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from kanhw.cli.common import Commands, add_command, show
from kanhw.errors import InputError


def add_parser(commands: Commands) -> None:
    """Describe the command to argparse."""
    parser = add_command(
        commands,
        "demo",
        "train a KAN on digits and take it all the way to verified Verilog",
        "kanhw demo --out demo-output",
        run,
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, default=Path("kanhw-demo"), help="the folder to make"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="draws which digits are for testing, the first weights of the network, and the order "
        "of the samples in training (default: 0)",
    )
    parser.add_argument(
        "--board",
        metavar="NAME",
        help="then build the network for a board, and load it if one is plugged in ('kanhw boards' "
        "lists them)",
    )
    parser.add_argument(
        "--port", help="with --board: the board's serial port, to run the test images there too"
    )


def run(options: argparse.Namespace) -> int:
    """Run the demonstration; status 1 if the Verilog differs from its Program."""
    from kanhw.flow.demonstration import run_demonstration
    from kanhw.reports.terminal import summary_table, summary_text

    if options.board:
        from kanhw.boards.build.placing import find_toolchain
        from kanhw.boards.catalogue.table import board_named

        # Before three minutes of work are done for it.
        find_toolchain(board_named(options.board))
    elif options.port:
        raise InputError("--port is the port of a board: name that with --board")
    result = run_demonstration(options.out, seed=options.seed, quiet=options.json)
    board, told = None, ""
    if options.board:
        from kanhw.boards.demonstration import demonstrate_on_board
        from kanhw.cli.boards.build import described
        from kanhw.cli.boards.run import lines_of
        from kanhw.progress import Progress

        with Progress(quiet=options.json) as progress:
            board = demonstrate_on_board(options.out, options.board, options.port, progress.say)
        told = f"\n{described(board.built)}"
        if board.not_loaded:
            told += f"\n  not loaded: {board.not_loaded}"
        if board.run is not None:
            told += "\n" + "\n".join(lines_of(board.run))
    if sys.stdout.isatty() and not options.json:
        from rich.console import Console

        Console().print(summary_table(result.summary))
        print(f"report: {result.report}{told}")
    else:
        text = f"{summary_text(result.summary)}\nreport: {result.report}{told}"
        data = result.to_json() | ({"board": board.to_json()} if board else {})
        show(options, data, text)
    return 0 if result.passed and (board is None or board.passed) else 1
