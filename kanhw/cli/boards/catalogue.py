"""``kanhw boards``."""

from __future__ import annotations

import argparse

from kanhw.cli.common import Commands, add_command, show


def add_parser(commands: Commands) -> None:
    """Describe the command to argparse."""
    add_command(
        commands,
        "boards",
        "list the boards, what they are built with, and what of it is installed",
        "kanhw boards",
        run,
    )


def run(options: argparse.Namespace) -> int:
    """List."""
    from kanhw.boards.listing import listed_boards

    listed = listed_boards()
    width = max(len(each.board.name) for each in listed)
    lines = []
    for each in listed:
        board, button = each.board, ", a button resets" if each.board.button else ""
        lines.append(
            f"{board.name:{width}}  {board.title}, {board.device}, {board.clock_mhz:g} MHz, UART "
            f"{board.baud} baud{button}"
        )
        lines.append(
            f"{'':{width}}    {each.state}; built with {', '.join(each.built_with)}; loaded with "
            f"{' or '.join(each.loaded_with)}"
        )
    notes = [f"  {each.board.name}: {each.board.note}" for each in listed if each.board.note]
    tools: dict[str, str] = {}
    for each in listed:
        tools |= each.tools
    lines += ["", "to be wired:", *notes, "", "tools:"]
    lines += [f"  {name}: {state}" for name, state in tools.items()]
    show(options, {"boards": [each.to_json() for each in listed]}, "\n".join(lines))
    return 0
