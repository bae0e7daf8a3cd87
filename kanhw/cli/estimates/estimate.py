"""``kanhw estimate DESIGN|PROGRAM --target NAME``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kanhw.cli.common import (
    Commands,
    Parser,
    add_command,
    add_force,
    add_layout,
    given_layout,
    show,
)
from kanhw.targets.table import TARGETS, names_of_modelled, names_of_placed, names_of_powered

if TYPE_CHECKING:
    from kanhw.estimation import Estimate, ResourceEstimate
    from kanhw.flow.estimating import Subject
    from kanhw.flow.power import PowerWanted
    from kanhw.power.energy import PowerEstimate
    from kanhw.schedule.schedule import Schedule


def add_parser(commands: Commands) -> None:
    """Describe the command to argparse."""
    parser = add_command(
        commands,
        "estimate",
        "say what a design costs: modelled, synthesised with Yosys, or placed and routed",
        "kanhw estimate design --target ecp5 --json",
        run,
    )
    parser.add_argument(
        "design",
        metavar="DESIGN|PROGRAM",
        nargs="?",
        help="a folder made by 'kanhw generate'; with --grade also a Program",
    )
    families = ", ".join(f"{name} ({target.family})" for name, target in TARGETS.items())
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--target", metavar="NAME", help=families)
    where.add_argument(
        "--board",
        metavar="NAME",
        help="place and route it with its link for a board instead ('kanhw boards' lists them)",
    )
    parser.add_argument(
        "--grade",
        metavar="NAME",
        help=f"model: milliseconds, nothing is made ({names_of_modelled()}); synthesis: Yosys "
        f"(default); place: nextpnr as well ({names_of_placed()}). A grade shows the cheaper ones "
        "beside it",
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
    parser.add_argument(
        "--compare",
        metavar="DESIGN",
        nargs="+",
        help="more designs or Programs, side by side at the same grade",
    )
    parser.add_argument(
        "--vivado-reports",
        metavar="DIR",
        type=Path,
        help="Vivado's reports of utilisation, timing and power of this design, shown beside",
    )
    _add_power(parser)
    _add_schedule(parser)
    add_force(parser)
    parser.add_argument("--out", metavar="FILE.json", type=Path, help="also keep the result here")


def _add_schedule(parser: Parser) -> None:
    """Describe the schedule of a Program."""
    group = parser.add_argument_group("schedule of a Program", "a design has its own")
    group.add_argument(
        "--schedule", metavar="KIND", help="unrolled (default) or folded, as for 'kanhw generate'"
    )
    add_layout(group)


def _add_power(parser: Parser) -> None:
    """Describe what power hangs on."""
    group = parser.add_argument_group(
        "power and energy per inference",
        f"of the core, from the toggles of its netlist ({names_of_powered()})",
    )
    group.add_argument(
        "--power",
        action="store_true",
        help="estimate them; needs --clock-mhz, but for --grade place",
    )
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
    group.add_argument(
        "--vectorless",
        action="store_true",
        help="instead of both: rates propagated from inputs that change in --toggle-rate (0.125) "
        "of clocks, to be compared with vendors' reports",
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
    from kanhw.errors import InputError
    from kanhw.files import write_json
    from kanhw.flow.overwriting import ESTIMATE, check_out

    if options.design is None and not options.compare:
        raise InputError("Name what to estimate: a design or a Program, or several by --compare")
    _check(options)
    check_out(options.out, ESTIMATE, force=options.force, inputs=[options.vectors])
    if options.board:
        return _on_board(options)
    if options.compare:
        data, text = _compared(options)
    elif options.grade is None:
        data, text = _by_default(options)
    else:
        data, text = _at_grade(options)
    if options.out:
        write_json(options.out, data)
    show(options, data, text)
    return 0


def _by_default(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Synthesised, and placed for --fmax."""
    from kanhw.flow.estimating import estimates_of, subject_of
    from kanhw.progress import terminal_progress

    what = "synthesise, place and route" if options.fmax else "synthesise"
    with (
        terminal_progress(quiet=options.json) as progress,
        progress.step(f"{what} {options.design} for {options.target}"),
    ):
        result, power = _estimated(options)
    subject = subject_of(options.design, None)
    found = estimates_of(subject, result, power, clock_mhz=options.clock_mhz)
    data = {**_joined(options, found), **result.to_json()}
    return data, "\n  ".join([*_cells_text(result), *_end(options, found)])


def _estimated(
    options: argparse.Namespace,
) -> tuple[ResourceEstimate, PowerEstimate | None]:
    from kanhw.flow.estimating import estimate
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
        vectorless=options.vectorless,
    )


def _at_grade(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """The grade, and the cheaper ones."""
    from kanhw.flow.estimating import subject_of

    subject = subject_of(options.design, _schedule(options))
    found = _graded(options, subject, options.design)
    text = [f"{options.target}: {options.design} at grade {options.grade}"]
    resources = found[-1].resources
    if resources is not None:
        text = _cells_text(resources)
    return _joined(options, found), "\n  ".join([*text, *_end(options, found)])


def _graded(options: argparse.Namespace, subject: Subject, name: str) -> list[Estimate]:
    from kanhw.flow.estimating import estimates_up_to
    from kanhw.progress import terminal_progress

    grade = options.grade or "synthesis"
    with (
        terminal_progress(quiet=options.json) as progress,
        progress.step(f"{grade} of {name} for {options.target}"),
    ):
        return estimates_up_to(
            subject,
            options.target,
            grade,
            clock_mhz=options.clock_mhz,
            power=_power_wanted(options),
            seeds=options.seeds,
        )


def _compared(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Several designs at one grade, side by side."""
    from kanhw.estimation.side_by_side import side_by_side
    from kanhw.flow.estimating import subject_of

    names = [*([options.design] if options.design else []), *options.compare]
    schedule = _schedule(options)
    subjects = [subject_of(name, schedule) for name in names]
    found = [
        _graded(options, subject, name)[-1]
        for subject, name in zip(subjects, names, strict=True)
    ]
    data = {
        "target": options.target,
        "grade": found[0].grade,
        "designs": [
            {"design": str(name), **each.to_json()}
            for name, each in zip(names, found, strict=True)
        ],
    }
    head = f"{options.target}, grade {found[0].grade}"
    return data, "\n  ".join([head, *side_by_side(found, list(map(str, names)))])


def _joined(options: argparse.Namespace, found: list[Estimate]) -> dict[str, Any]:
    """The highest grade, all of them by name, and what Vivado said."""
    data = found[-1].to_json() | {"grades": {each.grade: each.to_json() for each in found}}
    for each in _reported(options, found):
        data["vivado"] = each.to_json()
    return data


def _cells_text(result: ResourceEstimate) -> list[str]:
    """What was synthesised and placed, and by what."""
    head = (
        f"{result.target}: {result.lut} LUT, {result.ff} FF, {result.dsp} DSP, {result.bram} "
        f"{result.bram_unit} (post-synthesis estimate, {result.tool}, recipe {result.recipe})"
    )
    text = [head]
    if result.timing is not None:
        by_seed = ", ".join(f"{mhz:g}" for mhz in result.timing.fmax_by_seed)
        text.append(
            f"{result.timing.fmax_mhz:g} MHz on {result.timing.device} between registers "
            f"(median of {by_seed}; {result.timing.tool})"
        )
    return text


def _end(options: argparse.Namespace, found: list[Estimate]) -> list[str]:
    """Clocks stage by stage, power, and the table over all grades."""
    from kanhw.estimation.side_by_side import side_by_side

    highest = found[-1]
    lines = [] if highest.clocks is None else highest.clocks.lines()
    if highest.power is not None:
        lines += highest.power.lines()
    reported = _reported(options, found)
    heads = [each.name or each.grade for each in reported]
    columns = [*found, *reported]
    notes = [note for each in reported for note in each.notes]
    return [*lines, *side_by_side(columns, [*(each.grade for each in found), *heads]), *notes]


def _reported(options: argparse.Namespace, found: list[Estimate]) -> list[Estimate]:
    """What Vivado said of the design, if its reports were named."""
    from kanhw.estimation.vivado import read_vivado_reports

    if options.vivado_reports is None:
        return []
    return [read_vivado_reports(options.vivado_reports, found[-1].interval)]


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


def _power_wanted(options: argparse.Namespace) -> PowerWanted | None:
    from kanhw.flow.power import PowerWanted

    if not options.power:
        return None
    return PowerWanted(
        clock_mhz=options.clock_mhz,
        vectors=options.vectors,
        toggle_rate=options.toggle_rate,
        integers=options.integers,
        part=options.part,
        vectorless=options.vectorless,
    )


_LAYOUT = {
    "parallel_inputs": "1",
    "parallel_outputs": "1",
    "adder_levels": 1,
    "fabric": "portable",
    "no_table_registers": False,
    "merge_tables": None,
    "no_handshake": False,
    "schedule": None,
}


def _schedule(options: argparse.Namespace) -> Schedule | None:
    """The schedule that was named; None: none was."""
    if all(getattr(options, name) == value for name, value in _LAYOUT.items()):
        return None
    return given_layout(options, options.schedule or "unrolled")


_POWER = ("vectors", "toggle_rate", "part", "integers")


def _check(options: argparse.Namespace) -> None:
    """Refuse what is given for power without asking for it, and other contradictions."""
    from kanhw.errors import InputError

    graded = options.grade is not None or options.compare
    of_power = _POWER if graded else ("clock_mhz", *_POWER)
    given = [
        f"--{name.replace('_', '-')}" for name in of_power if getattr(options, name) is not None
    ]
    if options.vectorless:
        given.append("--vectorless")
    if given and not options.power:
        raise InputError(f"{', '.join(given)} is for power: add --power")
    if options.power and options.clock_mhz is None and options.grade != "place":
        raise InputError("--power hangs on the clock: add --clock-mhz, as in --clock-mhz 100")
    if options.power and options.board:
        raise InputError("--power is of the core on a family: take --target in place of --board")
    if options.power and options.fmax:
        raise InputError(
            "--power and --fmax are two estimates: take --fmax first, and its clock as --clock-mhz"
        )
    if options.fmax and graded:
        raise InputError("--fmax is the grade place: take --grade place in its place")
    if options.board and (graded or options.vivado_reports):
        raise InputError("--board is placed and routed with its link: leave --grade and --compare")
    if not graded and _schedule(options) is not None:
        raise InputError("A design has its own schedule: give a Program and --grade, or leave it")
