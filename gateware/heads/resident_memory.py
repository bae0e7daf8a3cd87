"""Memories of a resident codebook: the same words for every head, in a bank each."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from amaranth.hdl import Module, Value, unsigned
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from kanhw.formats import CodeFormat, IntArray
from kanhw.gateware.parts.constant_digits import signed_digits
from kanhw.gateware.parts.costs import HardwareCosts, MemoryShape
from kanhw.gateware.parts.parameter_memory import memory_shape, packed_words
from kanhw.gateware.parts.signals import Range
from kanhw.program import ResidentLayer
from kanhw.program.kinds.codebook import CodebookLayer
from kanhw.targets.memories import BLOCK_BITS

__all__ = ["BankedMemory", "HeadHolder", "bank_count", "packed_fields", "range_over"]


def bank_count(layer: ResidentLayer) -> int:
    """A bank per head, and one to write to."""
    return len(layer.heads) + (layer.writable is not None)


def range_over(declared: CodeFormat | None, values: Sequence[IntArray]) -> Range:
    """Of a declared format where there is one, else of what heads hold; 0 included."""
    if declared is not None:
        return Range(declared.lo, declared.hi)
    return Range(
        min(0, *(int(value.min()) for value in values)),
        max(0, *(int(value.max()) for value in values)),
    )


def packed_fields(fields: Sequence[tuple[IntArray, int]]) -> list[int]:
    """Words of several fields of different widths, the first lowest.

    Parameters
    ----------
    fields
        Rows of integers ``[words, count]``, and the bits that each takes.
    """
    words = [0] * len(fields[0][0])
    place = 0
    for values, width in fields:
        packed = packed_words(values, width)
        words = [word | more << place for word, more in zip(words, packed, strict=True)]
        place += width * values.shape[1]
    return words


class BankedMemory(Component):
    """``o = words[bank][address]``, a clock later.

    Parameters
    ----------
    banks
        The words of every bank that is there from the start.
    width
        Bits of a word.
    spare
        Whether there is a bank more, and a port to write to any of them. A word that is read while
        it is written is not said.

    Members
    -------
    enable : In(1)
        Whether a word is read; ``o`` keeps its value otherwise.
    bank, address : In(unsigned)
    o : Out(unsigned(width)), a clock later
    w_enable, w_bank, w_address, w_data : In
        Only with ``spare``.
    """

    def __init__(self, banks: Sequence[Sequence[int]], width: int, *, spare: bool) -> None:
        self._words = len(banks[0])
        self._width = width
        self._spare = spare
        self._init = [word for bank in banks for word in bank]
        self._count = len(banks) + spare
        bank = unsigned(max((self._count - 1).bit_length(), 1))
        address = unsigned(max((self._words - 1).bit_length(), 1))
        ports = {
            "enable": In(1),
            "bank": In(bank),
            "address": In(address),
            "o": Out(unsigned(width)),
        }
        if spare:
            ports |= {
                "w_enable": In(1),
                "w_bank": In(bank),
                "w_address": In(address),
                "w_data": In(unsigned(width)),
            }
        super().__init__(ports)

    @property
    def words(self) -> int:
        """Words of a bank."""
        return self._words

    @property
    def width(self) -> int:
        """Bits of a word."""
        return self._width

    @property
    def costs(self) -> HardwareCosts:
        """The words of all banks, and the place of a word for every port."""
        if self._spare:
            memory = MemoryShape(self._words * self._count, self._width, written=True)
        else:
            memory = memory_shape(self._init, self._width)
        # The first word of a bank is its number times the words, which are shifted additions.
        digits = len(signed_digits(self._words)) if self._count > 1 else 0
        # Shifted by as much as an address has bits, the number is just put in front of it.
        added = digits if self._words & (self._words - 1) else 0
        place = (self._words * self._count - 1).bit_length()
        return HardwareCosts(adder_bits=added * place * (1 + self._spare), memories=(memory,))

    def elaborate(self, platform: object) -> Module:
        """A memory with a read port and perhaps a write port."""
        m = Module()
        depth = self._words * self._count
        # Small memories are left to the synthesiser, which makes LUTs of them.
        large = depth * self._width >= BLOCK_BITS
        attributes = {"ram_style": "block"} if large else {}
        if large and not self._spare:
            attributes["rom_style"] = "block"
        memory = Memory(shape=unsigned(self._width), depth=depth, init=self._init, attrs=attributes)
        m.submodules.memory = memory
        reader = memory.read_port()
        m.d.comb += [
            reader.addr.eq(self._place(self.bank, self.address)),
            reader.en.eq(self.enable),
            self.o.eq(reader.data),
        ]
        if self._spare:
            writer = memory.write_port()
            m.d.comb += [
                writer.addr.eq(self._place(self.w_bank, self.w_address)),
                writer.data.eq(self.w_data),
                writer.en.eq(self.w_enable),
            ]
        return m

    def _place(self, bank: Value, address: Value) -> Value:
        return address if self._count == 1 else bank * self._words + address


class HeadHolder(Component):
    """A part of a resident layer that has memories of what belongs to a head.

    Sub-classes call :meth:`_hold` before ``super().__init__``, and say what words a head has.

    Parameters
    ----------
    members
        Ports of the sub-class. With writable heads it also has ``w_enable``, a bit per memory, and
        ``w_bank``, ``w_address`` and ``w_data``, as :class:`BankedMemory` has.
    """

    def __init__(self, members: dict[str, object]) -> None:
        first = self.memories[0]
        writes: dict[str, object] = {}
        if self.layer.writable is not None:
            words = max(memory.words for memory in self.memories)
            writes = {
                "w_enable": In(len(self.memories)),
                "w_bank": In(first.w_bank.shape()),
                "w_address": In(unsigned(max((words - 1).bit_length(), 1))),
                "w_data": In(unsigned(max(memory.width for memory in self.memories))),
            }
        super().__init__({**members, **writes})

    @abstractmethod
    def head_words(self, head: CodebookLayer) -> list[list[int]]:
        """The words of every memory for a head, ``[memories][words]``."""

    @property
    @abstractmethod
    def word_widths(self) -> list[int]:
        """Bits of a word of every memory."""

    def _hold(self, layer: ResidentLayer) -> None:
        """Make the memories."""
        self.layer = layer
        by_head = [self.head_words(head) for head in layer.heads]
        spare = layer.writable is not None
        self.memories = [
            BankedMemory(banks, width, spare=spare)
            for banks, width in zip(zip(*by_head, strict=True), self.word_widths, strict=True)
        ]

    @property
    def memory_costs(self) -> HardwareCosts:
        """The costs of the memories, all heads together."""
        return sum((memory.costs for memory in self.memories), HardwareCosts())

    def _place_memories(self, m: Module) -> None:
        """Put the memories into a module that is never stalled, and connect what writes them."""
        for number, memory in enumerate(self.memories):
            m.submodules[f"memory{number}"] = memory
            if self.layer.writable is not None:
                m.d.comb += [
                    memory.w_enable.eq(self.w_enable[number]),
                    memory.w_bank.eq(self.w_bank),
                    memory.w_address.eq(self.w_address),
                    memory.w_data.eq(self.w_data),
                ]
