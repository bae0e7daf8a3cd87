"""When each end of a stream pauses, drawn from a seed."""

from __future__ import annotations

import random

__all__ = ["StallPlan"]

_KINDS = ("none", "light", "heavy", "blocked", "starved")


class StallPlan:
    """Phases without stalls, with light and with heavy ones, each end drawn independently.

    In a ``blocked`` phase the consumer takes nothing for longer than the pipeline is deep, so
    that it fills up; in a ``starved`` one the producer pauses until it has run empty.

    Parameters
    ----------
    seed
        Equal seeds give equal plans.
    latency
        Of the design, in cycles.
    enabled
        False never stalls.
    """

    def __init__(self, seed: int, latency: int, *, enabled: bool = True) -> None:
        self._random = random.Random(seed)
        self._long = latency + 8
        self._enabled = enabled
        self._left = 0
        self._send = self._take = 1.0

    def step(self) -> tuple[bool, bool]:
        """Whether the producer offers and whether the consumer takes in the next cycle."""
        if not self._enabled:
            return True, True
        if self._left == 0:
            self._new_phase()
        self._left -= 1
        return self._random.random() < self._send, self._random.random() < self._take

    def _new_phase(self) -> None:
        draw = self._random
        kind = draw.choice(_KINDS)
        self._left = draw.randint(8, 64)
        self._send = self._take = 1.0
        if kind == "light":
            self._send, self._take = draw.uniform(0.7, 0.95), draw.uniform(0.7, 0.95)
        elif kind == "heavy":
            self._send, self._take = draw.uniform(0.1, 0.5), draw.uniform(0.1, 0.5)
        elif kind == "blocked":
            self._left, self._take = self._long, 0.0
        elif kind == "starved":
            self._left, self._send = self._long, 0.0
