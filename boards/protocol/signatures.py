"""The self-test's vectors and the signature of what comes out, as integer functions.

The generator is a row of 32-bit shift registers (Galois form, the primitive polynomial of CRC-32),
of which each takes the stepped state of its neighbour at every beat: bits that a network reads
change all at once, and the step costs wires and a few XORs. The signature is one such register that
every beat of outputs, folded to 32 bits, is added to. All is linear over GF(2), so the host jumps
over any number of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import numpy.typing as npt

__all__ = [
    "LANE_BITS",
    "SIGNATURE_START",
    "folded",
    "generated_beats",
    "lane_seeds",
    "lanes_of",
    "linear_masks",
    "signature_of",
    "step",
]

LANE_BITS = 32
SIGNATURE_START = 0xFFFFFFFF
_POLYNOMIAL = 0x04C11DB7
_MASK = 0xFFFFFFFF
# Odd, so that all multiples are different; the fraction of the golden ratio.
_SEED = 0x9E3779B9
# By which every next 32 bits of outputs are turned before they are added.
_TURN = 7

Words = npt.NDArray[np.uint32]


def step(state: int) -> int:
    """One step of a 32-bit register; every state but 0 comes in a period of 2^32 - 1."""
    return ((state << 1) & _MASK) ^ (_POLYNOMIAL if state >> 31 else 0)


def lanes_of(width: int) -> int:
    """Registers that make beats of ``width`` bits."""
    return -(-width // LANE_BITS)


def lane_seeds(lanes: int) -> list[int]:
    """The first state of every register, none of them 0."""
    return [(k + 1) * _SEED & _MASK for k in range(lanes)]


def folded(beat: int) -> int:
    """A beat of outputs as 32 bits: all its words, each turned by 7 more bits, added."""
    result = turn = 0
    while beat:
        word = beat & _MASK
        result ^= (word << turn | word >> (32 - turn)) & _MASK
        beat >>= 32
        turn = (turn + _TURN) % 32
    return result


def linear_masks(function: Callable[[int], int], bits_in: int, bits_out: int) -> list[int]:
    """Of every bit of a linear function's result, the bits of its argument whose sum it is."""
    images = [function(1 << k) for k in range(bits_in)]
    return [
        sum((image >> bit & 1) << k for k, image in enumerate(images)) for bit in range(bits_out)
    ]


def generated_beats(width: int, count: int, first: int = 0) -> npt.NDArray[np.uint8]:
    """Beats of the self-test.

    Parameters
    ----------
    width
        Bits of a beat.
    count
        How many.
    first
        The number of the first one; 0 is what follows reset.

    Returns
    -------
    uint8 array ``[count, ceil(width / 8)]``, least significant byte first; bits above ``width``
    are 0.
    """
    lanes = lanes_of(width)
    steps = np.arange(first, first + count)
    start = np.array(lane_seeds(lanes), np.uint32)
    # Of the register that stands in lane j at step t, the seed was in lane j - t.
    origin = (np.arange(lanes)[None, :] - steps[:, None]) % lanes
    states = np.empty((count, lanes), np.uint32)
    if count:
        states[0] = _jumped(start, first)
        done = 1
        while done < count:
            more = min(done, count - done)
            states[done : done + more] = _jumped(states[:more], done)
            done += more
    turned = np.take_along_axis(states, origin, axis=1)
    octets = np.ascontiguousarray(turned.astype("<u4")).view(np.uint8)[:, : -(-width // 8)].copy()
    if width % 8 and count:
        octets[:, -1] &= (1 << width % 8) - 1
    return octets


def signature_of(beats: Iterator[npt.NDArray[np.uint8]]) -> int:
    """The signature of outputs.

    Parameters
    ----------
    beats
        Pieces of any length, uint8 ``[N, bytes of a beat]``, least significant byte first.
    """
    signature = SIGNATURE_START
    for piece in beats:
        words = _folded_words(piece)
        signature = int(_jumped(np.array([signature], np.uint32), len(words))[0]) ^ _summed(words)
    return signature


def _folded_words(piece: npt.NDArray[np.uint8]) -> Words:
    """:func:`folded` of every row."""
    size = -(-piece.shape[1] // 4) * 4
    wide = np.zeros((len(piece), size), np.uint8)
    wide[:, : piece.shape[1]] = piece
    words = wide.view("<u4").astype(np.uint32)
    result = np.zeros(len(piece), np.uint32)
    for k in range(words.shape[1]):
        turn = k * _TURN % 32
        column = words[:, k]
        result ^= (column << turn) | (column >> (32 - turn) if turn else np.uint32(0))
    return result


def _summed(words: Words) -> int:
    """The register behind words added to 0 one after the other, a step after each but the last."""
    # In front, zeros change nothing.
    length = 1 << max(len(words) - 1, 0).bit_length()
    values = np.concatenate([np.zeros(length - len(words), np.uint32), words])
    distance = 1
    while len(values) > 1:
        values = _jumped(values[0::2], distance) ^ values[1::2]
        distance *= 2
    return int(values[0])


def _jumped(states: Words, steps: int) -> Words:
    """States after so many steps each."""
    result = states.copy()
    for power in range(steps.bit_length()):
        if steps >> power & 1:
            table = _jump_table(power)
            result = (
                table[0][result & 0xFF]
                ^ table[1][result >> 8 & 0xFF]
                ^ table[2][result >> 16 & 0xFF]
                ^ table[3][result >> 24]
            )
    return result


@cache
def _jump_table(power: int) -> Words:
    """2^power steps of every byte of a state, ``[4, 256]``."""
    if power == 0:
        rows = [[step(byte << 8 * place) for byte in range(256)] for place in range(4)]
        return np.array(rows, np.uint32)
    half = _jump_table(power - 1)
    again: Words = (
        half[0][half & 0xFF]
        ^ half[1][half >> 8 & 0xFF]
        ^ half[2][half >> 16 & 0xFF]
        ^ half[3][half >> 24]
    )
    return again
