"""What a network with learned widths costs as it is told: counted from its Program.

Training minimises a smooth formula of widths. What it tells of the networks that it found looks at
all that is known of them: which codes occur, which address bits every bit of a table depends on,
tables and sums that are alike, and what synthesis makes of them
(:func:`kanhw.estimation.resource_model.features_of`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from kanhw.estimation.clocks import top_of
from kanhw.estimation.resource_model import features_of, luts_of
from kanhw.estimation.unbuilt import unbuilt
from kanhw.schedule.schedule import Schedule
from kanhw.targets.table import network_model_of

if TYPE_CHECKING:
    from kanhw.program import Program

__all__ = ["TELLERS", "parts_of", "told_luts", "told_schedule"]

# Adder levels between registers of the networks that weights were fitted to.
_LEVELS = 2


def told_schedule(program: Program, fabric: str, merge_tables: str | None = None) -> Schedule:
    """How the hardware is laid out that a network is told for.

    A core with two adder levels between registers; images come pixel by pixel, with valid and
    ready.

    Parameters
    ----------
    program
        The network.
    fabric, merge_tables
        As a schedule has them.
    """
    pixels = any(layer.window is not None for layer in program.layers)
    return Schedule(
        adder_levels=_LEVELS, handshake=pixels, fabric=fabric, merge_tables=merge_tables
    )


def told_luts(program: Program, target: str, fabric: str, merged: bool = False) -> float:
    """The LUTs of a network of edge tables, without making it.

    Parameters
    ----------
    program
        The network.
    target, fabric
        That it is for.
    merged
        Whether tables of an output become one where the target takes fewer LUTs for it.

    Raises
    ------
    InputError
        If there is no resource model of the target.
    """
    parts = parts_of(program, target, fabric, merged=merged)
    return luts_of(parts, network_model_of(target).weights)


def parts_of(
    program: Program, target: str, fabric: str, *, merged: bool = False
) -> Counter[str]:
    """What is counted of a network, by what it is weighed as; parameters as there."""
    model = network_model_of(target)
    schedule = told_schedule(program, fabric, target if merged else None)
    if schedule.handshake and not model.weights.held_resets:
        model = replace(model, weights=replace(model.weights, resets=False))
    with unbuilt():
        costs = top_of(program, schedule).costs
    return features_of(costs, model)


TELLERS: dict[str, Callable[[Program, str, str, bool], float]] = {"lut": told_luts}
"""By the kind of a cost: what a network costs on a target and fabric, merged or not; others are
told as they are trained, since their formulas are exact."""
