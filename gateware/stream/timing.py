"""When the stages of a chain take and give: their handshakes, cycle by cycle."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from kanhw.gateware.folded.folded_stage import FoldedStage
from kanhw.gateware.heads.resident_stage import ResidentStage
from kanhw.gateware.image.folded_convolution import FoldedConvolutionStage
from kanhw.gateware.image.windowed_stage import WindowedStage
from kanhw.gateware.stream.cycle_model import Pace, walked
from kanhw.gateware.stream.stage import Stage
from kanhw.gateware.stream.width_converter import CollectStage, SplitStage
from kanhw.gateware.unrolled.pipeline_stage import PipelineStage
from kanhw.schedule.raster import Raster

__all__ = ["chain_timing"]


def chain_timing(stages: Sequence[Stage]) -> tuple[int, int]:
    """Latency and initiation interval of stages behind one another.

    The latency is that of the first input, without stalls and with others right behind it. It is
    the sum of the latencies, and the interval the largest of the intervals, unless there is a line
    buffer behind another stage, or a folded convolution: there it matters in which rhythm pixels
    come, which may also stall the stage in front in the midst of an image. Then the handshakes are
    walked through (:func:`~kanhw.gateware.stream.cycle_model.walked`). Folded layers keep a vector
    while the next arrives, so that neither they nor what follows need walking through.
    """
    windowed = [k for k, stage in enumerate(stages) if _has_windows(stage)]
    after = range(windowed[-1] + 1 if windowed else 0, len(stages))
    count = next((k for k in after if _is_serial(stages[k])), len(stages))
    latency = sum(stage.latency for stage in stages[count:])
    interval = max((stage.initiation_interval for stage in stages[count:]), default=1)
    front = stages[:count]
    folded = any(isinstance(stage, FoldedConvolutionStage) for stage in front)
    if folded or any(isinstance(stage, WindowedStage) for stage in front[1:]):
        paces = [_pace(stage) for stage in front if not _is_wires(stage)]
        first, pace = walked(paces, front[0].inputs.beats, front[-1].outputs.beats)
        return first + latency, max(pace, interval)
    intervals = (stage.initiation_interval for stage in front)
    return sum(stage.latency for stage in front) + latency, max((interval, *intervals))


def _has_windows(stage: Stage) -> bool:
    return isinstance(stage, WindowedStage | FoldedConvolutionStage)


def _is_serial(stage: Stage) -> bool:
    """Whether it is a folded layer of vectors, or vectors come or leave it in portions."""
    portions = (stage.inputs.length, stage.outputs.length)
    return isinstance(stage, FoldedStage | ResidentStage) or portions != (None, None)


def _is_wires(stage: Stage) -> bool:
    return isinstance(stage, PipelineStage) and stage.latency == 0


def _pace(stage: Stage) -> Pace:
    if isinstance(stage, WindowedStage):
        return _WindowPace(stage.raster, stage.core.latency)
    if isinstance(stage, FoldedConvolutionStage):
        return stage.pace()
    if isinstance(stage, SplitStage):
        return _SplitPace(stage.outputs.portions)
    if isinstance(stage, CollectStage):
        return _CollectPace(stage.unit, stage.portions)
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

    def state(self) -> Hashable:
        return self._count, self._resting, *self._bits


class _SplitPace:
    """A :class:`~kanhw.gateware.stream.width_converter.SplitStage`."""

    def __init__(self, portions: int) -> None:
        self._portions = portions
        self._place = 0
        self.valid = False

    def step(self, offered: bool, ready: bool) -> bool:
        last = self._place == self._portions - 1
        accepts = not self.valid or (last and ready)
        if self.valid and ready:
            self._place = 0 if last else self._place + 1
        if accepts:
            self.valid = offered
        return accepts

    def state(self) -> Hashable:
        return self._place, self.valid


class _CollectPace:
    """A :class:`~kanhw.gateware.stream.width_converter.CollectStage`."""

    def __init__(self, unit: int, portions: int) -> None:
        self._unit, self._portions = unit, portions
        self._place = self._beat = 0
        self.valid = False

    def step(self, offered: bool, ready: bool) -> bool:
        accepts = ready or not self.valid
        if accepts:
            ends = self._beat == self._unit - 1
            last = ends or self._place == self._portions - 1
            self.valid = offered and last
            if offered:
                self._place = 0 if last else self._place + 1
                self._beat = 0 if ends else self._beat + 1
        return accepts

    def state(self) -> Hashable:
        return self._place, self._beat, self.valid


class _WindowPace:
    """A :class:`~kanhw.gateware.image.line_buffer.LineBuffer` with a pipeline behind it."""

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

    def state(self) -> Hashable:
        slots = self._slot, self._fill, self._place
        return *slots, self._filling, self._busy, self._window, *self._bits

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
