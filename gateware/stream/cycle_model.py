"""The handshakes of stages behind one another, simulated cycle by cycle."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol

__all__ = ["BeatPace", "Pace", "simulated_timing"]

# Images after which a chain that has not found a steady rhythm is measured as it is.
MOST_IMAGES = 24


class Pace(Protocol):
    """The handshake of a stage."""

    valid: bool

    def step(self, offered: bool, ready: bool) -> bool:
        """Go through one clock, and say whether the stage was ready for an input."""

    def state(self) -> Hashable:
        """All that decides what it will do."""


def simulated_timing(paces: Sequence[Pace], in_beats: int, out_beats: int) -> tuple[int, int]:
    """Latency and initiation interval of stages that are offered, and rid of, a beat every clock.

    Parameters
    ----------
    paces
        The stages, in order.
    in_beats, out_beats
        Beats of an image in front of the first and behind the last.

    Returns
    -------
    Clock edges from the last beat of the first image to the last of its output; and clocks between
    two images once they come in a steady rhythm, the average rounded up if several take turns.
    """
    given, accepted, cycle = 0, 0, 0
    last_taken, ends = 0, list[int]()
    seen = dict[Hashable, int]()
    while True:
        # Valid bits are registers: all of them are known at the begin of a clock. Readiness goes
        # from the last stage to the first within the clock.
        offers = [True, *(pace.valid for pace in paces)]
        ready, ended = True, False
        if offers[-1]:
            given += 1
            ended = given % out_beats == 0
        for pace, offered in zip(reversed(paces), reversed(offers[:-1]), strict=True):
            ready = pace.step(offered, ready)
        if ready:
            accepted += 1
            if accepted == in_beats:
                last_taken = cycle
        if ended:
            ends.append(cycle)
            # The same state at the end of an earlier image: from there on everything repeats.
            state = (accepted % in_beats, *(pace.state() for pace in paces))
            before = seen.setdefault(state, len(ends) - 1)
            images = len(ends) - 1 - before
            if images or len(ends) == MOST_IMAGES:
                before = before if images else len(ends) // 2
                images = len(ends) - 1 - before
                return ends[0] - last_taken, -((ends[before] - ends[-1]) // images)
        cycle += 1


class BeatPace:
    """Every so many beats one result, ``latency`` clocks later; stalled as a whole.

    Parameters
    ----------
    beats
        Of an input.
    interval
        Clocks between two inputs of one beat.
    latency
        Clocks from the last beat of an input to its result, at least 1.
    """

    def __init__(self, beats: int, interval: int, latency: int) -> None:
        self._beats = beats
        self._rest = 0 if beats > 1 else interval - 1
        self._bits = [False] * latency
        self._count = self._resting = 0
        self.valid = False

    def step(self, offered: bool, ready: bool) -> bool:
        """Go through one clock, and say whether the stage was ready for an input."""
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
        """All that decides what it will do."""
        return self._count, self._resting, *self._bits
