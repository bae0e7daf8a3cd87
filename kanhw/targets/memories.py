"""How synthesis spreads a memory over the block RAMs of a family, and what is left for LUTs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

__all__ = ["BLOCK_BITS", "REGISTERS_FOR_LUTS", "BlockRams", "BlockShape", "MappedMemory"]

# Block RAM is asked for from this many bits on; smaller memories are left to the synthesiser, which
# may make them of LUTs.
BLOCK_BITS = 4096

REGISTERS_FOR_LUTS = 'setattr -set ram_style "logic" a:ram_style=distributed'
"""What Yosys does before synthesis for a family whose LUTs cannot be written: memories that are
asked for in LUTs, because they are read in the clock that gives the place, become flip-flops."""


@dataclass(frozen=True)
class MappedMemory:
    """What a memory takes.

    Parameters
    ----------
    bram
        Block RAMs, in the ``bram_unit`` of the target.
    choice_luts
        LUTs that choose between blocks, or LUTs, that hold different words.
    wide_choices
        Multiplexers of two that those are more than one of each.
    memory_luts
        LUTs that are used as memory.
    table
        Address bits and bits of a table of constants that the memory becomes; (0, 0): none.
    registers
        Flip-flops: those behind the read ports of what is no block RAM, and those of a memory that
        is made of them.
    """

    bram: int = 0
    choice_luts: int = 0
    wide_choices: int = 0
    memory_luts: int = 0
    table: tuple[int, int] = (0, 0)
    registers: int = 0


@dataclass(frozen=True)
class BlockShape:
    """One way to use a block RAM, such as half of it.

    Parameters
    ----------
    bits
        It holds, without parity.
    widths
        Bits a word may have with one read port, and with two; none with two where there is one.
    cost
        What Yosys' memory_libmap weighs it with.
    count
        Of the target's ``bram_unit``.
    parity
        Whether widths of 9 and more have a parity bit for every 8.
    """

    bits: int
    widths: tuple[tuple[int, ...], tuple[int, ...]]
    cost: float
    count: int
    parity: bool = True

    def words(self, width: int) -> int:
        """Words of ``width`` bits."""
        return self.bits // (width // 9 * 8 if self.parity and width >= 9 else width)


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
        Bits, and LUTs that it takes, of the widest memory of ``lut_words`` words that is written; 0
        where no LUT can be written, and flip-flops are.
    constant_cost
        What memory_libmap weighs a bit of constants in logic with; where a block is cheaper it is
        taken though nobody asks for it.
    written_cost
        The same for a bit of flip-flops, which a memory is made of that is written where no LUT
        can be; 0: LUTs can.
    old_words
        Whether a block gives the old word where one is read that is being written. Where it does
        not, synthesis delays what is written by a clock, compares places and chooses.
    """

    shapes: tuple[BlockShape, ...]
    choice_cost: float
    lut_words: int
    written_ports: int
    written_luts: int
    constant_cost: float = 0.0
    written_cost: float = 0.0
    old_words: bool = True

    def mapped(
        self,
        words: int,
        width: int,
        ports: int = 1,
        written: bool = False,
        registered: bool = True,
    ) -> MappedMemory:
        """The cheapest way to hold ``words`` of ``width`` bits.

        Parameters
        ----------
        words, width
            The memory's size.
        ports
            Read ports; a block has two at most.
        written
            Whether it is written as well, in which case one port is the writer's.
        registered
            Whether a word comes a clock after its place; what gives it in the same clock is no
            block RAM.
        """
        return _mapped(self, words, width, ports, written, registered)


@cache
def _mapped(
    rams: BlockRams, words: int, width: int, ports: int, written: bool, registered: bool
) -> MappedMemory:
    bits, behind = words * width, width * ports * registered
    cost, blocks, rows = min(_ways(rams, words, width, ports))
    cheaper = cost < bits * rams.written_cost if written else cost <= bits * rams.constant_cost
    if registered and (bits >= BLOCK_BITS or cheaper):
        found = replace(_chosen(rows, width * ports), bram=blocks)
        return found if rams.old_words or not written else _with_old_words(found, words, width)
    if not written:
        address = max((words - 1).bit_length(), 1)
        # Of few words there are few different bits: the others are copies.
        different = min(width, (1 << min(words, 60)) - 2) * ports
        return MappedMemory(table=(address, different), registers=different * registered)
    if not rams.written_ports:
        chosen = _chosen(words, width * ports)
        # And a LUT a word that says whether it is written.
        return replace(chosen, choice_luts=chosen.choice_luts + words, registers=bits + behind)
    groups = -(-words // rams.lut_words)
    sites = -(-width // rams.written_ports) * rams.written_luts * groups
    return replace(_chosen(groups, width * ports), memory_luts=sites * ports, registers=behind)


def _ways(rams: BlockRams, words: int, width: int, ports: int) -> Iterator[tuple[float, int, int]]:
    """Cost, number and rows of blocks of every shape and width of word."""
    for shape in rams.shapes:
        two = bool(shape.widths[1])
        copies = 1 if two else ports
        for wide in shape.widths[min(ports, 2) - 1] if two else shape.widths[0]:
            rows, columns = -(-words // shape.words(wide)), -(-width // wide) * copies
            choice = rams.choice_cost * (rows - 1) * width * ports
            yield rows * columns * shape.cost + choice, rows * columns * shape.count, rows


def _chosen(count: int, width: int) -> MappedMemory:
    """LUTs of six inputs that choose one of ``count`` words, four in each; multiplexers beyond."""
    luts = width * -(-(count - 1) // 3)
    return MappedMemory(choice_luts=luts, wide_choices=width * (count - 1) - luts)


def _with_old_words(blocks: MappedMemory, words: int, width: int) -> MappedMemory:
    """Blocks, and what gives the word that was there: a write that waits, and a choice."""
    address = max((words - 1).bit_length(), 1)
    return replace(
        blocks,
        choice_luts=blocks.choice_luts + width + address // 2 + 2,
        registers=2 * width + address + 1,
    )
