"""Small networks behind a link, and a UART of the testbench's own at the pins."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from kanhw.boards.link.assembled import linked_network
from kanhw.boards.protocol.frames import FrameDecoder, encode_frame
from kanhw.formats import CodeFormat
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer
from kanhw.schedule.schedule import Schedule

DIVISOR = 4
SCHEDULES = {
    "unrolled": Schedule(),
    # Vectors of several beats, the last of which is filled up on both sides.
    "folded": Schedule(kind="folded", parallel_inputs=2, parallel_outputs=2),
}


class Bench:
    """A top in Amaranth's simulator, with frames at its pins."""

    def __init__(self, program, schedule):
        self.program, self.schedule = program, schedule
        self.linked = linked_network(program, schedule, clock_hz=8_000_000, baud=2_000_000)
        assert self.linked.divisor == DIVISOR
        self.top = self.linked.top
        self.frames, self.decoder = [], FrameDecoder()

    def run(self, test):
        """Run ``test(ctx)``, an async function."""
        simulator = Simulator(self.top)
        simulator.add_clock(1e-6)
        simulator.add_testbench(self._hear, background=True)
        simulator.add_testbench(test)
        simulator.run()

    async def say(self, ctx, data):
        """Bytes on rx."""
        for byte in data:
            for bit in [0, *(byte >> k & 1 for k in range(8)), 1]:
                ctx.set(self.top.rx, bit)
                await ctx.tick().repeat(DIVISOR)

    async def ask(self, ctx, *frames, clocks=20_000):
        """Frames in, and as many out."""
        wanted = len(self.frames) + len(frames)
        await self.say(ctx, b"".join(map(encode_frame, frames)))
        for _ in range(clocks):
            if len(self.frames) >= wanted:
                return self.frames[wanted - len(frames) :]
            await ctx.tick()
        raise AssertionError(f"{wanted - len(self.frames)} answers did not come")

    async def _hear(self, ctx):
        while True:
            while ctx.get(self.top.tx):
                await ctx.tick()
            await ctx.tick().repeat(DIVISOR // 2 - 1)
            byte = 0
            for k in range(8):
                await ctx.tick().repeat(DIVISOR)
                byte |= ctx.get(self.top.tx) << k
            await ctx.tick().repeat(DIVISOR)
            assert ctx.get(self.top.tx) == 1, "no stop bit"
            self.frames += self.decoder.feed(bytes([byte]))


@pytest.fixture(scope="session")
def small_program():
    """Three features of 4 bits, three outputs of 5."""
    generator = np.random.default_rng(5)
    tables = generator.integers(-9, 10, (3, 3, 16))
    requantizer = Requantizer(np.ones((1, 3), int), np.zeros(3, int), 0, CodeFormat(5, True))
    layer = EdgeTableLayer(tables, (requantizer,))
    return Program((layer,), InputEncoder(CodeFormat(4, True), 3))


@pytest.fixture(scope="session")
def bench_of():
    """A bench of a Program and a schedule."""
    return Bench


@pytest.fixture(params=["folded", pytest.param("unrolled", marks=pytest.mark.slow)])
def bench(request, small_program):
    return Bench(small_program, SCHEDULES[request.param])
