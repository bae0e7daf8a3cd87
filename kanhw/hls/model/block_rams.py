"""How many block RAMs of 18 kbit a memory takes on UltraScale+ parts."""

from __future__ import annotations

__all__ = ["bram18"]

# Words and bits of a RAMB18E2; its widest form has two ports of one direction each.
_SHAPES = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))


def bram18(words: int, bits: int) -> int:
    """Block RAMs of 18 kbit for a memory: blocks of the shape that its depth needs, side by side.

    A memory deeper than a block is cascaded from the deepest ones, as HLS tools do, rather than
    from those that would take the fewest.
    """
    for depth, width in _SHAPES:
        if words <= depth:
            return -(-bits // width)
    depth, width = _SHAPES[-1]
    return -(-words // depth) * -(-bits // width)
