"""The stream rules: nothing lost, doubled or changed under stalls; reset; latency; throughput."""

import numpy as np
import pytest
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator

from kanhw.gateware.top.stream_top import CoreTop, StreamTop
from kanhw.gateware.unrolled.pipeline_stage import PipelineStage
from kanhw.schedule.schedule import Schedule


class Simulated:
    """A top with a reset, whose simulator is compiled once: that takes most of the time."""

    def __init__(self, top):
        self.top, self.domain = top, ClockDomain("sync")
        m = Module()
        m.domains.sync = self.domain
        m.submodules.top = top
        self._bench, self._simulator = None, Simulator(m)
        self._simulator.add_clock(1e-6)
        self._simulator.add_testbench(self._current)

    async def _current(self, ctx) -> None:
        await self._bench(ctx)

    def run(self, bench) -> None:
        """From the start, with this testbench."""
        if self._bench is not None:
            self._simulator.reset()
        self._bench = bench
        self._simulator.run()


class Run:
    """One simulated run: what went in, what came out, and at which clock edge."""

    def __init__(self, simulated, words, *, p_valid=1.0, p_ready=1.0, reset_at=None, seed=0):
        self.accepted: list[tuple[int, int]] = []
        self.taken: list[tuple[int, int]] = []
        self.reset_at = reset_at
        self.broken: list[str] = []
        rng = np.random.default_rng(seed)
        top, domain = simulated.top, simulated.domain

        async def bench(ctx) -> None:
            pending, offering, stalled, idle = list(words), False, None, 0
            driven = {}
            for edge in range(len(words) * 12 + 200):
                offering = bool(pending) and (offering or rng.random() < p_valid)
                ready = rng.random() < p_ready
                reset = edge == reset_at
                # The simulator settles the whole design behind every value that is set.
                for port, value in (
                    (domain.rst, reset),
                    (top.i.valid, offering),
                    (top.i.payload, pending[0] if offering else 0),
                    (top.o.ready, ready),
                ):
                    if driven.get(id(port)) != value:
                        ctx.set(port, value)
                        driven[id(port)] = value
                valid, payload = ctx.get(top.o.valid), ctx.get(top.o.payload)
                if stalled is not None and (not valid or payload != stalled):
                    self.broken.append(f"edge {edge}: a stalled output changed")
                if offering and ctx.get(top.i.ready):
                    self.accepted.append((edge, pending.pop(0)))
                    offering = False
                if valid and ready:
                    self.taken.append((edge, payload))
                stalled = payload if valid and not ready and not reset else None
                idle = 0 if pending or valid else idle + 1
                if idle > 100:
                    break
                await ctx.tick()

        simulated.run(bench)


@pytest.fixture(scope="module")
def program(random_program):
    return random_program(np.random.default_rng(128))


@pytest.fixture(scope="module")
def codes(program):
    rng = np.random.default_rng(5)
    format = program.input.format
    return rng.integers(format.lo, format.hi + 1, (120, program.n_in))


@pytest.fixture(scope="module")
def simulated(program):
    return Simulated(StreamTop(program, Schedule()))


def _words(program, codes, pack):
    return pack(codes, program.input.format), pack(program(codes), program.output_format)


@pytest.mark.some(2)
@pytest.mark.parametrize(
    ("p_valid", "p_ready"), [(1, 1), (0.5, 1), (1, 0.4), (0.6, 0.6), (0.2, 0.9)]
)
def test_nothing_is_lost_under_stalls(p_valid, p_ready, simulated, program, codes, pack):
    words, expected = _words(program, codes, pack)
    run = Run(simulated, words, p_valid=p_valid, p_ready=p_ready)
    assert len(set(expected)) > 4
    assert not run.broken
    assert [word for _, word in run.taken] == expected


@pytest.mark.some(2)
@pytest.mark.parametrize("levels", [0, 1, 2])
def test_latency_and_throughput(levels, program, codes, pack):
    words, _ = _words(program, codes, pack)
    top = StreamTop(program, Schedule(adder_levels=levels))
    run = Run(Simulated(top), words)
    assert {t - a for (a, _), (t, _) in zip(run.accepted, run.taken, strict=True)} == {top.latency}
    assert [edge for edge, _ in run.accepted] == list(range(len(words)))


@pytest.mark.some(2)
@pytest.mark.parametrize("reset_at", [3, 40, 90])
@pytest.mark.parametrize("p_ready", [1.0, 0.5])
def test_reset_forgets_what_was_under_way(reset_at, p_ready, simulated, program, codes, pack):
    words, _ = _words(program, codes, pack)
    answer = dict(zip(words, _words(program, codes, pack)[1], strict=True))
    run = Run(simulated, words, p_ready=p_ready, reset_at=reset_at)
    before = [word for edge, word in run.taken if edge <= reset_at]
    after = [word for edge, word in run.taken if edge > reset_at]
    fed_before = [answer[word] for edge, word in run.accepted if edge <= reset_at]
    fed_after = [answer[word] for edge, word in run.accepted if edge > reset_at]
    assert not run.broken
    assert before == fed_before[: len(before)]
    assert len(before) < len(fed_before)
    assert after == fed_after
    assert len(after) > 20


def test_planted_fault_in_the_valid_bits_is_seen(program, codes, pack, monkeypatch):
    words, expected = _words(program, codes, pack)
    short = PipelineStage.latency.fget
    monkeypatch.setattr(PipelineStage, "latency", property(lambda self: short(self) - 1))
    run = Run(Simulated(StreamTop(program, Schedule())), words)
    assert [word for _, word in run.taken] != expected


def test_without_handshake(program, codes, pack):
    words, expected = _words(program, codes, pack)
    top = CoreTop(program, Schedule(handshake=False))
    m = Module()
    m.domains.sync = ClockDomain()
    m.submodules.top = top
    results = []

    async def bench(ctx) -> None:
        for k in range(len(words) + top.latency - 1):
            ctx.set(top.i__payload, words[min(k, len(words) - 1)])
            await ctx.tick()
            results.append(ctx.get(top.o__payload))

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert results[top.latency - 1 :] == expected
