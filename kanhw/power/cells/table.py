"""The table of families whose cells are simulated. A new family is a line here."""

from __future__ import annotations

from collections.abc import Mapping

from kanhw.errors import InputError
from kanhw.power.cells.batch import CellKind
from kanhw.power.cells.ecp5 import ECP5_KINDS
from kanhw.power.cells.ice40 import ICE40_KINDS
from kanhw.power.cells.ultrascale_plus import ULTRASCALE_PLUS_KINDS

__all__ = ["CELL_KINDS", "kinds_named"]

CELL_KINDS: dict[str, Mapping[str, CellKind]] = {
    "xcup": ULTRASCALE_PLUS_KINDS,
    "ecp5": ECP5_KINDS,
    "ice40": ICE40_KINDS,
}
"""What the cells of a target compute, by the target's name and the type of cell."""


def kinds_named(target: str) -> Mapping[str, CellKind]:
    """The cells of a target.

    Raises
    ------
    InputError
        If they are not simulated.
    """
    if target not in CELL_KINDS:
        raise InputError(
            f"The activity of {target} netlists is not simulated: take {', '.join(CELL_KINDS)}"
        )
    return CELL_KINDS[target]
