"""Flip-flops with enable and synchronous reset."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kanhw.targets.cells.batch import Batch, CellKind, FlipFlop, Words, held, masks
from kanhw.targets.cells.cell import Cell

__all__ = ["FlipFlop", "flip_flop"]


class _FlipFlops(Batch):
    def __init__(self, made: Sequence[FlipFlop], words: int) -> None:
        def column(bits: Sequence[int | bool]) -> Words:
            return masks(bits)[:, None]

        self._inverted = masks([one.inverted for one in made]).T[:, :, None]
        self._always = column([not one.enabled for one in made])
        self._enable_first = column([one.enable_first for one in made])
        self._reset = column([one.reset for one in made])
        initial = column([one.initial for one in made])
        self._state = np.broadcast_to(initial, (len(made), words)).copy()

    def outputs(self, inputs: Words) -> Words:
        return self._state[None]

    def clock(self, inputs: Words) -> None:
        data, enable, reset = inputs ^ self._inverted
        enable = enable | self._always
        reset = reset & (enable | ~self._enable_first)
        taken = self._state ^ ((self._state ^ data) & enable)
        self._state = taken ^ ((taken ^ self._reset) & reset)

    def run(self, inputs: Words) -> Words:
        data, enable, reset = inputs ^ self._inverted[:, :, None]
        enable |= self._always[:, None]
        reset &= enable | ~self._enable_first[:, None]
        data ^= (data ^ self._reset[:, None]) & reset
        states, self._state = held(self._state, data, enable | reset)
        return states[None]


def flip_flop(ports: Sequence[str], output: str, describe: Callable[[Cell], FlipFlop]) -> CellKind:
    """A flip-flop.

    Parameters
    ----------
    ports
        Of data, enable and reset; one that the cell has not is low.
    output
        Its output.
    describe
        How a cell is set up; raises ``InputError`` for one that is not simulated.
    """
    return CellKind(
        "ff",
        [(name, 0) for name in ports],
        [(output, 0)],
        lambda cells, words: _FlipFlops([describe(cell) for cell in cells], words),
        clocked=True,
        register=describe,
    )
