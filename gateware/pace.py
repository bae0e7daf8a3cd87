"""When the stages of a chain take and give: their handshakes, cycle by cycle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from kanhw.gateware.folded_stage import FoldedStage
from kanhw.gateware.raster import Raster
from kanhw.gateware.stage import Stage
from kanhw.gateware.windowed_stage import WindowedStage

__all__ = ["chain_timing"]

# Images after which a chain has found its pace, and those over which it is measured: some chains
# take turns between two intervals.
SETTLING, MEASURED = 6, 12


def chain_timing(stages: Sequence[Stage]) -> tuple[int, int]:
    """Latency and initiation interval of stages behind one another.

    The latency is that of the first input, without stalls and with others right behind it. It is
    the sum of the latencies, and the interval the largest of the intervals, unless there is a line
    buffer behind another stage: there it matters in which rhythm pixels come, which may also stall
    the stage in front in the midst of an image. Then the handshakes are walked through, and the
    interval is the average one, rounded up. Folded layers keep a vector while the next arrives, so
    that neither they nor what follows need walking through.
    """
    count = next((k for k, stage in enumerate(stages) if _is_serial(stage)), len(stages))
    latency = sum(stage.latency for stage in stages[count:])
    interval = max((stage.initiation_interval for stage in stages[count:]), default=1)
    front = stages[:count]
    if any(isinstance(stage, WindowedStage) for stage in front[1:]):
        first, pace = _walked(front)
        return first + latency, max(pace, interval)
    intervals = (stage.initiation_interval for stage in front)
    return sum(stage.latency for stage in front) + latency, max((interval, *intervals))


def _is_serial(stage: Stage) -> bool:
    """Whether it is a folded layer, or vectors come or leave it in portions."""
    portions = (stage.inputs.length, stage.outputs.length)
    return isinstance(stage, FoldedStage) or portions != (None, None)


def _walked(stages: Sequence[Stage]) -> tuple[int, int]:
    # A pipeline without latency is wires.
    paces = [
        _pace(stage) for stage in stages if stage.latency or isinstance(stage, WindowedStage)
    ]
    in_beats, out_beats = stages[0].inputs.beats, stages[-1].outputs.beats
    given, cycle, taken, ends = 0, 0, list[int](), list[int]()
    while len(ends) < SETTLING + MEASURED:
        offers = [True, *(pace.valid for pace in paces)]
        ready = True
        if offers[-1]:
            given += 1
            if given % out_beats == 0:
                ends.append(cycle)
        for pace, offered in zip(reversed(paces), reversed(offers[:-1]), strict=True):
            ready = pace.step(offered, ready)
        if ready:
            taken.append(cycle)
        cycle += 1
    return ends[0] - taken[in_beats - 1], -((ends[SETTLING - 1] - ends[-1]) // MEASURED)


class _Pace(Protocol):
    """The handshake of a stage."""

    valid: bool

    def step(self, offered: bool, ready: bool) -> bool:
        """Go through one clock, and say whether the stage was ready for an input."""


def _pace(stage: Stage) -> _Pace:
    if isinstance(stage, WindowedStage):
        return _WindowPace(stage.raster, stage.core.latency)
    return _BeatPace(stage)


class _BeatPace:
    """Every so many beats one result, ``latency`` clocks later; stalled as a whole."""

    def __init__(self, stage: Stage) -> None:
        self._beats = stage.inputs.beats
        self._rest = 0 if self._beats > 1 else stage.initiation_interval - 1
        self._bits = [False] * stage.latency
        self._count = self._resting = 0
        self.valid = False

    def step(self, offered: bool, ready: bool) -> bool:
        moves = ready or not self.valid
        accepts = moves and not self._resting
        enters = accepts and offered
        if enters:
            self._count = (self._count + 1) % self._beats
            self._resting = self._rest
        elif self._resting:
            self._resting -= 1
        if moves:
            self._bits = [enters and self._count == 0, *self._bits[:-1]]
            self.valid = self._bits[-1]
        return accepts


class _WindowPace:
    """A :class:`~kanhw.gateware.line_buffer.LineBuffer` with a pipeline behind it."""

    def __init__(self, raster: Raster, depth: int) -> None:
        rows, columns = raster.axes
        self._pixels = np.outer(rows.occupied, columns.occupied).ravel().tolist()
        self._windows = np.outer(rows.windows, columns.windows).ravel().tolist()
        self._first, self._reach = raster.first, raster.last - raster.first
        self._slots = raster.slots
        self._slot = self._fill = self._place = 0
        self._filling = self._busy = self._window = False
        self._bits = [False] * depth
        self.valid = False

    def step(self, offered: bool, ready: bool) -> bool:
        flows = ready or not self.valid
        free = flows or not self._window
        at_start, pixel = self._slot == 0, self._pixels[self._slot]
        starts = at_start and offered and not self._filling
        due = self._filling or self._busy
        moves = free and ((starts or due) if at_start else (offered or not pixel))
        accepts = free and pixel and not (at_start and self._filling)
        if flows:
            self._bits = [self._window, *self._bits[:-1]]
            self.valid = self._bits[-1]
        if moves:
            self._slot = (self._slot + (starts or not at_start)) % self._slots
            self._window = self._advance(starts)
        elif flows:
            self._window = False
        return accepts

    def _advance(self, starts: bool) -> bool:
        """Whether this slot completes a window."""
        first = self._filling and self._fill == self._first if self._first else starts
        if self._first and (starts or self._filling):
            self._filling = not first
            self._fill = 1 if starts else self._fill + 1
        if not (first or self._busy):
            return False
        place, self._busy = self._place, self._place != self._reach
        self._place = (place + 1) % self._slots if self._busy else 0
        return self._windows[place]
