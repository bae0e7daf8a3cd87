"""How Yosys spreads a memory over the block RAMs of UltraScale+, and what is left for LUTs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

__all__ = ["MappedMemory", "map_memory"]

# Block RAM is asked for from this many bits on (kanhw.gateware.folded.folded_sums); LUTs hold the
# others.
BLOCK_BITS = 4096
# A LUT as memory of 64 words holds this many bits: a RAM64M8 has seven read ports for eight LUTs.
LUT_MEMORY_WORDS = 64
# What Yosys' memory_libmap weighs against each other: halves and wholes of a block, multiplexers.
HALF_COST, WHOLE_COST, CHOICE_COST = 129.0, 257.0, 0.5
# Words and bits of a block, which may be half a block or a whole one, by read ports.
HALVES = {1: (1, 2, 4, 9, 18, 36), 2: (1, 2, 4, 9, 18)}
WHOLES = {1: (1, 2, 4, 9, 18, 36, 72), 2: (1, 2, 4, 9, 18, 36)}
HALF_BITS, WHOLE_BITS = 1 << 14, 1 << 15


@dataclass(frozen=True)
class MappedMemory:
    """What a memory takes.

    Parameters
    ----------
    bram
        Block RAMs of 18 Kbit.
    choice_luts
        LUT6 that choose between blocks that hold different words.
    table_luts
        LUT6 of a memory that is no block RAM.
    """

    bram: int = 0
    choice_luts: int = 0
    table_luts: int = 0


@cache
def map_memory(words: int, width: int, ports: int = 1, written: bool = False) -> MappedMemory:
    """The cheapest way to hold ``words`` of ``width`` bits.

    Parameters
    ----------
    words, width
        The memory's size.
    ports
        Read ports; a block has two.
    written
        Whether it is written as well, in which case one port is the writer's.
    """
    if words * width < BLOCK_BITS:
        groups = -(-words // LUT_MEMORY_WORDS)
        sites = -(-width // 7) * 8 * groups if written else width * groups
        return MappedMemory(table_luts=sites * ports, choice_luts=_choices(groups, width) * ports)
    found = min(_ways(words, width, min(ports, 2)))
    _, blocks, rows = found
    return MappedMemory(bram=blocks, choice_luts=_choices(rows, width) * ports)


def _ways(words: int, width: int, ports: int) -> Iterator[tuple[float, int, int]]:
    """Cost, block RAMs of 18 Kbit and rows of blocks of every shape of block."""
    for bits, widths, cost, count in (
        (HALF_BITS, HALVES[ports], HALF_COST, 1),
        (WHOLE_BITS, WHOLES[ports], WHOLE_COST, 2),
    ):
        for wide in widths:
            # Widths of 9 and more have a parity bit for every 8.
            depth = bits // (wide // 9 * 8 if wide >= 9 else wide)
            rows, columns = -(-words // depth), -(-width // wide)
            choice = CHOICE_COST * (rows - 1) * width * ports
            yield rows * columns * cost + choice, rows * columns * count, rows


def _choices(count: int, width: int) -> int:
    """LUT6 that choose one of ``count`` words, four in each."""
    return width * -(-(count - 1) // 3)
