"""``kanhw fits PROGRAM``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from kanhw.cli.common import Commands, add_command, show
from kanhw.errors import InputError

if TYPE_CHECKING:
    from kanhw.boards.catalogue.board import Board
    from kanhw.program import Program


def add_parser(commands: Commands) -> None:
    """Describe the command to argparse."""
    parser = add_command(
        commands,
        "fits",
        "say on which boards a Program fits, by the resource model",
        "kanhw fits program.safetensors",
        run,
    )
    parser.add_argument("program", metavar="PROGRAM", help="a quantized network")
    parser.add_argument("--argmax", action="store_true", help="hand out the class index")


def run(options: argparse.Namespace) -> int:
    """Look at every board."""
    from kanhw.boards.catalogue.table import BOARDS
    from kanhw.importers.load import load_model
    from kanhw.program import Program

    program = load_model(options.program)
    if not isinstance(program, Program):
        raise InputError(
            f"{options.program} is a float model and hardware needs integers: first 'kanhw quantize"
            f" {options.program} --calibration DATA.npz --out PROGRAM'"
        )
    if options.argmax:
        program = program.with_argmax()
    known: dict[tuple[Any, ...], dict[str, Any]] = {}
    rows = []
    for board in BOARDS.values():
        key = (board.family, *sorted(board.budget.items()))
        if key not in known:
            known[key] = _row(program, board)
        rows.append({"board": board.name, "device": board.device, **known[key]})
    width = max(len(row["board"]) for row in rows)
    lines = [_line(row, width) for row in rows]
    lines.append("  (modelled, with the link; 'kanhw build' places and routes)")
    show(options, {"boards": rows}, "\n".join(lines))
    return 0


def _row(program: Program, board: Board) -> dict[str, Any]:
    from kanhw.boards.build.families import family_of
    from kanhw.boards.build.schedules import fit_of

    family = family_of(board)
    try:
        fit = fit_of(program, board)
    except InputError as error:
        return {"fits": False, "reason": str(error)}
    return {
        "fits": True,
        "schedule": fit.schedule.kind,
        "clocks_per_inference": fit.clocks,
        "logic": fit.logic,
        "logic_share": fit.logic / board.budget[family.logic],
        "memories": fit.memories,
        "memory_share": fit.memories / board.budget[family.memory],
    }


def _line(row: dict[str, Any], width: int) -> str:
    if not row["fits"]:
        return f"{row['board']:{width}}  no: {row['reason']}"
    return (
        f"{row['board']:{width}}  fits: {row['schedule']}, an inference every "
        f"{row['clocks_per_inference']} clocks, {100 * row['logic_share']:.0f} % of logic, "
        f"{100 * row['memory_share']:.0f} % of block RAM"
    )
