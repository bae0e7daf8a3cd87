"""Bitstreams of real networks for real boards: clock, utilisation and time.

    python -m benchmarks.hardware.boards OUT [--board NAME ...]

builds KANELE's dry_bean network and the one of `kanhw demo` for each board, at the fastest clock
that place and route meet, and prints a row of docs/boards.md for each. Minutes a row.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from kanhw.boards.build.building import AUTO, build_for_board
from kanhw.boards.build.families import family_of
from kanhw.boards.build.schedules import schedules_for
from kanhw.boards.catalogue.table import board_named
from kanhw.errors import InputError
from kanhw.importers.load import load_model
from kanhw.program import Program, load_program

BOARDS = ("ulx3s-25f", "icebreaker", "orangecrab-25f", "tang-nano-9k", "gatemate-evb")


def networks(demo: Path | None) -> dict[str, Program]:
    shared = Path(os.environ.get("KANHW_SHARED", "../shared"))
    found = {"dry_bean": load_model(shared / "peers" / "kanele" / "dry_bean")}
    if demo is not None:
        found["digits"] = load_program(demo).with_argmax()
    return found


def row(name: str, program: Program, board_name: str, out: Path) -> str:
    board = board_named(board_name)
    family = family_of(board)
    started = time.perf_counter()
    try:
        built = build_for_board(
            program,
            schedules_for(program, board),
            board,
            out / f"{name}-{board_name}",
            clock=AUTO,
            cached=False,
        )
    except InputError as error:
        return f"| {name} | {board_name} | {error} |"
    use = {cell: built.utilisation.get(cell, {"used": 0}) for cell in (family.logic, family.memory)}
    logic, memory = (f"{each['used']:,} of {board.budget[cell]:,}" for cell, each in use.items())
    rate = built.clock_mhz / built.initiation_interval
    return (
        f"| {name} | {board_name} | {built.schedule.kind} | {built.clock_mhz:g} MHz of "
        f"{built.fmax_mhz:g} | {logic} | {memory} | {rate:.3g} million | "
        f"{time.perf_counter() - started:.0f} s |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="a folder for the builds")
    parser.add_argument("--board", action="append", help="default: " + ", ".join(BOARDS))
    parser.add_argument("--demo", type=Path, help="program.safetensors that 'kanhw demo' left")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    print("| network | board | schedule | clock | logic | block RAM | inferences/s | time |")
    print("|---|---|---|---|---|---|---|---|")
    for name, program in networks(options.demo).items():
        for board_name in options.board or BOARDS:
            print(row(name, program, board_name, options.out), flush=True)


if __name__ == "__main__":
    main()
