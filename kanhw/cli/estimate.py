"""``kanhw estimate DIR --target NAME``."""

from __future__ import annotations

import argparse
from pathlib import Path

from kanhw.cli.common import Commands, add_command, add_force, show
from kanhw.targets.table import TARGETS, names_of_placed


def add_parser(commands: Commands) -> None:
    """Describe the command to argparse."""
    parser = add_command(
        commands,
        "estimate",
        "synthesise a design with Yosys and count its resources",
        "kanhw estimate design --target ecp5 --json",
        run,
    )
    parser.add_argument("design", metavar="DIR", help="a folder made by 'kanhw generate'")
    families = ", ".join(f"{name} ({target.family})" for name, target in TARGETS.items())
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--target", metavar="NAME", help=families)
    where.add_argument(
        "--board",
        metavar="NAME",
        help="place and route it with its link for a board instead ('kanhw boards' lists them)",
    )
    parser.add_argument(
        "--fmax",
        action="store_true",
        help=f"place and route too, for the clock ({names_of_placed()})",
    )
    parser.add_argument(
        "--seeds",
        type=int,
        default=3,
        help="how many placements to draw, with seeds from 1 on; the clock is their median "
        "(default: 3)",
    )
    add_force(parser)
    parser.add_argument("--out", metavar="FILE.json", type=Path, help="also keep the result here")


def run(options: argparse.Namespace) -> int:
    """Estimate."""
    from kanhw.design.design import load_design
    from kanhw.estimation.clocks import design_clocks
    from kanhw.files import write_json
    from kanhw.flow.generation import estimate
    from kanhw.flow.overwriting import ESTIMATE, check_out
    from kanhw.progress import terminal_progress

    check_out(options.out, ESTIMATE, force=options.force, inputs=())
    if options.board:
        return _on_board(options)
    what = "synthesise, place and route" if options.fmax else "synthesise"
    with (
        terminal_progress(quiet=options.json) as progress,
        progress.step(f"{what} {options.design} for {options.target}"),
    ):
        result = estimate(options.design, options.target, fmax=options.fmax, seeds=options.seeds)
    design = load_design(options.design)
    clocks = design_clocks(design.load_program(), design.schedule)
    data = {**result.to_json(), "clocks": clocks.to_json()}
    if options.out:
        write_json(options.out, data)
    text = (
        f"{result.target}: {result.lut} LUT, {result.ff} FF, {result.dsp} DSP, {result.bram} "
        f"{result.bram_unit} (post-synthesis estimate, {result.tool}, recipe {result.recipe})"
    )
    if result.timing is not None:
        found = ", ".join(f"{mhz:g}" for mhz in result.timing.fmax_by_seed)
        text += (
            f"\n  {result.timing.fmax_mhz:g} MHz on {result.timing.device} between registers "
            f"(median of {found}; {result.timing.tool})"
        )
    show(options, data, "\n  ".join([text, *clocks.lines()]))
    return 0


def _on_board(options: argparse.Namespace) -> int:
    """Estimate for a board."""
    from kanhw.boards.build.estimating import estimate_on_board
    from kanhw.boards.catalogue.table import board_named
    from kanhw.design.design import load_design
    from kanhw.files import write_json
    from kanhw.progress import terminal_progress

    board, design = board_named(options.board), load_design(options.design)
    with (
        terminal_progress(quiet=options.json) as progress,
        progress.step(f"place and route {options.design} for {board.title}"),
    ):
        result = estimate_on_board(design.load_program(), design.schedule, board)
    if options.out:
        write_json(options.out, result.to_json())
    show(options, result.to_json(), str(result))
    return 0
