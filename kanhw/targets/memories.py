"""How synthesis spreads a memory over the block RAMs of a family, and what is left for LUTs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

__all__ = ["BLOCK_BITS", "BlockRams", "BlockShape", "MappedMemory"]

# Block RAM is asked for from this many bits on; smaller memories of constants are left to the
# synthesiser, which may make them of LUTs.
BLOCK_BITS = 4096


@dataclass(frozen=True)
class MappedMemory:
    """What a memory takes.

    Parameters
    ----------
    bram
        Block RAMs, in the ``bram_unit`` of the target.
    choice_luts
        LUTs that choose between blocks that hold different words.
    table_luts
        LUTs of a memory that is no block RAM.
    """

    bram: int = 0
    choice_luts: int = 0
    table_luts: int = 0


@dataclass(frozen=True)
class BlockShape:
    """One way to use a block RAM, such as half of it.

    Parameters
    ----------
    bits
        It holds, without parity: widths of 9 and more have a parity bit for every 8.
    widths
        Bits a word may have with one read port, and with two.
    cost
        What Yosys' memory_libmap weighs it with.
    count
        Of the target's ``bram_unit``.
    """

    bits: int
    widths: tuple[tuple[int, ...], tuple[int, ...]]
    cost: float
    count: int

    def words(self, width: int) -> int:
        """Words of ``width`` bits."""
        return self.bits // (width // 9 * 8 if width >= 9 else width)


@dataclass(frozen=True, kw_only=True)
class BlockRams:
    """The memories of a family.

    Parameters
    ----------
    shapes
        Of its block RAMs.
    choice_cost
        What memory_libmap weighs a bit of a multiplexer between blocks with, beside their costs.
    lut_words
        Words, of a bit, that a LUT holds as memory.
    written_ports, written_luts
        Bits, and LUTs that it takes, of the widest memory of ``lut_words`` words that is written.
    """

    shapes: tuple[BlockShape, ...]
    choice_cost: float
    lut_words: int
    written_ports: int
    written_luts: int

    def mapped(self, words: int, width: int, ports: int = 1, written: bool = False) -> MappedMemory:
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
        return _mapped(self, words, width, ports, written)


@cache
def _mapped(rams: BlockRams, words: int, width: int, ports: int, written: bool) -> MappedMemory:
    if words * width < BLOCK_BITS:
        groups = -(-words // rams.lut_words)
        sites = width * groups
        if written:
            sites = -(-width // rams.written_ports) * rams.written_luts * groups
        return MappedMemory(table_luts=sites * ports, choice_luts=_choices(groups, width) * ports)
    _, blocks, rows = min(_ways(rams, words, width, min(ports, 2)))
    return MappedMemory(bram=blocks, choice_luts=_choices(rows, width) * ports)


def _ways(rams: BlockRams, words: int, width: int, ports: int) -> Iterator[tuple[float, int, int]]:
    """Cost, number and rows of blocks of every shape and width of word."""
    for shape in rams.shapes:
        for wide in shape.widths[ports - 1]:
            rows, columns = -(-words // shape.words(wide)), -(-width // wide)
            choice = rams.choice_cost * (rows - 1) * width * ports
            yield rows * columns * shape.cost + choice, rows * columns * shape.count, rows


def _choices(count: int, width: int) -> int:
    """LUTs of six inputs that choose one of ``count`` words, four in each."""
    return width * -(-(count - 1) // 3)
