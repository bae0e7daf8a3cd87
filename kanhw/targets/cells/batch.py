"""What a kind of cell computes, for all of its cells that can be computed at once.

Values are bits of many independent copies of a circuit, 64 in a word: a net is a row of words.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanhw.targets.cells.cell import Cell

__all__ = [
    "Batch",
    "CellKind",
    "FlipFlop",
    "Words",
    "held",
    "integers",
    "masks",
    "packed",
    "ports_of",
]

Words = npt.NDArray[np.uint64]


class Batch(ABC):
    """Cells of one kind.

    A cell without a clock only has :meth:`outputs`. One with a clock holds a state, which changes
    in :meth:`clock`; whether its outputs hang on its inputs besides, its kind says.
    """

    @abstractmethod
    def outputs(self, inputs: Words) -> Words:
        """The outputs ``[outputs, cells, words]`` for the inputs ``[inputs, cells, words]``."""

    def clock(self, inputs: Words) -> None:
        """Take over the state behind a clock edge, with these inputs before it."""
        raise NotImplementedError(f"{type(self).__name__} has no clock")

    def run(self, inputs: Words) -> Words:
        """Go over clock edges: the outputs before each, ``[outputs, cells, clocks, words]``.

        Parameters
        ----------
        inputs
            Before each, ``[inputs, cells, clocks, words]``.
        """
        found = []
        for clock in range(inputs.shape[2]):
            given = inputs[:, :, clock]
            # A state may be changed in place.
            found.append(self.outputs(given).copy())
            self.clock(given)
        return np.stack(found, axis=2)


@dataclass(frozen=True)
class FlipFlop:
    """How one flip-flop is set up.

    Parameters
    ----------
    initial, reset
        Its value at first, and behind a reset.
    inverted
        Whether data, enable and reset are low when they are true.
    enabled
        Whether its enable counts.
    enable_first
        Whether a reset works only while it is enabled.
    """

    initial: int = 0
    reset: int = 0
    inverted: tuple[int, int, int] = (0, 0, 0)
    enabled: bool = True
    enable_first: bool = False


@dataclass(frozen=True)
class CellKind:
    """A type of cell, as it is simulated.

    Parameters
    ----------
    part
        What its energy is counted as: lut, ff, carry, mux.
    inputs, outputs
        Bits of its ports, as ``("DI", 3)``, in the order of :class:`Batch`.
    make
        A batch for some cells and the number of words of a net.
    clocked
        Whether it has a state.
    looks_up
        Of a clocked one: inputs that its outputs hang on within a clock.
    register
        Of a flip-flop: how a cell is set up; its inputs are data, enable and reset.
    chain
        Of a carry chain: bits. Its inputs are those that pass a carry on, those that make one where
        it is not passed, and the carries that come in; its outputs sums and carries.
    delays
        Of a shift register: the input that leaves it later; empty for any other.
    """

    part: str
    inputs: Sequence[tuple[str, int]]
    outputs: Sequence[tuple[str, int]]
    make: Callable[[Sequence[Cell], int], Batch]
    clocked: bool = False
    looks_up: Sequence[tuple[str, int]] = ()
    register: Callable[[Cell], FlipFlop] | None = None
    chain: int = 0
    delays: Sequence[tuple[str, int]] = ()


def masks(bits: npt.ArrayLike) -> Words:
    """Words of all ones where a bit is 1, and of zeros elsewhere."""
    return np.where(np.asarray(bits, bool), ~np.uint64(0), np.uint64(0))


def alike(address: Words) -> npt.NDArray[np.int64] | None:
    """The numbers ``[...]`` that all copies have, of ``[bits, ..., words]``; None: they differ."""
    first = address[..., 0] & np.uint64(1)
    if (address != masks(first)[..., None]).any():
        return None
    found = np.zeros(first.shape[1:], np.int64)
    for place, bit in enumerate(first.astype(np.int64)):
        found += bit << place
    return found


def held(first: Words, given: Words, taken: Words) -> tuple[Words, Words]:
    """What registers hold that take what is given at some clock edges alone.

    Parameters
    ----------
    first
        What they hold before the first edge, ``[..., words]``.
    given
        What they would take at each, ``[..., clocks, words]``.
    taken
        Whether they do, likewise.

    Returns
    -------
    tuple
        What they hold before each edge, ``[..., clocks, words]``, and behind the last one.
    """
    # What an edge leaves, if the ones before it left nothing; then from ever earlier edges.
    value, known = given & taken, np.broadcast_to(taken, given.shape)
    step = 1
    while step < given.shape[-2] and (known != ~np.uint64(0)).any():
        later, earlier = np.s_[..., step:, :], np.s_[..., :-step, :]
        value, before = value.copy(), value
        value[later] |= before[earlier] & ~known[later]
        known, before = known.copy(), known
        known[later] |= before[earlier]
        step *= 2
    value |= first[..., None, :] & ~known
    states = np.concatenate([first[..., None, :], value[..., :-1, :]], axis=-2)
    return states, value[..., -1, :]


def integers(bits: Words, *, signed: bool) -> npt.NDArray[np.int64]:
    """Words ``[bits, ..., words]``, the lowest bit first, as integers ``[..., copies]``.

    Of up to 64 bits.
    """
    octets = np.ascontiguousarray(bits).view(np.uint8)
    shape = octets.shape[1:]
    found = np.zeros((*shape, 8, 8), np.uint8)
    for lowest in range(0, len(bits), 8):
        eight = np.zeros((*shape, 8), np.uint8)
        for row, octet in enumerate(octets[lowest : lowest + 8]):
            eight[..., row] = octet
        found[..., lowest // 8] = (
            _transposed(eight.view(np.uint64)).view(np.uint8).reshape(*shape, 8)
        )
    numbers = found.view(np.int64).reshape(*shape[:-1], -1)
    if signed:
        shift = np.int64(64 - len(bits))
        numbers = numbers << shift >> shift
    return numbers


def bits_of(numbers: npt.NDArray[np.int64], count: int) -> Words:
    """Undo :func:`integers`: integers ``[..., copies]`` as words ``[bits, ..., words]``."""
    octets = np.ascontiguousarray(numbers).view(np.uint8).reshape(*numbers.shape[:-1], -1, 8, 8)
    found = np.empty((count, *numbers.shape[:-1], octets.shape[-3]), np.uint8)
    for lowest in range(0, count, 8):
        eight = np.ascontiguousarray(octets[..., lowest // 8]).view(np.uint64)
        turned = _transposed(eight).view(np.uint8).reshape(*eight.shape[:-1], 8)
        for row in range(lowest, min(lowest + 8, count)):
            found[row] = turned[..., row - lowest]
    return found.view(np.uint64)


def _transposed(squares: Words) -> Words:
    """Squares of 8 times 8 bits, a byte a row, with rows and columns exchanged."""
    for apart, mask in ((7, 0x00AA00AA00AA00AA), (14, 0x0000CCCC0000CCCC), (28, 0xF0F0F0F0)):
        moved = (squares ^ (squares >> np.uint64(apart))) & np.uint64(mask)
        squares = squares ^ moved ^ (moved << np.uint64(apart))
    return squares


def packed(bits: npt.NDArray[np.uint8] | npt.NDArray[np.bool_]) -> Words:
    """Bits ``[..., copies]``, of a multiple of 64 copies, as words ``[..., words]``."""
    octets = np.packbits(bits, axis=-1, bitorder="little")
    return np.ascontiguousarray(octets).view(np.uint64)


def ports_of(widths: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    """All bits of some ports, lowest first."""
    return tuple((name, bit) for name, width in widths.items() for bit in range(width))
