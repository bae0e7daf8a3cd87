"""The address map of a head: all memories of a design in one space of addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kanhw.formats import IntArray
from kanhw.gateware.heads.resident_stage import ResidentStage
from kanhw.program import Program
from kanhw.program.kinds.codebook import CodebookLayer

__all__ = ["DATA_BITS", "HeadMap", "HeadRegion"]

# Bits that are written at a time.
DATA_BITS = 32


@dataclass(frozen=True)
class HeadRegion:
    """The addresses of one memory.

    Word w of the memory is at ``base + w * 2**chunk_bits``, 32 bits an address, the lowest first.

    Parameters
    ----------
    stage, memory
        Which stage, of those with heads, and which of its memories.
    words, width
        Words of a head, and bits of each.
    base
        The first address; a multiple of the region's size.
    """

    stage: int
    memory: int
    words: int
    width: int
    base: int = 0

    @property
    def chunks(self) -> int:
        """Addresses that make a word."""
        return -(-self.width // DATA_BITS)

    @property
    def chunk_bits(self) -> int:
        """Address bits below the number of the word."""
        return (self.chunks - 1).bit_length()

    @property
    def bits(self) -> int:
        """Address bits of the region."""
        return (self.words - 1).bit_length() + self.chunk_bits


class HeadMap:
    """All memories that hold a head, the largest first, each at a multiple of its size.

    Parameters
    ----------
    stages
        Those with heads, in order.
    """

    def __init__(self, stages: Sequence[ResidentStage]) -> None:
        self._stages = tuple(stages)
        found = [
            HeadRegion(s, k, region.words, region.width)
            for s, stage in enumerate(stages)
            for k, region in enumerate(stage.regions)
        ]
        placed, base = [], 0
        for region in sorted(found, key=lambda region: -region.bits):
            placed.append(HeadRegion(region.stage, region.memory, region.words, region.width, base))
            base += 1 << region.bits
        self.regions = tuple(placed)
        self.address_bits = max((base - 1).bit_length(), 1)

    def image(self, program: Program) -> IntArray:
        """The writes that give a head the contents of a network, ``[writes, 2]``.

        Parameters
        ----------
        program
            A network without heads, in the form that :meth:`kanhw.program.Program.head` gives: a
            new one is put into the Program by :meth:`~kanhw.program.Program.with_head` first.

        Returns
        -------
        Addresses, and 32 bits of data each, in an order in which they may be written.
        """
        layers = [layer for layer in program.layers if isinstance(layer, CodebookLayer)]
        words = [s.head_words(layer) for s, layer in zip(self._stages, layers, strict=True)]
        writes = []
        for region in self.regions:
            for place, word in enumerate(words[region.stage][region.memory]):
                first = region.base + (place << region.chunk_bits)
                for chunk in range(region.chunks):
                    value = word >> (DATA_BITS * chunk) & ((1 << DATA_BITS) - 1)
                    writes.append((first + chunk, value))
        return np.array(writes, np.int64).reshape(-1, 2)
