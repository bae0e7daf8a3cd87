"""The table of the heads' banks, and the loader that writes the spare one."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, ResetSignal, Signal, Value, unsigned
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from kanhw.gateware.heads.head_map import DATA_BITS, HeadMap

__all__ = ["HeadBanks", "HeadLoader", "head_number"]


def head_number(head: Value, heads: int) -> Value:
    """The number of a head; one beyond the last means the last."""
    if 1 << len(head) == heads:
        return head
    return Mux(head >= heads, heads - 1, head)


class HeadBanks(Component):
    """The bank of every head, and a spare one.

    A commit gives a head the spare bank, and makes its old bank the spare. Vectors that entered
    until then, at the clock edge of the commit too, keep the old bank; until the last of them has
    left, the spare bank is not free. A reset leaves the banks as they are, since their contents
    stay too: a head that was being written does not come back.

    Parameters
    ----------
    heads
        How many there are.
    most
        Vectors that may be under way, at most.

    Members
    -------
    head : In(unsigned); bank : Out(unsigned)
        The bank of a vector that enters now.
    enters, leaves : In(1)
        Whether a vector does.
    commit : In(stream of a head)
    spare : Out(unsigned); busy : Out(1)
        The bank to write to, and whether it is not free yet.
    """

    def __init__(self, heads: int, most: int) -> None:
        self._heads = heads
        self._most = most
        bits = max((heads - 1).bit_length(), 1)
        bank = unsigned(heads.bit_length())
        super().__init__(
            {
                "head": In(unsigned(bits)),
                "bank": Out(bank),
                "enters": In(1),
                "leaves": In(1),
                "commit": In(stream.Signature(unsigned(bits))),
                "spare": Out(bank),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """A register per head, and two counters."""
        m = Module()
        shape = self.bank.shape()
        banks = Array(
            Signal(shape, name=f"bank{head}", init=head, reset_less=True)
            for head in range(self._heads)
        )
        spare = Signal(shape, name="spare_bank", init=self._heads, reset_less=True)
        under_way, pending, after = (
            Signal(range(self._most + 1), name=name) for name in ("under_way", "pending", "after")
        )
        # `under_way` counts the vectors that have entered and not left. At a commit `pending`
        # starts with them: the spare bank is free when so many have left.
        target = head_number(self.commit.payload, self._heads)
        # A reset undoes what happens at its edge: a word that is taken there would be missing.
        commits = self.commit.valid & self.commit.ready & ~ResetSignal()
        m.d.comb += [
            # The bank of the vector that enters in this clock, from before a commit at its edge.
            self.bank.eq(banks[head_number(self.head, self._heads)]),
            after.eq(under_way + self.enters - self.leaves),
            self.busy.eq(pending != 0),
            self.commit.ready.eq(~self.busy),
            self.spare.eq(spare),
        ]
        m.d.sync += under_way.eq(after)
        # A commit exchanges the head's bank with the spare one.
        with m.If(commits):
            m.d.sync += [banks[target].eq(spare), spare.eq(banks[target])]
            m.d.sync += pending.eq(after)
        with m.Elif(self.leaves & self.busy):
            m.d.sync += pending.eq(pending - 1)
        return m


class HeadLoader(Component):
    """Takes 32 bits at an address and writes the words of memories, in the spare bank.

    The parts of a word must come in the order of their addresses; the last of them writes it.

    Parameters
    ----------
    map
        Where everything is.

    Members
    -------
    i : In(stream of a struct): ``address`` and ``data``
    spare, busy : In
        The bank to write to, and whether it is not free.
    hit : Out(1)
        Whether there is anything at the address; without it nothing happens.
    enables : Out, a bit per region of the map; bank, address, word : Out
        What to write, a clock later.
    """

    def __init__(self, map: HeadMap, bank_bits: int) -> None:
        self._map = map
        entry = data.StructLayout({"address": map.address_bits, "data": DATA_BITS})
        words = max(region.words for region in map.regions)
        super().__init__(
            {
                "i": In(stream.Signature(entry)),
                "spare": In(bank_bits),
                "busy": In(1),
                "hit": Out(1),
                "bank": Out(bank_bits),
                "enables": Out(len(map.regions)),
                "address": Out(unsigned(max((words - 1).bit_length(), 1))),
                "word": Out(unsigned(DATA_BITS * max(r.chunks for r in map.regions))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Address decoders, and registers for the parts of a word."""
        m = Module()
        place, value = self.i.payload.address, self.i.payload.data
        # A word may be wider than what is written at a time: its lower parts wait here for the
        # last, which is written straight from the input.
        parts = [
            Signal(DATA_BITS, name=f"part{k}", reset_less=True)
            for k in range(len(self.word) // DATA_BITS - 1)
        ]
        accepts = self.i.valid & self.i.ready
        m.d.comb += self.i.ready.eq(~self.busy)
        # A commit right now makes another bank the spare; this word belongs to the one until now.
        m.d.sync += [self.enables.eq(0), self.bank.eq(self.spare)]
        for number, region in enumerate(self._map.regions):
            chunk = place[: region.chunk_bits]
            word = place[region.chunk_bits : region.bits]
            inside = place[region.bits :] == region.base >> region.bits
            # A region is padded to a power of two; nothing is at the addresses of the padding.
            there = inside & (word < region.words) & (chunk < region.chunks)
            with m.If(there):
                m.d.comb += self.hit.eq(1)
                with m.If(accepts):
                    m.d.sync += self.address.eq(word)
                    with m.If(chunk == region.chunks - 1):
                        held = [*parts[: region.chunks - 1], value]
                        m.d.sync += [self.enables[number].eq(1), self.word.eq(Cat(held))]
                    for k in range(region.chunks - 1):
                        with m.If(chunk == k):
                            m.d.sync += parts[k].eq(value)
        return m
