"""``kanhw estimate DIR --target NAME``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from kanhw.cli.common import Commands, Parser, add_command, add_force, show
from kanhw.targets.table import TARGETS, names_of_placed, names_of_powered

if TYPE_CHECKING:
    from kanhw.estimation import ResourceEstimate
    from kanhw.power.energy import PowerEstimate


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
    _add_power(parser)
    add_force(parser)
    parser.add_argument("--out", metavar="FILE.json", type=Path, help="also keep the result here")


def _add_power(parser: Parser) -> None:
    """Describe what power hangs on."""
    group = parser.add_argument_group(
        "power and energy per inference",
        f"of the core, from the toggles of its netlist ({names_of_powered()})",
    )
    group.add_argument("--power", action="store_true", help="estimate them; needs --clock-mhz")
    group.add_argument("--clock-mhz", type=float, metavar="F", help="the clock that it runs at")
    group.add_argument(
        "--vectors",
        metavar="DATA.npz",
        help="x: rows like those that the design will see, in the order in which it will see them",
    )
    group.add_argument(
        "--toggle-rate",
        type=float,
        metavar="R",
        help="instead of vectors: how often a bit of the input changes (vendors' tools take 0.125)",
    )
    group.add_argument("--part", metavar="NAME", help="whose static power is added, as in xczu7ev")
    which = group.add_mutually_exclusive_group()
    which.add_argument(
        "--codes", dest="integers", action="store_const", const="codes", help="x holds codes"
    )
    which.add_argument(
        "--reals", dest="integers", action="store_const", const="reals",
        help="x holds real features that are whole numbers",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Estimate."""
    from kanhw.design.design import load_design
    from kanhw.estimation.clocks import design_clocks
    from kanhw.files import write_json
    from kanhw.flow.overwriting import ESTIMATE, check_out
    from kanhw.progress import terminal_progress

    _check_power(options)
    check_out(options.out, ESTIMATE, force=options.force, inputs=[options.vectors])
    if options.board:
        return _on_board(options)
    what = "synthesise, place and route" if options.fmax else "synthesise"
    with (
        terminal_progress(quiet=options.json) as progress,
        progress.step(f"{what} {options.design} for {options.target}"),
    ):
        result, power = _estimated(options)
    design = load_design(options.design)
    clocks = design_clocks(design.load_program(), design.schedule)
    data = {**result.to_json(), "clocks": clocks.to_json()}
    if power is not None:
        own = power.to_json()
        # Scripts read these two; the rest says what they mean.
        data |= {key: own.pop(key) for key in ("power_w", "energy_per_inference_j")}
        data["power"] = own
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
    lines = [text, *clocks.lines(), *(power.lines() if power is not None else [])]
    show(options, data, "\n  ".join(lines))
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


_POWER = ("clock_mhz", "vectors", "toggle_rate", "part", "integers")


def _check_power(options: argparse.Namespace) -> None:
    """Refuse what is given for power without asking for it, and the other way round."""
    from kanhw.errors import InputError

    given = [f"--{name.replace('_', '-')}" for name in _POWER if getattr(options, name) is not None]
    if given and not options.power:
        raise InputError(f"{', '.join(given)} is for power: add --power")
    if options.power and options.clock_mhz is None:
        raise InputError("--power hangs on the clock: add --clock-mhz, as in --clock-mhz 100")
    if options.power and options.board:
        raise InputError("--power is of the core on a family: take --target in place of --board")
    if options.power and options.fmax:
        raise InputError(
            "--power and --fmax are two estimates: take --fmax first, and its clock as --clock-mhz"
        )


def _estimated(
    options: argparse.Namespace,
) -> tuple[ResourceEstimate, PowerEstimate | None]:
    from kanhw.flow.generation import estimate
    from kanhw.flow.power import estimate_power

    if not options.power:
        return (
            estimate(options.design, options.target, fmax=options.fmax, seeds=options.seeds),
            None,
        )
    return estimate_power(
        options.design,
        options.target,
        clock_mhz=options.clock_mhz,
        vectors=options.vectors,
        toggle_rate=options.toggle_rate,
        integers=options.integers,
        part=options.part,
    )
