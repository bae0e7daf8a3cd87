"""How many block RAMs of 18 kbit, or look-up tables, a memory takes on UltraScale+ parts.

The rules are those that Vivado HLS 2019.1's reports of FuncCode's nine designs show.
"""

from __future__ import annotations

from functools import cache

__all__ = ["SMALLEST_MEMORY", "bram18", "memory_luts"]

SMALLEST_MEMORY = 1024
"""Bits below which a memory becomes look-up tables."""

# Words and bits of a RAMB18E2. The widest form has two ports of one direction each, and a memory
# of more words than that is not made of it.
_WIDEST = (512, 36)
_SHORT = 2048
_SHAPES = ((1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))


def bram18(words: int, bits: int, *, true_dual_port: bool = False) -> int:
    """Block RAMs of 18 kbit for a memory: its bits side by side in blocks of whichever shapes.

    A word is cut into slices of 18, 9, 4, 2 and 1 bits; a slice takes as many blocks of its shape
    as the words need, one behind the other. Of up to 2,048 words those slices are taken that need
    the fewest blocks, of more the widest that are left: 50,176 words of 32 bits are 18 + 9 + 4 + 1
    bits, 91 blocks.

    Parameters
    ----------
    words, bits
        Of the memory.
    true_dual_port
        Whether both ports read and write: then there is no shape of 36 bits.
    """
    if not true_dual_port and words <= _WIDEST[0]:
        return -(-bits // _WIDEST[1])
    if words <= _SHORT:
        return _least(words, bits)
    blocks = 0
    for depth, width in _SHAPES:
        blocks += bits // width * -(-words // depth)
        bits %= width
    return blocks


@cache
def _least(words: int, bits: int) -> int:
    """The fewest blocks for so many bits, by the widths of their slices."""
    fewest = [0] * (bits + 1)
    for wanted in range(1, bits + 1):
        fewest[wanted] = min(
            fewest[max(wanted - width, 0)] + -(-words // depth) for depth, width in _SHAPES
        )
    return fewest[bits]


def memory_luts(words: int, bits: int) -> int:
    """Look-up tables of a memory that is too small for a block RAM: one for every 64 bits."""
    return -(-words * bits // 64)
