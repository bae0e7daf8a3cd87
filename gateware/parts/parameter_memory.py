"""Memories of parameters, and integers as their words."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import unsigned
from amaranth.lib.memory import Memory

from kanhw.formats import IntArray
from kanhw.targets.memories import BLOCK_BITS

__all__ = ["packed_words", "parameter_memory"]


def packed_words(values: IntArray, width: int) -> list[int]:
    """Rows of integers as memory words, ``width`` bits each in two's complement, first lowest.

    Parameters
    ----------
    values
        ``[words, count]``.
    width
        Bits of each.
    """
    bits = (values[:, :, None] >> np.arange(width)) & 1
    packed = np.packbits(bits.reshape(len(values), -1).astype(np.uint8), axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


def parameter_memory(words: list[int], width: int) -> Memory:
    """A memory that is never written, in block RAM unless it is small."""
    large = len(words) * width >= BLOCK_BITS
    attributes = {"ram_style": "block", "rom_style": "block"} if large else {}
    return Memory(shape=unsigned(width), depth=len(words), init=words, attrs=attributes)
