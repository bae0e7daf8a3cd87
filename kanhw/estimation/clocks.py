"""The clocks of a design, stage by stage, each with the formula that it comes from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from kanhw.estimation.unbuilt import unbuilt

if TYPE_CHECKING:
    from kanhw.gateware.stream.stage import Stage
    from kanhw.program import Program
    from kanhw.schedule.schedule import Schedule

__all__ = ["DesignClocks", "Formula", "StageClocks", "design_clocks"]


@dataclass(frozen=True)
class Formula:
    """An arithmetic expression of whole numbers, and its value.

    Parameters
    ----------
    text
        With the numbers in it.
    value
        Clocks.
    """

    text: str
    value: int

    @classmethod
    def of(cls, value: int) -> Formula:
        """A number."""
        return cls(str(value), value)

    @classmethod
    def ceil(cls, count: int, width: int) -> Formula:
        """How many portions of ``width`` a count makes."""
        return cls(f"ceil({count} / {width})", -(-count // width))

    def __mul__(self, other: Formula) -> Formula:
        return Formula(f"{self.text} * {other.text}", self.value * other.value)

    def __add__(self, other: Formula | int) -> Formula:
        if isinstance(other, Formula):
            return Formula(f"{self.text} + {other.text}", self.value + other.value)
        sign = "+" if other >= 0 else "-"
        return Formula(f"{self.text} {sign} {abs(other)}", self.value + other)

    def __str__(self) -> str:
        return self.text if self.text == str(self.value) else f"{self.text} = {self.value}"


@dataclass(frozen=True)
class StageClocks:
    """What a stage costs in time.

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
    """What a design costs in time.

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
        return _clocks(program, schedule)


def _clocks(program: Program, schedule: Schedule) -> DesignClocks:
    from kanhw.gateware.top.stream_top import CoreTop, StreamTop

    if not schedule.handshake:
        latency = CoreTop(program, schedule).latency
        core = StageClocks("ProgramCore", Formula.of(1), Formula.of(latency))
        return DesignClocks((core,), 1, latency)
    top = StreamTop(program, schedule)
    stages = tuple(StageClocks(type(s).__name__, *_formulas(s)) for s in top.stages)
    return DesignClocks(stages, top.initiation_interval, top.latency)


def _formulas(stage: Stage) -> tuple[Formula, Formula]:
    """Formulas of the interval and of the latency."""
    from kanhw.gateware.folded.folded_stage import FoldedStage
    from kanhw.gateware.image.folded_convolution import FoldedConvolutionStage
    from kanhw.gateware.image.windowed_stage import WindowedStage
    from kanhw.gateware.norm.norm_stage import NormStage
    from kanhw.gateware.stream.width_converter import SplitStage

    if isinstance(stage, FoldedStage):
        return _folded(stage)
    if isinstance(stage, FoldedConvolutionStage):
        return _folded_convolution(stage)
    if isinstance(stage, WindowedStage):
        rows, columns = (Formula.of(axis.slots) for axis in stage.raster.axes)
        own = stage.core.latency
        return rows * columns, Formula.of(stage.latency - own) + own
    if isinstance(stage, NormStage):
        count = Formula.of(stage.inputs.count)
        twice = Formula.of(2) * count
        turn = stage.initiation_interval
        interval = Formula(f"max({count}, {turn})", max(count.value, turn))
        return interval, twice + (stage.latency - twice.value)
    if isinstance(stage, SplitStage):
        beats = Formula.ceil(stage.inputs.count, stage.outputs.count)
        pixels = stage.inputs.beats
        return (beats if pixels == 1 else Formula.of(pixels) * beats), beats
    # What is left takes a beat a clock.
    return Formula.of(stage.inputs.beats), Formula.of(stage.latency)


def _folded(stage: Any) -> tuple[Formula, Formula]:
    fold, own = stage.fold, stage.folded
    steps = Formula.ceil(fold.n_in, fold.parallel_inputs)
    if steps.value != fold.beats:
        # An image, of which a beat holds part of a pixel.
        steps = Formula.of(fold.beats)
    steps *= Formula.ceil(fold.n_out, fold.parallel_outputs)
    through = Formula.of(2) + own.depth + 1 + 1 + own.drain_depth
    return steps, through + steps + fold.last_rows + -2


def _folded_convolution(stage: Any) -> tuple[Formula, Formula]:
    fold, windows = stage.fold, stage.windows
    steps = Formula.of(windows.window.positions) * Formula.of(fold.beats)
    steps *= Formula.ceil(fold.n_out, fold.parallel_outputs)
    interval = stage.initiation_interval
    if interval != steps.value:
        # Windows wait for the words that they read: known by walking through the handshakes.
        steps = Formula(f"{steps.text} + {interval - steps.value} waiting", interval)
    return steps, Formula.of(stage.latency)
