"""The schedules to try for a Program on a board, the fastest first, and what they are to take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kanhw.boards.build.families import family_of
from kanhw.boards.catalogue.board import Board
from kanhw.errors import InputError
from kanhw.estimation.schedule_choice import ScheduleChoice, schedule_for
from kanhw.program import Program
from kanhw.schedule.budget import Budget
from kanhw.schedule.schedule import Schedule

__all__ = ["Fit", "fit_of", "room_on", "schedules_for"]

# Placing a device that is fuller than this fails often, and is slow.
_FULL = 0.9
# Of the logic and of the memories left beside the link; the model's LUTs are of another family, and
# a synthesiser may make more or fewer of them, and cut memories in another way.
_SHARES = ((1.0, 1.0), (0.75, 0.9), (0.55, 0.75), (0.4, 0.55), (0.25, 0.35))
_MODELLED_BRAM_BITS = 18432


@dataclass(frozen=True)
class Fit:
    """What a network is to take on a board, with the link, by the resource model.

    Parameters
    ----------
    schedule
        The fastest that fits.
    logic, memories
        Cells of the family's kinds.
    clocks
        An inference.
    """

    schedule: Schedule
    logic: int
    memories: int
    clocks: int


def fit_of(program: Program, board: Board) -> Fit:
    """The fastest schedule that fits a board beside the link, and what it is to take.

    Raises
    ------
    InputError
        If even the smallest is too large: what is short, and by how much.
    """
    _room(board)
    found, family = _choice(program, board), family_of(board)
    memories = found.resources.bram * _MODELLED_BRAM_BITS / family.memory_bits
    return Fit(
        schedule=found.schedule,
        logic=round(found.resources.lut * family.logic_per_lut) + family.link_logic,
        memories=-int(-memories // 1) + family.link_memories,
        clocks=found.clocks,
    )


def schedules_for(program: Program, board: Board) -> Iterator[Schedule]:
    """Schedules in the order of their clocks an inference, as the resource model sees them.

    The model was fitted for another family; so several are given, each for a smaller share of the
    device, and place and route say which is the first that fits.

    Parameters
    ----------
    program
        The network.
    board
        Whose device it must fit.

    Raises
    ------
    InputError
        If even the smallest is too large: what is short, and by how much.
    """
    _room(board)
    earlier: Schedule | None = None
    for shares in _SHARES:
        try:
            found = _within(program, board, *shares).schedule
        except InputError as error:
            if earlier is None:
                raise InputError(
                    f"The network does not fit {board.title} beside the link, by the resource "
                    f"model: {error}; quantize it with fewer bits, or take a larger board "
                    "('kanhw fits PROGRAM' lists those that will do)"
                ) from error
            return
        if found != earlier:
            yield found
        earlier = found


def _room(board: Board) -> float:
    """Cells of logic that a network may take beside the link."""
    family = family_of(board)
    if not board.budget:
        raise InputError(
            f"What {board.device} holds is not known here, so no schedule can be chosen for it: "
            "name one with --schedule unrolled or folded"
        )
    has = board.budget[family.logic]
    room = _FULL * has - family.link_logic
    if room < family.logic_per_lut:
        raise InputError(
            f"The link takes {family.link_logic:,} of the {has:,} LUTs of {board.device} and "
            f"leaves {max(has - family.link_logic, 0):,}, too few for a network: take a larger "
            "board ('kanhw fits PROGRAM' lists those that will do)"
        )
    return room


def room_on(board: Board, logic: float = 1.0, memories: float = 1.0) -> Budget:
    """What a board leaves beside its link, in units of the resource model.

    Parameters
    ----------
    board
        The board.
    logic, memories
        Shares of what is left.

    Raises
    ------
    InputError
        If what the device holds is not known, or the link leaves nothing.
    """
    family = family_of(board)
    room = _room(board)
    blocks = board.budget[family.memory] - family.link_memories
    return Budget(
        lut=max(int(logic * room / family.logic_per_lut), 1),
        bram=int(memories * blocks) * family.memory_bits // _MODELLED_BRAM_BITS,
        dsp=board.budget.get(family.multiplier, 0),
    )


def _within(program: Program, board: Board, logic: float, memories: float) -> ScheduleChoice:
    """The schedule for shares of what the link leaves; of all memories where fewer will not do."""
    try:
        return _choice(program, board, logic, memories)
    except InputError:
        return _choice(program, board, logic)


def _choice(
    program: Program, board: Board, logic: float = 1.0, memories: float = 1.0
) -> ScheduleChoice:
    """The schedule for shares of what the link leaves."""
    return schedule_for(program, room_on(board, logic, memories))
