"""What a design takes of a board and how fast it is there, from one run of place and route."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kanhw.boards.build.building import setting_for
from kanhw.boards.build.placing import DoesNotFit, find_toolchain, place, sources
from kanhw.boards.catalogue.board import Board
from kanhw.program import Program
from kanhw.schedule.schedule import Schedule

__all__ = ["BoardEstimate", "estimate_on_board"]


@dataclass(frozen=True, kw_only=True)
class BoardEstimate:
    """A design with its link on a board.

    Parameters
    ----------
    board, device
        Names.
    fits
        Whether there is room for it.
    short
        What there is too little of; empty if it fits.
    fmax_mhz
        What place and route reach; None if it does not fit, like all below.
    utilisation
        ``used`` and ``available`` of every kind of cell.
    latency_ns, inferences_per_second
        Of the network at that clock.
    """

    board: str
    device: str
    fits: bool
    short: str = ""
    fmax_mhz: float | None = None
    utilisation: Mapping[str, Mapping[str, int]] | None = None
    latency_ns: float | None = None
    inferences_per_second: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The estimate as plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        head = f"{self.board} ({self.device})"
        if self.utilisation is None or self.fmax_mhz is None:
            return f"{head}: does not fit, {self.short}"
        shares = ", ".join(
            f"{name} {each['used']} of {each['available']}"
            f" ({100 * each['used'] / each['available']:.0f} %)"
            for name, each in self.utilisation.items()
            if each["available"] > 1
        )
        return (
            f"{head}: fits, with its link: {shares}\n"
            f"  {self.fmax_mhz:g} MHz by place and route: an inference takes {self.latency_ns:.1f} "
            f"ns, {self.inferences_per_second:,.0f} inferences a second"
        )


def estimate_on_board(
    program: Program, schedule: Schedule, board: Board, *, seed: int = 1
) -> BoardEstimate:
    """Place a design with its link on a board, for a clock faster than it can be.

    Parameters
    ----------
    program, schedule, board
        What, how and where.
    seed
        Of the placement.

    Raises
    ------
    InputError, ToolNotFound, ToolFailed
        If the board cannot hold such a design at all, or a program is missing or fails.
    """
    from kanhw.boards.link.assembled import linked_network

    tools = find_toolchain(board)
    setting = setting_for(board, max(tools.family.flow.probe_mhz, board.clock_mhz) * 1e6)
    hz = round(board.clock_mhz * 1e6) if setting is None else setting.hz
    linked = linked_network(program, schedule, clock_hz=hz, baud=board.baud)
    try:
        placed = place(sources(linked.top, board, setting, seed=seed), tools)
    except DoesNotFit as error:
        return BoardEstimate(board=board.name, device=board.device, fits=False, short=str(error))
    mhz = placed.reached.achieved_mhz
    return BoardEstimate(
        board=board.name,
        device=board.device,
        fits=True,
        fmax_mhz=mhz,
        utilisation=placed.reached.utilisation,
        latency_ns=1e3 * linked.latency_cycles / mhz,
        inferences_per_second=1e6 * mhz / linked.initiation_interval,
    )
