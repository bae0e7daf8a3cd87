"""The AXI4-Lite slave: every answer, every strobe, pauses on all five channels."""

import numpy as np
import pytest
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator

from kanhw.gateware.top.axi_lite import IDENTITY, REGISTERS, VERSION, AxiLiteHeads

OKAY, SLVERR = 0, 2
HEADS = 5


class Map:
    """Seven words, of which two are missing."""

    address_bits = 5


class Bench:
    """Does writes and reads at the same time, each list in order; what was answered, and done.

    The channels are driven at random: address and data of a write come in any order.
    """

    def __init__(self, writes=(), reads=(), *, chance=1.0, busy=(), seed=0, edges=300, reset_at=()):
        self.unit = AxiLiteHeads(Map(), HEADS)
        self.window = 1 << self.unit.window_bits
        self.writes = [self.resolved(write) for write in writes]
        self.reads = [self.resolved(read) for read in reads]
        self.chance, self.busy, self.reset_at = chance, busy, reset_at
        self.rng = np.random.default_rng(seed)
        self.answers, self.values, self.done = [], [], []
        self.edges = edges
        m = Module()
        m.domains.sync = self.domain = ClockDomain()
        m.submodules.unit = self.unit
        simulator = Simulator(m)
        simulator.add_clock(1e-6)
        simulator.add_testbench(self.run)
        simulator.run()

    def resolved(self, entry):
        """Addresses by the name of a register, or as words of the window."""
        place, *rest = entry
        if isinstance(place, str):
            return (REGISTERS[place], *rest)
        return (self.window + 4 * place, *rest)

    def maybe(self):
        return self.rng.random() < self.chance

    async def run(self, ctx):
        unit = self.unit
        addresses = [write[0] for write in self.writes]
        words, wanted = [write[1:] for write in self.writes], [read[0] for read in self.reads]
        offers = {"aw": False, "w": False, "ar": False}
        stalled = {"b": None, "r": None}
        for edge in range(self.edges):
            resets = edge in self.reset_at
            ctx.set(self.domain.rst, resets)
            busy = edge in self.busy
            ctx.set(unit.busy, busy)
            ctx.set(unit.hit, ctx.get(unit.write.payload.address) not in (3, 9))
            for name, queue in (("aw", addresses), ("w", words), ("ar", wanted)):
                offers[name] = not resets and (offers[name] or (bool(queue) and self.maybe()))
                ctx.set(getattr(unit, f"s_axi_{name}valid"), offers[name])
            ctx.set(unit.s_axi_awaddr, addresses[0] if offers["aw"] else 0)
            ctx.set(unit.s_axi_wdata, words[0][0] if offers["w"] else 0)
            ctx.set(unit.s_axi_wstrb, words[0][1] if offers["w"] else 0)
            ctx.set(unit.s_axi_araddr, wanted[0] if offers["ar"] else 0)
            ready = {"b": self.maybe(), "r": self.maybe()}
            for name, level in ready.items():
                ctx.set(getattr(unit, f"s_axi_{name}ready"), level)
            ctx.set(unit.write.ready, not busy)
            ctx.set(unit.commit.ready, not busy)
            # The address that is looked up may have changed just now.
            ctx.set(unit.hit, ctx.get(unit.write.payload.address) not in (3, 9))
            if ctx.get(unit.write.valid) and not resets:
                assert not busy
                payload = unit.write.payload
                self.done.append((ctx.get(payload.address), ctx.get(payload.data)))
            if ctx.get(unit.commit.valid) and not resets:
                assert not busy
                self.done.append(ctx.get(unit.commit.payload))
            self.answer(ctx, stalled, ready)
            for name, queue in (("aw", addresses), ("w", words), ("ar", wanted)):
                if offers[name] and ctx.get(getattr(unit, f"s_axi_{name}ready")):
                    del queue[0]
                    offers[name] = False
            if resets:
                # What a reset threw away is sent again, from the start.
                addresses = [write[0] for write in self.writes]
                words, wanted = [write[1:] for write in self.writes], [r[0] for r in self.reads]
                self.answers, self.values, self.done = [], [], []
                stalled = {"b": None, "r": None}
            await ctx.tick()

    def answer(self, ctx, stalled, ready):
        """What comes back; it waits unchanged until it is taken."""
        unit = self.unit
        given = {
            "b": (ctx.get(unit.s_axi_bvalid), ctx.get(unit.s_axi_bresp)),
            "r": (
                *(ctx.get(unit.s_axi_rvalid), ctx.get(unit.s_axi_rresp)),
                ctx.get(unit.s_axi_rdata),
            ),
        }
        for name, kept in (("b", self.answers), ("r", self.values)):
            valid, *answer = given[name]
            assert stalled[name] is None or (valid and answer == stalled[name])
            if valid and ready[name]:
                kept.append(tuple(answer))
            stalled[name] = answer if valid and not ready[name] else None


ALL = 0b1111


def test_registers():
    bench = Bench(reads=[(name,) for name in REGISTERS])
    found = dict(zip(REGISTERS, bench.values, strict=True))
    window = bench.window
    assert found == {
        "ID": (OKAY, IDENTITY),
        "VERSION": (OKAY, VERSION),
        "HEADS": (OKAY, HEADS),
        "STATUS": (OKAY, 0),
        "COMMIT": (OKAY, 0),
        "WINDOW": (OKAY, window),
        "WINDOW_BYTES": (OKAY, window),
    }
    assert IDENTITY.to_bytes(4, "big") == b"KANH"


def test_nothing_else_can_be_read():
    unit = AxiLiteHeads(Map(), HEADS)
    size, window = 1 << unit.address_bits, 1 << unit.window_bits
    others = sorted(set(range(0, size, 4)) - set(REGISTERS.values()))
    bench = Bench(reads=[((place - window) // 4,) for place in others], edges=3 * len(others))
    assert bench.values == [(SLVERR, 0)] * len(others)


@pytest.mark.some(2)
@pytest.mark.parametrize(("chance", "seed"), [(1.0, 0), (0.5, 1), (0.2, 2)])
def test_writes(chance, seed):
    writes = [
        (0, 0x11111111, ALL, OKAY, (0, 0x11111111)),
        (31, 0xFFFFFFFF, ALL, OKAY, (31, 0xFFFFFFFF)),
        (3, 1, ALL, SLVERR, None),  # nothing is there
        (9, 1, 0, SLVERR, None),
        (4, 1, 0, OKAY, None),  # no bytes
        ("COMMIT", 4, ALL, OKAY, 4),
        ("COMMIT", 5, ALL, SLVERR, None),  # no such head
        ("COMMIT", 0x80000001, ALL, SLVERR, None),
        ("COMMIT", 0x80000001, 0b0111, OKAY, 1),
        ("COMMIT", 0x01010103, 0b0001, OKAY, 3),
        ("COMMIT", 3, 0, OKAY, None),
        ("ID", 1, ALL, SLVERR, None),
        ("STATUS", 1, ALL, SLVERR, None),
        *((5, 1, strobes, SLVERR, None) for strobes in range(1, 15)),
        (5, 9, ALL, OKAY, (5, 9)),
    ]
    reads = [("COMMIT",)] * 30
    bench = Bench([write[:3] for write in writes], reads, chance=chance, seed=seed, edges=600)
    assert [answer for (answer,) in bench.answers] == [write[3] for write in writes]
    assert bench.done == [write[4] for write in writes if write[4] is not None]
    counts = [count for _, count in bench.values]
    assert counts == sorted(counts) and len(counts) == 30 and counts[0] == 0


def test_commits_are_counted():
    bench = Bench([("COMMIT", head, ALL) for head in (1, 2, 7, 0)], [("COMMIT",)] * 20)
    assert bench.values[-1] == (OKAY, 3)


def test_nothing_is_done_while_busy():
    writes = [(0, 1, ALL), ("COMMIT", 1, ALL), (1, 1, 0)]
    bench = Bench(writes, [("STATUS",)] * 3, busy=range(300))
    assert bench.answers == [(SLVERR,), (SLVERR,), (OKAY,)]
    assert bench.done == []
    assert bench.values == [(OKAY, 1)] * 3


@pytest.mark.parametrize("reset_at", [4, 11, 26])
def test_reset(reset_at):
    """What was under way is forgotten: no half of a write meets a later one's other half."""
    writes = [(k, k, ALL) for k in range(10, 18)]
    reads = [("ID",), ("HEADS",)] * 4
    bench = Bench(writes, reads, chance=0.5, seed=reset_at, reset_at=(reset_at,), edges=200)
    assert bench.done == [(k, k) for k in range(10, 18)]
    assert bench.answers == [(OKAY,)] * 8
    assert bench.values == [(OKAY, IDENTITY), (OKAY, HEADS)] * 4
