"""``kanhw program DIR``."""

from __future__ import annotations

import argparse
import shlex

from kanhw.cli.common import Commands, add_command, show


def add_parser(commands: Commands) -> None:
    """Describe the command to argparse."""
    parser = add_command(
        commands,
        "program",
        "load what was built into the board that is plugged in",
        "kanhw program build",
        run,
    )
    parser.add_argument("build", metavar="DIR", help="a folder made by 'kanhw build'")


def run(options: argparse.Namespace) -> int:
    """Load."""
    from kanhw.boards.built import load_built
    from kanhw.boards.loading.loading import load_bitstream
    from kanhw.progress import terminal_progress

    built = load_built(options.build)
    with (
        terminal_progress(quiet=options.json) as progress,
        progress.step(f"load {built.bitstream} into {built.board}"),
    ):
        loaded = load_bitstream(built)
    data = {
        "board": loaded.board,
        "bitstream": loaded.bitstream,
        "tool": loaded.tool,
        "command": shlex.join(loaded.command),
    }
    text = (
        f"{loaded.board}: {loaded.bitstream} is loaded ({loaded.tool})\n"
        f"  use it with 'kanhw run --port PORT --build {built.path} DATA.npz'"
    )
    show(options, data, text)
    return 0
