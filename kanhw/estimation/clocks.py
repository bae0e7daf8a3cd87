"""The clocks of a design, stage by stage, each with the formula that it comes from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from kanhw.estimation.unbuilt import unbuilt
from kanhw.schedule.formula import Formula

if TYPE_CHECKING:
    from kanhw.gateware.top.stream_top import CoreTop, StreamTop
    from kanhw.program import Program
    from kanhw.schedule.schedule import Schedule

__all__ = ["DesignClocks", "StageClocks", "clocks_of", "design_clocks", "top_of"]


@dataclass(frozen=True)
class StageClocks:
    """The clocks of a stage.

    Parameters
    ----------
    stage
        What it is.
    interval
        Clocks between two vectors or images.
    latency
        Clocks from its input's last beat to its output's.
    """

    stage: str
    interval: Formula
    latency: Formula

    def __str__(self) -> str:
        return f"{self.stage}: every {self.interval} clocks, latency {self.latency}"


@dataclass(frozen=True)
class DesignClocks:
    """The clocks of a design, stage by stage and altogether.

    Parameters
    ----------
    stages
        In order.
    initiation_interval
        Clocks between two inferences: the largest of the stages', unless line buffers wait for one
        another.
    latency
        The sum of the stages', with the same exception.
    """

    stages: tuple[StageClocks, ...]
    initiation_interval: int
    latency: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """A line for every stage, and one for all of them."""
        together = f"every {self.initiation_interval} clocks, latency {self.latency}"
        return [*map(str, self.stages), f"all stages together: {together}"]


def design_clocks(program: Program, schedule: Schedule) -> DesignClocks:
    """The clocks of a Program under a schedule.

    Raises
    ------
    InputError
        If there is no such hardware.
    """
    with unbuilt():
        return clocks_of(top_of(program, schedule))


def top_of(program: Program, schedule: Schedule) -> StreamTop | CoreTop:
    """The top of a design, to be looked at (:func:`kanhw.estimation.unbuilt.unbuilt`)."""
    from kanhw.gateware.top.stream_top import CoreTop, StreamTop

    return (StreamTop if schedule.handshake else CoreTop)(program, schedule)


def clocks_of(top: StreamTop | CoreTop) -> DesignClocks:
    """The clocks of a top."""
    from kanhw.gateware.top.stream_top import CoreTop

    if isinstance(top, CoreTop):
        core = StageClocks("ProgramCore", Formula.of(1), Formula.of(top.latency))
        return DesignClocks((core,), 1, top.latency)
    stages = tuple(StageClocks(type(stage).__name__, *stage.clocks()) for stage in top.stages)
    return DesignClocks(stages, top.initiation_interval, top.latency)
