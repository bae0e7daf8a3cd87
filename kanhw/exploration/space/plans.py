"""Plans: schedules in a word, with numbers that differ from network to network left open.

``unrolled``; ``folded``, an input and an output at a time; ``inputs=4,outputs=2``, folded with so
many of every layer at a time; and a budget, ``lut=3000,clocks=64``, from which the schedule is
chosen for each Program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kanhw.errors import InputError
from kanhw.schedule.budget import Budget
from kanhw.schedule.schedule import SCHEDULES, Schedule
from kanhw.values import brief

if TYPE_CHECKING:
    from kanhw.program import Program

__all__ = ["check_plan", "schedule_of"]

_LANES = ("inputs", "outputs")


def check_plan(plan: object) -> None:
    """Refuse what is no plan.

    Raises
    ------
    InputError
        Saying what one is.
    """
    if not isinstance(plan, str):
        raise InputError(f"plan must be a text, such as {SCHEDULES[0]}, not {brief(plan)}")
    _read(plan)


def schedule_of(plan: str, program: Program, base: Schedule, target: str) -> Schedule:
    """The schedule that a plan means for a Program.

    Parameters
    ----------
    plan
        As above.
    program
        The network, of which a budget is asked what fits.
    base
        Its registers and fabric.
    target
        Whose resources a budget limits.

    Raises
    ------
    InputError
        If it is no plan, or nothing fits the budget.
    """
    from dataclasses import replace

    from kanhw.estimation.schedule_choice import schedule_for

    read = _read(plan)
    if isinstance(read, Budget):
        return schedule_for(program, read, base, target=target).schedule
    kind, inputs, outputs = read
    return replace(base, kind=kind, parallel_inputs=inputs, parallel_outputs=outputs)


def _read(plan: str) -> Budget | tuple[str, int, int]:
    """A budget; or the kind of the schedule, and inputs and outputs at a time."""
    if "=" not in plan:
        if plan not in SCHEDULES:
            raise InputError(
                f"A plan is {', '.join(SCHEDULES)}, inputs=N,outputs=N or a budget such as "
                f"lut=3000,clocks=64, not {plan!r}"
            )
        return plan, 1, 1
    names = [part.partition("=")[0].strip() for part in plan.split(",")]
    if not set(names) & set(_LANES):
        return Budget.from_text(plan)
    numbers = {
        part.partition("=")[0].strip(): part.partition("=")[2].strip() for part in plan.split(",")
    }
    wrong = not set(names) <= set(_LANES) or len(set(names)) < len(names)
    if wrong or not all(text.isdecimal() for text in numbers.values()):
        raise InputError(
            f"Folds are written as inputs=4,outputs=2, each once, and not with limits, not {plan!r}"
        )
    lanes = [int(numbers.get(name, "1")) for name in _LANES]
    # What a schedule refuses is refused here already.
    Schedule(kind="folded", parallel_inputs=lanes[0], parallel_outputs=lanes[1])
    return "folded", lanes[0], lanes[1]
