"""``kanhw run --port PORT DATA.npz``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kanhw.cli.common import Commands, add_command, show

if TYPE_CHECKING:
    from kanhw.boards.running import BoardRun

_SELF_TEST = 1_000_000


def add_parser(commands: Commands) -> None:
    """Describe the command to argparse."""
    parser = add_command(
        commands,
        "run",
        "send data through a board and compare every answer with the golden model",
        "kanhw run --port /dev/ttyUSB0 test.npz --self-test",
        run,
    )
    parser.add_argument(
        "data",
        metavar="DATA.npz",
        nargs="?",
        help="x: features (or codes); optional y, labels and head, as for 'kanhw simulate'",
    )
    parser.add_argument(
        "--port", required=True, help="the board's serial port, such as /dev/ttyUSB0 or COM3"
    )
    parser.add_argument(
        "--build",
        metavar="DIR",
        help="what 'kanhw build' made for it (default: this user's build with the identity that "
        "the board tells)",
    )
    parser.add_argument(
        "--baud",
        type=int,
        help="bits a second of the UART (default: the build's, or 1000000)",
    )
    integers = parser.add_mutually_exclusive_group()
    for word, meaning in (("codes", "the network's codes"), ("reals", "values that are whole")):
        integers.add_argument(
            f"--{word}",
            dest="integers",
            action="store_const",
            const=word,
            help=f"integers in x and y are {meaning}",
        )
    parser.add_argument(
        "--self-test",
        metavar="N",
        nargs="?",
        type=_vectors,
        const=_SELF_TEST,
        default=0,
        help="let the board feed itself N vectors at full speed and compare the signature of its "
        f"outputs with the golden model's (default: {_SELF_TEST})",
    )


def _vectors(text: str) -> int:
    """The number behind ``--self-test``, for which a file that stands there is easily taken."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"needs a positive number of vectors or none, not {text!r}: name a file of data in "
            "front of it"
        )
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Run; status 1 on any difference."""
    from kanhw.boards.running import run_on_board
    from kanhw.progress import terminal_progress

    with terminal_progress(quiet=options.json) as progress:
        result = run_on_board(
            options.port,
            options.data,
            build=options.build,
            baud=options.baud,
            integers=options.integers,
            self_test=options.self_test,
            progress=progress,
        )
    show(options, result.to_json(), "\n".join(lines_of(result)))
    return 0 if result.passed else 1


def lines_of(result: BoardRun) -> list[str]:
    """What a board did, for people."""
    verdict = "passed" if result.passed else "FAILED"
    where = f"{result.board} ({result.device}) at {result.port}, {result.clock_mhz:g} MHz"
    lines = [f"{verdict}: {where}, design {result.identity[:12]}"]
    data = result.data
    if data is not None:
        count = len(data.outputs)
        first = "" if data.first_mismatch is None else f" (first in row {data.first_mismatch})"
        lines.append(
            f"  {count - data.mismatches} of {count} vectors answered as by the golden model{first}"
        )
        figures = data.figures
        if figures.accuracy is not None:
            lines.append(f"  accuracy {100 * figures.accuracy:.2f} %")
        if figures.max_error is not None:
            share = figures.error_of_range
            of_range = "" if share is None else f" ({100 * share:.2f} % of its range)"
            lines.append(f"  largest error against y {figures.max_error:.4g}{of_range}")
        latency = 1e3 * (result.latency_seconds or 0)
        lines.append(
            f"  {data.inferences_per_second:,.0f} inferences a second over the link, one takes "
            f"{latency:.2f} ms there and back"
        )
    test = result.self_test
    if test is not None:
        equal = "is" if test.signature == test.expected else "IS NOT"
        lines.append(
            f"  self-test: {test.answered:,} of {test.vectors:,} vectors answered, signature "
            f"{test.signature:08x} {equal} the golden model's"
        )
        lines.append(
            f"  {test.clocks_per_inference:.4g} clocks an inference, "
            f"{test.inferences_per_second:,.0f} inferences a second on chip"
        )
    status = result.status
    lines.append(
        f"  link: {status.broken} broken frames, {status.overruns} without room, "
        f"{result.broken_answers} broken answers, {result.sent_again} requests sent again"
    )
    return lines + [f"warning: {line}" for line in result.warnings]
