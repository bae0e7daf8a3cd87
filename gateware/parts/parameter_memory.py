"""Memories of parameters, and integers as their words."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import unsigned
from amaranth.lib.memory import Memory

from kanhw.formats import IntArray
from kanhw.gateware.parts.costs import MemoryContent, MemoryShape
from kanhw.gateware.parts.table import costs_of_columns, sizes_of_bits
from kanhw.targets.memories import BLOCK_BITS

__all__ = ["memory_shape", "packed_words", "parameter_memory"]


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


def memory_shape(
    words: list[int], width: int, *, ports: int = 1, others: set[bytes] | None = None
) -> MemoryShape:
    """The same memory, counted.

    Parameters
    ----------
    words, width
        As for :func:`parameter_memory`.
    ports
        Read ports.
    others
        Bits of memories with the same address, which are not made again; those of this one are
        added to them. None: no other memory has its address.
    """
    if len(words) * width >= BLOCK_BITS or not width:
        return MemoryShape(len(words), width, ports)
    rows = np.frombuffer(
        b"".join(word.to_bytes(-(-width // 8), "little") for word in words), np.uint8
    ).reshape(len(words), -1)
    bits = np.unpackbits(rows, axis=1, bitorder="little")[:, :width].T
    # Words that are not there are never read.
    depth = 1 << max((len(words) - 1).bit_length(), 1)
    sizes = sizes_of_bits(np.pad(bits, ((0, 0), (0, depth - len(words))), mode="edge"))
    known = set[bytes]() if others is None else others
    own = {column: size for column, size in sizes.items() if column not in known}
    known.update(own)
    costs = costs_of_columns(own, registered=True)
    content = MemoryContent(costs.table_bits, costs.table_pieces, costs.register_bits)
    return MemoryShape(len(words), width, ports, content=content)
