"""Functions of HLS as loops, operators and memories; the clocks and resources that follow.

A loop that is pipelined starts a turn every ``interval`` clocks, so ``uses`` of an operator in it
take ``ceil(uses / interval)`` instances. Loops of a function run one after the other and share what
is large. Around operators stand multiplexers of shared instances, of registers that are written in
several places and of states, and the counters of loops.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kanhw.hls.costs.block_rams import SMALLEST_MEMORY, bram18, memory_luts
from kanhw.hls.costs.operators import Operator, adder, comparison, multiplexer

__all__ = ["Function", "Loop", "Register", "Store", "Taken"]

# Clocks to enter a loop and to leave it.
_AROUND = 2
# A look-up table chain delays what a long pipeline needs late.
_DELAY_LUTS, _DELAYED_FROM = 64, 4


@dataclass(frozen=True)
class Taken:
    """What hardware takes: look-up tables, flip-flops, multiplier blocks, block RAMs of 18 kbit.

    ``operators`` is the part of the look-up tables that operators are, without what stands around.
    """

    lut: int = 0
    ff: int = 0
    dsp: int = 0
    bram18: int = 0
    operators: int = 0

    def __add__(self, other: Taken) -> Taken:
        return Taken(
            self.lut + other.lut,
            self.ff + other.ff,
            self.dsp + other.dsp,
            self.bram18 + other.bram18,
            self.operators + other.operators,
        )


@dataclass(frozen=True)
class Store:
    """A memory.

    Parameters
    ----------
    words, bits
        Of each copy.
    copies
        How many there are of it.
    true_dual_port
        Whether both of its ports read and write; such a one is a block RAM however small.
    in_luts
        Whether it is bound to look-up tables however large.
    """

    words: int
    bits: int
    copies: int = 1
    true_dual_port: bool = False
    in_luts: bool = False

    @property
    def row(self) -> int:
        """Block RAMs side by side that hold a word; 0 where it is look-up tables."""
        if not self.taken.bram18:
            return 0
        return bram18(min(self.words, 512), self.bits, true_dual_port=self.true_dual_port)

    @property
    def taken(self) -> Taken:
        """What it takes."""
        small = self.words * self.bits < SMALLEST_MEMORY and not self.true_dual_port
        if small or self.in_luts:
            lut = memory_luts(self.words, self.bits) * self.copies
            return Taken(lut=lut, ff=self.bits * self.copies)
        blocks = bram18(self.words, self.bits, true_dual_port=self.true_dual_port)
        return Taken(bram18=blocks * self.copies)


@dataclass(frozen=True)
class Register:
    """Registers that are written in several places, such as the sums of a layer.

    Parameters
    ----------
    count, bits
        How many, and of which width.
    writers
        Places that write to each.
    copies
        How many registers of its own each keeps; nested loops hand values on from one to another.
    """

    count: int
    bits: int
    writers: int = 2
    copies: int = 1


@dataclass(frozen=True)
class Loop:
    """A loop.

    Parameters
    ----------
    turns
        How often it is gone through.
    uses
        Operators of a turn.
    interval
        Clocks between two turns of a pipelined loop; None: turns follow one after the other.
    depth
        Clocks of a turn; of a sequential loop, those besides the loops and functions within.
    inner
        Loops and functions of a turn of a sequential loop.
    at_once
        Instances that a sequential turn takes of an operator; one where nothing is said.
    loads
        Words of 32 bits that a turn reads and keeps.
    reads
        Words that a turn reads of memories, for energy.
    """

    turns: int
    uses: Mapping[Operator, int] = field(default_factory=dict)
    interval: int | None = 1
    depth: int = 2
    inner: Sequence[Loop | Function] = ()
    at_once: Mapping[Operator, int] = field(default_factory=dict)
    loads: int = 0
    reads: Mapping[Store, int] = field(default_factory=dict)

    @property
    def clocks(self) -> int:
        """From the first turn to the end of the last."""
        if self.interval is not None:
            return (self.turns - 1) * self.interval + max(self.depth - 1, 1)
        return self.turns * (self.depth + _within(self.inner))

    @property
    def starts(self) -> int:
        """From the first turn to where a next loop's turns could start."""
        return self.clocks if self.interval is None else self.turns * self.interval

    @property
    def states(self) -> int:
        """States of the function's sequencer that are spent here."""
        if self.interval is not None:
            return self.interval + 1
        return 1 + self.depth + sum(own.states for own in self.inner if isinstance(own, Loop))

    def instances(self, operator: Operator) -> int:
        """How many of an operator this loop alone needs at once."""
        uses = self.uses.get(operator, 0)
        if not uses:
            return 0
        if self.interval is not None:
            return -(-uses // self.interval)
        return self.at_once.get(operator, 1)

    def all_loops(self) -> Iterator[Loop]:
        """The loop itself and those within it, but not those of functions."""
        yield self
        for own in self.inner:
            if isinstance(own, Loop):
                yield from own.all_loops()

    def calls(self) -> Iterator[Function]:
        """Functions that are called within."""
        for own in self.inner:
            if isinstance(own, Function):
                yield own
            else:
                yield from own.calls()


@dataclass(frozen=True)
class Function:
    """A function with hardware of its own.

    Parameters
    ----------
    name
        For people.
    body
        Loops and functions, one after the other.
    stores, registers
        Its memories, and registers that several places write.
    extra
        Operators outside of loops, each an instance of its own unless it is shared.
    depth
        Clocks outside of loops.
    """

    name: str
    body: Sequence[Loop | Function] = ()
    stores: Sequence[Store] = ()
    registers: Sequence[Register] = ()
    extra: Mapping[Operator, int] = field(default_factory=dict)
    depth: int = 0

    @property
    def clocks(self) -> int:
        """From its start to its end."""
        return self.depth + _within(self.body)

    @property
    def loops(self) -> list[Loop]:
        """All of its loops, those within others among them."""
        return [loop for own in self.body if isinstance(own, Loop) for loop in own.all_loops()]

    def functions(self) -> Iterator[Function]:
        """The function itself and those that it calls."""
        yield self
        for own in self.body:
            for called in [own] if isinstance(own, Function) else own.calls():
                yield from called.functions()

    def instances(self) -> Counter[Operator]:
        """Operators that there are, those of called functions not among them."""
        found = Counter[Operator]()
        for operator, count in self.uses().items():
            if not operator.shared:
                found[operator] = count
                continue
            alone = min(self.extra.get(operator, 0), 1)
            found[operator] = max(alone, *(loop.instances(operator) for loop in self.loops), 0)
        return found

    def uses(self) -> Counter[Operator]:
        """Uses of operators in the text of the function."""
        found = Counter[Operator](self.extra)
        for loop in self.loops:
            found.update(loop.uses)
        return found

    def taken(self) -> Taken:
        """What it takes, with the functions that it calls."""
        return sum((own.taken_alone() for own in self.functions()), Taken())

    def taken_alone(self) -> Taken:
        """What it takes without the functions that it calls."""
        instances, uses = self.instances(), self.uses()
        made = sum((store.taken for store in self.stores), Taken())
        operators = sum(own.lut * count for own, count in instances.items())
        ff = sum(own.ff * count for own, count in instances.items())
        dsp = sum(own.dsp * count for own, count in instances.items())
        kept = sum(own.bits * count for own, count in uses.items() if own.latency)
        loaded = 32 * sum(loop.loads for loop in self.loops)
        registers = sum(own.count * own.bits * own.copies for own in self.registers)
        counters, control = 0, 0
        for loop in self.loops:
            bits = loop.turns.bit_length()
            counters += bits + loop.depth
            control += adder(bits).lut + comparison(bits).lut + 2 * multiplexer(2)
            if loop.interval is not None and loop.depth >= _DELAYED_FROM:
                control += _DELAY_LUTS
        around = control + self._multiplexers(instances, uses)
        return made + Taken(
            lut=operators + around,
            ff=ff + kept + loaded + registers + counters,
            dsp=dsp,
            operators=operators,
        )

    def _multiplexers(self, instances: Mapping[Operator, int], uses: Mapping[Operator, int]) -> int:
        """Of states, of registers and of the operands of shared operators."""
        states = self.depth + sum(own.states for own in self.body if isinstance(own, Loop))
        total = multiplexer(states + 1)
        total += sum(multiplexer(own.writers) * own.count * own.copies for own in self.registers)
        for operator, count in instances.items():
            if operator.shared and count:
                total += 2 * count * multiplexer(-(-uses[operator] // count))
        return total


def _within(body: Sequence[Loop | Function]) -> int:
    """Clocks of loops and functions one after the other."""
    return sum(own.clocks + (_AROUND if isinstance(own, Loop) else 0) for own in body)
