"""Models of the handshakes of stages of windows, cycle by cycle."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

import numpy as np

from kanhw.gateware.image.window_buffer import WindowBuffer
from kanhw.schedule.fold import Fold
from kanhw.schedule.raster import Raster

__all__ = ["FoldedPace", "LinePace"]


class FoldedPace:
    """A window buffer and a folded layer, as :mod:`kanhw.gateware.stream.cycle_model` takes them.

    Parameters
    ----------
    buffer
        The window buffer.
    fold
        Of the layer.
    depth
        Cycles from the codes of a step to what it adds.
    serializer_depth
        Cycles from accumulators to codes.
    """

    def __init__(self, buffer: WindowBuffer, fold: Fold, depth: int, serializer_depth: int) -> None:
        lacking, in_row, to_row = buffer.lacking
        self._in_row, self._to_row = in_row.tolist(), to_row.tolist()
        self._freed = buffer.freed.tolist()
        self._beats, self._steps = fold.beats, fold.steps
        self._rows, self._turns = fold.rows, fold.out_beats
        # The two counters of the window buffer: words that the window lacks, and room for words.
        self._lacks, self._room = lacking, buffer.fold.depth
        self._step = self._column = self._row = 0
        self._read = self._ends = False
        # The ends of groups on their way to the accumulators, and codes on theirs out.
        self._pipeline = deque([False] * (depth + 1), depth + 1)
        self._busy, self._place, self._turn = False, 0, 0
        self._codes = deque([False] * serializer_depth, serializer_depth)
        self.valid = False

    def step(self, offered: bool, ready: bool) -> bool:
        """Go through one clock, and say whether the stage was ready for an input."""
        hands_on = ready or not self.valid
        ends = self._place == self._rows - 1 or self._turn == self._turns - 1
        taken = not self._busy or (hands_on and ends)
        finished = self._pipeline[-1]
        moves = not finished or taken
        reads = moves or not self._read
        accepts = self._room > 0
        if hands_on:
            self._hand_on(ends)
        if taken:
            self._busy = finished
        if moves:
            self._pipeline.appendleft(self._read and self._ends)
        if reads:
            self._read = self._lacks <= 0
            if self._read:
                self._advance()
        if accepts and offered:
            self._lacks -= 1
            self._room -= 1
        return accepts

    def state(self) -> Hashable:
        """All that decides what it will do."""
        return (
            *(self._lacks, self._room, self._step, self._column, self._row),
            *(self._read, self._ends, self._busy, self._place, self._turn),
            *self._pipeline,
            *self._codes,
        )

    def _hand_on(self, ends: bool) -> None:
        self._codes.appendleft(self._busy)
        self.valid = self._codes[-1]
        if self._busy:
            self._place = 0 if ends else self._place + 1
            self._turn = (self._turn + 1) % self._turns

    def _advance(self) -> None:
        """Read a step."""
        self._ends = self._step % self._beats == self._beats - 1
        self._step += 1
        if self._step < self._steps:
            return
        self._step = 0
        if self._column < len(self._in_row) - 1:
            self._lacks += self._in_row[self._column]
            self._column += 1
            return
        self._lacks += self._to_row[self._row]
        self._room += self._freed[self._row]
        self._column, self._row = 0, (self._row + 1) % len(self._to_row)


class LinePace:
    """A :class:`~kanhw.gateware.image.line_buffer.LineBuffer` with a pipeline behind it.

    Parameters
    ----------
    raster
        The slots of an image.
    depth
        Cycles of the pipeline.
    """

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
        """Go through one clock, and say whether the stage was ready for an input."""
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
        """All that decides what it will do."""
        slots = self._slot, self._fill, self._place
        return *slots, self._filling, self._busy, self._window, *self._bits

    def _advance(self, starts: bool) -> bool:
        """Go to the next slot, and say whether it completes a window."""
        first = self._filling and self._fill == self._first if self._first else starts
        if self._first and (starts or self._filling):
            self._filling = not first
            self._fill = 1 if starts else self._fill + 1
        if not (first or self._busy):
            return False
        place, self._busy = self._place, self._place != self._reach
        self._place = (place + 1) % self._slots if self._busy else 0
        return self._windows[place]
