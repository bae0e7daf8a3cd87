"""Heads that are written: a half-written head is never used, and words land where they should."""

import pytest
from amaranth.hdl import Array, Cat, Module, Mux, ResetSignal, Signal
from amaranth.lib.wiring import Component, In, Out

from kanhw.gateware.heads.head_loader import HeadBanks, HeadLoader
from kanhw.gateware.heads.head_map import DATA_BITS, HeadRegion
from kanhw.sim.proofs.formal import free_members, watched

BANK_RULES = {
    "shared": "the spare bank is that of a head",
    "in use": "the spare bank is called free while a vector reads it",
    "not free": "busy differs from whether a vector is there that entered until the commit",
    "moved": "a head has another bank without a commit of it, or not the spare one after it",
    "spare moved": "the spare bank is another without a commit, or not the old one after it",
    "refused": "a commit is not accepted though the spare bank is free, or is though it is not",
}
BANK_COVERS = {
    "under way": "a vector that entered before a commit is there after it",
    "again": "a second commit happens",
    "after reset": "a commit happens after a reset while the spare bank was not free",
}


class BanksHarness(Component):
    """HeadBanks among vectors that enter and leave, and commits, all of them at any time.

    One vector is watched, any: it has its bank until it leaves.
    """

    rules = BANK_RULES
    covers = BANK_COVERS
    FREE = ("head", "commit.valid", "commit.payload")

    def __init__(self, heads, most, kind=HeadBanks):
        self.unit, self._heads, self._most = kind(heads, most), heads, most
        super().__init__(
            {
                **free_members(self.unit, self.FREE),
                "enters": In(1),
                "leaves": In(1),
                "watch": In(1),
                "bad": Out(len(self.rules)),
                "seen": Out(len(self.covers)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = self.unit
        there = Signal(range(self._most + 1))
        after = there + unit.enters - unit.leaves
        m.d.sync += there.eq(after)
        m.d.comb += [
            unit.head.eq(self.free0),
            unit.commit.valid.eq(self.free1),
            unit.commit.payload.eq(self.free2),
            unit.enters.eq(self.enters & (there != self._most)),
            unit.leaves.eq(self.leaves & (there != 0)),
        ]
        commits = Signal()
        m.d.comb += commits.eq(unit.commit.valid & unit.commit.ready & ~ResetSignal())
        old = Signal.like(there)
        with m.If(commits):
            m.d.sync += old.eq(after)
        with m.Elif(unit.leaves & (old != 0)):
            m.d.sync += old.eq(old - 1)
        in_use = self._watch_vector(m, there, after)
        moved, spare_moved = self._watch_banks(m, commits)
        m.d.comb += self.bad.eq(
            watched(
                m,
                *(unit.spare == unit.bank, in_use, unit.busy != (old != 0)),
                *(moved, spare_moved, unit.commit.ready == unit.busy),
            )
        )
        self._watch_covers(m, commits, there)
        return m

    def _watch_vector(self, m, there, after):
        unit, ahead, bank = self.unit, Signal.like(there), Signal.like(self.unit.bank)
        with m.If(ahead != 0):
            m.d.sync += ahead.eq(ahead - unit.leaves)
        with m.Elif(self.watch & unit.enters):
            m.d.sync += [ahead.eq(after), bank.eq(unit.bank)]
        return (ahead != 0) & ~unit.busy & (unit.spare == bank)

    def _watch_banks(self, m, commits):
        """What a commit does, and nothing else; not even a reset."""
        unit = self.unit

        def known(value):
            before = Signal.like(value, name=f"{value.name}_before", reset_less=True)
            m.d.sync += before.eq(value)
            return before

        def number(head):
            return Mux(head >= self._heads, self._heads - 1, head)

        head, bank, spare = known(unit.head), known(unit.bank), known(unit.spare)
        committed, target = known(commits), known(unit.commit.payload)
        this = committed & (number(target) == number(head))
        same = number(unit.head) == number(head)
        moved = same & (unit.bank != Mux(this, spare, bank))
        spare_moved = Mux(committed, this & (unit.spare != bank), unit.spare != spare)
        return moved, spare_moved

    def _watch_covers(self, m, commits, there):
        unit, once, reset = self.unit, Signal(), Signal(reset_less=True)
        with m.If(commits):
            m.d.sync += once.eq(1)
        with m.If(ResetSignal() & unit.busy):
            m.d.sync += reset.eq(1)
        m.d.comb += self.seen.eq(
            Cat(once & unit.busy & (there > 1), once & commits, reset & commits)
        )


class Map:
    """Words of one, two and three parts, and addresses where nothing is."""

    regions = (
        HeadRegion(0, 0, words=2, width=2 * DATA_BITS + 6, base=0),
        HeadRegion(0, 1, words=2, width=DATA_BITS + 1, base=8),
        HeadRegion(1, 0, words=3, width=5, base=12),
    )
    address_bits = 5

    @classmethod
    def places(cls):
        """Address by address, from what the map says: region, word and part."""
        return {
            region.base + word * 2**region.chunk_bits + part: (number, word, part)
            for number, region in enumerate(cls.regions)
            for word in range(region.words)
            for part in range(region.chunks)
        }


LOADER_RULES = {
    "hit": "hit differs from whether the map has something at the address",
    "busy": "a write is accepted while the spare bank is not free, or is not though it is",
    "stray": "a memory is written without the last part of a word of it",
    "missed": "the last part of a word was accepted, and its memory is not written",
    "place": "a word is written to another address, or to a bank that was not the spare one",
    "content": "a word whose parts came in order differs from these",
}
LOADER_COVERS = {
    **{f"memory {k}": "a word whose parts came in order is written" for k in range(3)},
    "after reset": "a word is written after a reset in the midst of one",
}


class LoaderHarness(Component):
    """A HeadLoader that is given anything, at any time."""

    rules = LOADER_RULES
    covers = LOADER_COVERS
    FREE = ("i.valid", "i.payload", "spare", "busy")

    def __init__(self, kind=HeadLoader):
        self.unit = kind(Map, 2)
        super().__init__(
            {
                **free_members(self.unit, self.FREE),
                "bad": Out(len(self.rules)),
                "seen": Out(len(self.covers)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = self.unit
        m.d.comb += [
            unit.i.valid.eq(self.free0),
            unit.i.payload.as_value().eq(self.free1),
            unit.spare.eq(self.free2),
            unit.busy.eq(self.free3),
        ]
        accepts = unit.i.valid & unit.i.ready & ~ResetSignal()
        there, place, word, part = Signal(), Signal(2), Signal(2), Signal(2)
        with m.Switch(unit.i.payload.address):
            for address, entry in Map.places().items():
                with m.Case(address):
                    m.d.comb += [there.eq(1), Cat(place, word, part).eq(_packed(entry))]
        chunks = Array(region.chunks for region in Map.regions)[place]
        writes = accepts & there & (part == chunks - 1)
        ordered, whole = self._gather(m, accepts & there, Cat(place, word), part, chunks)
        due, due_place, due_word, due_bank = Signal(), Signal(2), Signal(2), Signal(2)
        due_order, due_whole = Signal(), Signal.like(unit.word)
        m.d.sync += [
            due.eq(writes),
            Cat(due_place, due_word).eq(Cat(place, word)),
            due_bank.eq(unit.spare),
            due_order.eq(ordered),
            due_whole.eq(whole),
        ]
        written = unit.enables != 0
        right = (unit.address == due_word) & (unit.bank == due_bank)
        masks = Array((1 << DATA_BITS * region.chunks) - 1 for region in Map.regions)
        m.d.comb += self.bad.eq(
            watched(
                m,
                unit.hit != there,
                unit.i.ready == unit.busy,
                written & ~due,
                due & (unit.enables != 1 << due_place),
                written & ~right,
                due & due_order & ((unit.word ^ due_whole) & masks[due_place] != 0),
            )
        )
        begun, stopped = Signal(), Signal(reset_less=True)
        m.d.sync += begun.eq(accepts & there & (part != chunks - 1))
        with m.If(begun & ResetSignal()):
            m.d.sync += stopped.eq(1)
        good = due & due_order & written
        kinds = [good & (due_place == k) & ~stopped for k in range(3)]
        m.d.comb += self.seen.eq(Cat(*kinds, good & stopped))
        return m

    def _gather(self, m, accepts, which, part, chunks):
        """The parts of a word so far, and whether they came in order."""
        parts = [Signal(DATA_BITS, name=f"kept{k}") for k in range(2)]
        count, last = Signal(2), Signal.like(which)
        continues = (part == 0) | ((count == part) & (last == which))
        with m.If(accepts):
            m.d.sync += [last.eq(which), count.eq(Mux(continues, part + 1, 0))]
            for k, kept in enumerate(parts):
                with m.If(part == k):
                    m.d.sync += kept.eq(self.unit.i.payload.data)
        value = self.unit.i.payload.data
        whole = Array([value, Cat(parts[0], value), Cat(*parts, value)])[chunks - 1]
        return continues, whole


def _packed(entry):
    return sum(value << (2 * k) for k, value in enumerate(entry))


@pytest.mark.parametrize("heads", [1, *(pytest.param(k, marks=pytest.mark.slow) for k in (2, 3))])
def test_banks(heads, assert_proved):
    assert_proved(BanksHarness(heads, 3))


@pytest.mark.slow
def test_loader(assert_proved):
    assert_proved(LoaderHarness())


BANK_FAULTS = {
    "shared": ("banks[target].eq(spare), spare.eq(banks[target])", "banks[target].eq(spare)"),
    "in use": ("pending.eq(after)", "pending.eq(under_way)"),
    "not free": ("self.leaves & self.busy", "self.leaves & self.busy & ~self.enters"),
    "moved": (" & ~ResetSignal()", ""),
    "spare moved": ("spare.eq(banks[target])", "spare.eq(banks[0])"),
    "refused": ("self.commit.ready.eq(~self.busy)", "self.commit.ready.eq(1)"),
}
LOADER_FAULTS = {
    "hit": ("(word < region.words) & ", ""),
    "busy": ("self.i.ready.eq(~self.busy)", "self.i.ready.eq(1)"),
    "stray": ("m.If(chunk == region.chunks - 1)", "m.If(1)"),
    "missed": ("m.If(chunk == region.chunks - 1)", "m.If(chunk == region.chunks)"),
    "place": ("self.bank.eq(self.spare)", "self.bank.eq(0)"),
    "content": ("*parts[: region.chunks - 1], value", "*parts[: region.chunks - 1][::-1], value"),
}


@pytest.mark.slow
@pytest.mark.parametrize("rule", BANK_FAULTS)
def test_faults_of_banks_are_found(rule, planted, breaks):
    faulty = planted(HeadBanks, *BANK_FAULTS[rule])
    assert breaks(BanksHarness(2, 3, faulty), rule)


@pytest.mark.slow
@pytest.mark.parametrize("rule", LOADER_FAULTS)
def test_faults_of_the_loader_are_found(rule, planted, breaks):
    assert breaks(LoaderHarness(planted(HeadLoader, *LOADER_FAULTS[rule])), rule)
